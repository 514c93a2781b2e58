//! How many handshakes there are, and how long each may take.

use super::*;

#[test]
fn handshakes_have_an_end_and_a_bound_for_each_address() {
    let mut world = World::new();
    for port in 0..MAX_HANDSHAKES_PER_ADDRESS as u16 {
        world.pass(Duration::from_millis(50));
        world.sent();
        let (_, _, second) = Client::hellos(&mut world, path(1, port + 1));
        world.give(&path(1, port + 1), &second);
        assert!(!world.sent().is_empty());
    }
    let further = path(1, 9999);
    world.pass(Duration::from_millis(50));
    world.sent();
    let (_, _, second) = Client::hellos(&mut world, further);
    world.give(&further, &second);
    assert!(world.sent().is_empty());
    assert_eq!(world.server.len(), MAX_HANDSHAKES_PER_ADDRESS);
    // Others are not in the way.
    let mut other = Client::connected(&mut world, path(2, 1));
    other.say(&mut world, b"here");
    world.pass(HANDSHAKE_TIME);
    assert_eq!(world.server.len(), 1);
    assert_eq!(world.closed().len(), MAX_HANDSHAKES_PER_ADDRESS);
    world.sent();
    Client::connected(&mut world, further);
    assert_eq!(world.server.len(), 2);
}

#[test]
fn handshakes_of_an_address_are_so_many_a_second() {
    let mut world = World::new();
    let mut begun = 0;
    for port in 0..HANDSHAKES.1 as u16 + 50 {
        let me = path(1, port + 1);
        let mut client = Client::begin(world.now, me);
        world.settle(&mut client);
        begun += usize::from(client.association.is_done());
        // And it leaves.
        client.association.close(world.now);
        for datagram in client.sent() {
            world.give(&me, &datagram);
        }
        world.sent();
    }
    assert_eq!(begun, HANDSHAKES.1 as usize);
    world.pass(Duration::from_secs(1));
    Client::connected(&mut world, path(1, 60_000));
}

#[test]
fn handshakes_of_all_are_so_many_a_second() {
    let mut world = World::new();
    let begin = |world: &mut World, host| {
        let me = path(host, 1);
        let (_, _, second) = Client::hellos(world, me);
        world.give(&me, &second);
        usize::from(!world.sent().is_empty())
    };
    let begun: usize = (0..150).map(|host| begin(&mut world, host)).sum();
    assert_eq!(begun, ALL_HANDSHAKES.1 as usize);
    world.pass(Duration::from_millis(20));
    world.sent();
    assert_eq!(begin(&mut world, 200) + begin(&mut world, 201), 1);
}

#[test]
fn few_handshakes_begin_and_go_on_in_one_turn() {
    let mut world = World::new();
    let hellos: Vec<_> = (0..MAX_STEPS as u8 + 4)
        .map(|host| Client::hellos(&mut world, path(host, 1)))
        .collect();
    let begun = |world: &World| world.server.len();
    world.server.begin_turn();
    for (client, _, second) in &hellos {
        world.give_at_once(&client.path, second);
    }
    assert_eq!(begun(&world), MAX_BEGUN);
    // Whoever asks again is heard.
    for (client, _, second) in &hellos {
        world.give(&client.path, second);
    }
    assert_eq!(begun(&world), hellos.len());
    let mut clients: Vec<_> = hellos.into_iter().map(|(client, ..)| client).collect();
    for (path, datagram) in world.sent() {
        let mut clients = clients.iter_mut();
        let client = clients.find(|client| client.path == path).unwrap();
        client.take(world.now, &datagram);
    }
    // As many parts of these as there may be, and not all at once.
    world.server.begin_turn();
    for client in &mut clients {
        for datagram in client.sent() {
            world.give_at_once(&client.path, &datagram);
        }
    }
    let answered = world.sent();
    assert!(answered.len() <= MAX_STEPS && !answered.is_empty());
    let is_unanswered = |client: &Client| !answered.iter().any(|(path, _)| *path == client.path);
    assert!(clients.iter().any(is_unanswered));
}

#[test]
fn a_handshake_that_is_one_too_many_ends_the_oldest() {
    let mut world = World::new();
    let begin = |world: &mut World, number: usize| {
        world.pass(Duration::from_millis(20));
        world.sent();
        let me = path((number % 200) as u8, 1 + (number / 200) as u16);
        let (_, _, second) = Client::hellos(world, me);
        world.give(&me, &second);
        let sent = world.sent();
        assert!(sent.iter().any(|(path, _)| *path == me), "{number}");
    };
    (0..MAX_HANDSHAKES).for_each(|number| begin(&mut world, number));
    assert_eq!(world.server.len(), MAX_HANDSHAKES);
    assert!(world.closed().is_empty());
    begin(&mut world, MAX_HANDSHAKES);
    assert_eq!(world.closed(), [path(0, 1)]);
    assert_eq!(world.server.len(), MAX_HANDSHAKES);
}
