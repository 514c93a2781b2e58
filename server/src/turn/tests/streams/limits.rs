//! How many connections relays of TCP have and try, and who leaves room to whom.

use super::*;

#[test]
fn a_relay_has_so_many_connections_and_so_has_a_user() {
    let mut bench = Bench::new();
    let mut client = client();
    let mut all = 0;
    for relay in 0.. {
        client = beside(&client, 4000 + relay);
        relay_of(&mut bench, &mut client, 1);
        let mut ports = 7000..;
        let mut next = || {
            bench.now += Duration::from_millis(50);
            let peer = format!("198.100.1.1:{}", ports.next().unwrap());
            connect(&mut bench, &client, &peer)
        };
        let begun = std::iter::from_fn(|| next().is_none().then_some(())).count();
        all += begun;
        if begun < MAX_PER_RELAY {
            break;
        }
        assert_eq!((begun, next()), (MAX_PER_RELAY, Some(486)));
    }
    assert_eq!(all, MAX_PER_USER);
    assert_eq!(bench.shared.connections.len(), MAX_PER_USER);
}

/// A relay is no way to look for open ports.
#[test]
fn connections_are_tried_so_many_a_second() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let mut tried = 0;
    for at in 0..3000_u16 {
        let peer = format!("198.100.1.1:{}", at + 1);
        match connect(&mut bench, &client, &peer) {
            None => {
                tried += 1;
                let (id, _) = *bench.machine.connecting.last().unwrap();
                (bench.turn).handle_connected(bench.now, port, (id, false), &mut bench.machine);
                assert_eq!(answered(&mut bench, &client).unwrap().code(), 447);
            }
            Some(code) => assert_eq!(code, 508),
        }
    }
    assert_eq!(tried, ATTEMPTS.1);
    bench.now += SECOND;
    let later = (0..100_u16).filter(|at| {
        let peer = format!("198.100.1.2:{}", at + 1);
        connect(&mut bench, &client, &peer).is_none()
    });
    assert_eq!(later.count(), ATTEMPTS.0 as usize);
}

/// So many attempts, all at once. Returns how many were more than tried.
fn attempts(bench: &mut Bench, client: &Client, port: u16, peers: std::ops::Range<u16>) -> u32 {
    let mut tried = 0;
    for at in peers {
        match connect(bench, client, &format!("198.100.1.1:{at}")) {
            None => {
                tried += 1;
                let (id, _) = *bench.machine.connecting.last().unwrap();
                (bench.turn).handle_connected(bench.now, port, (id, false), &mut bench.machine);
                assert_eq!(answered(bench, client).unwrap().code(), 447);
            }
            Some(code) => assert_eq!(code, 508),
        }
    }
    tried
}

#[test]
fn another_relay_is_no_way_to_try_more_and_neither_is_another_name_or_another_address() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert_eq!(attempts(&mut bench, &client, port, 1..90), 89);
    // Instead of the first, and beside it.
    assert_eq!(client.refresh(&mut bench, 0).code(), 0);
    let port = relay_of(&mut bench, &mut client, 1);
    assert_eq!(attempts(&mut bench, &client, port, 100..106), 6);
    let mut second = beside(&client, 4100);
    let port = relay_of(&mut bench, &mut second, 1);
    let left = ATTEMPTS.1 - 95;
    assert_eq!(attempts(&mut bench, &second, port, 200..300), left);
    let mut other = named("other", "198.51.100.7:4200");
    let port = relay_of(&mut bench, &mut other, 1);
    assert_eq!(attempts(&mut bench, &other, port, 300..400), 0);
    let mut elsewhere = Client::new("198.51.100.8:4000").over(Transport::Tcp);
    let port = relay_of(&mut bench, &mut elsewhere, 1);
    assert_eq!(attempts(&mut bench, &elsewhere, port, 400..500), 0);
    let mut nobody = named("nobody", "198.51.100.9:4000");
    let port = relay_of(&mut bench, &mut nobody, 1);
    assert_eq!(attempts(&mut bench, &nobody, port, 500..503), 3);
}

/// Somebody else.
fn named(name: &str, remote: &str) -> Client {
    let username = format!("{}:{name}", UNIX + 100);
    let secret = crate::turn::credentials::SharedSecret("north".to_owned());
    let password = crate::turn::credentials::time_limited(&secret, &username);
    Client::called(remote, &username, &password).over(Transport::Tcp)
}

#[test]
fn one_household_leaves_connections_to_the_others_whatever_its_names() {
    let mut bench = Bench::new();
    let mut begun = 0;
    for at in 0..12_u16 {
        let mut client = named(&at.to_string(), &format!("198.51.100.7:{}", 4000 + at));
        relay_of(&mut bench, &mut client, 1);
        for peer in 0..30 {
            bench.now += Duration::from_millis(50);
            let peer = format!("198.100.1.1:{}", 7000 + peer);
            begun += usize::from(connect(&mut bench, &client, &peer).is_none());
        }
    }
    assert_eq!(begun, MAX_PER_SOURCE);
    let mut other = named("other", "198.51.100.8:4000");
    relay_of(&mut bench, &mut other, 1);
    assert_eq!(connect(&mut bench, &other, PEER), None);
}

#[test]
fn peers_that_connect_leave_room_for_those_that_are_connected_with() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    let mut arrived = 0;
    for at in 0..100 {
        let peer = format!("198.100.1.1:{}", 8000 + at);
        arrived += usize::from(arrive(&mut bench, port, &peer).is_some());
    }
    bench.sent();
    assert_eq!(arrived, MAX_ARRIVED);
    assert_eq!(connect(&mut bench, &client, PEER), None);
    // They come back no quicker than that.
    bench.now += UNBOUND;
    let mut arrived = 0;
    for at in 0..1000_u16 {
        let peer = format!("198.100.1.1:{}", 8000 + at);
        if let Some(id) = arrive(&mut bench, port, &peer) {
            arrived += 1;
            bench.sent();
            assert_eq!(bind(&mut bench, &mut beside(&client, 9000 + at), id), 0);
            drop(joined(&mut bench));
        }
        bench.sent();
    }
    assert_eq!(arrived, ARRIVALS.1);
}
