//! Two clients with relays at the port that relays share, which call each other.

use super::*;
use crate::turn::tenancy::MAX_CLAIMS;

/// Two of a port call each other: neither has an address that the other has not.
struct Pair {
    bench: Bench,
    a: Client,
    b: Client,
}

impl Pair {
    fn new() -> Self {
        let mut bench = Bench::sharing(PORT);
        let [a, b] = [1, 2].map(|n| {
            let mut client = client(&mut bench, n);
            assert_eq!(client.permit(&mut bench, HERE), 0);
            client
        });
        Self { bench, a, b }
    }

    fn send(&mut self, client: &Client, datagram: &[u8]) -> Vec<SocketAddr> {
        assert!(client.send(&mut self.bench, HERE, datagram).is_none());
        assert!(self.bench.relayed().is_empty(), "it needs no socket");
        let given = given(&mut self.bench);
        let here = |from: &Option<SocketAddr>| *from == Some(read(HERE));
        assert!(
            given
                .iter()
                .all(|(_, from, data)| here(from) && data == datagram)
        );
        given.into_iter().map(|(client, _, _)| client).collect()
    }
}

#[test]
fn two_that_call_each_other_are_brought_together_by_the_names_of_their_checks() {
    let mut pair = Pair::new();
    let (a, b) = (pair.a.clone(), pair.b.clone());
    let (at_a, at_b) = ([a.path.remote], [b.path.remote]);
    assert!(
        pair.send(&a, &check("bb:aa")).is_empty(),
        "nobody answers to that yet"
    );
    assert!(pair.send(&a, b"media").is_empty());
    assert_eq!(pair.send(&b, &check("aa:bb")), at_a);
    assert_eq!(pair.send(&a, b"an answer"), at_b);
    assert_eq!(pair.send(&a, &check("bb:aa")), at_b);
    assert_eq!(pair.send(&b, b"media"), at_a);
    // A third is told nothing, and tells nobody anything.
    let mut third = client(&mut pair.bench, 3);
    assert_eq!(third.permit(&mut pair.bench, HERE), 0);
    for datagram in [
        &check("bb:aa")[..],
        b"media",
        &check("aa:bb"),
        &check("x:y"),
        b"media",
    ] {
        assert!(pair.send(&third, datagram).is_empty());
    }
    assert_eq!(pair.send(&a, b"media"), at_b);
    // They begin anew, by other names: the old ones serve until both have said the new ones.
    assert!(pair.send(&a, &check("dd:cc")).is_empty());
    assert_eq!(pair.send(&b, b"media"), at_a);
    assert_eq!(pair.send(&b, &check("cc:dd")), at_a);
    assert_eq!(pair.send(&a, b"media"), at_b);
    // One calls somebody else, who is its only one then.
    assert!(pair.send(&third, &check("ee:ff")).is_empty());
    assert_eq!(pair.send(&a, &check("ff:ee")), [third.path.remote]);
    assert_eq!(pair.send(&third, b"media"), at_a);
    assert!(pair.send(&b, b"media").is_empty());
    assert_eq!(pair.send(&a, b"media"), [third.path.remote]);
}

/// As ICE does it: the same names to every address of the other end.
#[test]
fn checks_of_other_addresses_by_the_same_name_are_no_hindrance() {
    let mut pair = Pair::new();
    let (mut a, b) = (pair.a.clone(), pair.b.clone());
    assert_eq!(a.permit(&mut pair.bench, PEER), 0);
    a.send(&mut pair.bench, PEER, &check("bb:aa"));
    assert_eq!(pair.bench.relayed().len(), 1);
    assert!(
        pair.send(&b, &check("aa:bb")).is_empty(),
        "that is not where it checks"
    );
    assert_eq!(pair.send(&a, &check("bb:aa")), [b.path.remote]);
    assert_eq!(pair.send(&b, &check("aa:bb")), [a.path.remote]);
}

#[test]
fn who_has_no_permission_is_told_nothing_by_another_one_at_the_port_and_nobody_outlives_its_end() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    assert_eq!(a.permit(&mut bench, HERE), 0);
    assert_eq!(b.permit(&mut bench, HERE), 0);
    let send = |bench: &mut Bench, client: &Client, datagram: &[u8]| {
        client.send(bench, HERE, datagram);
        given(bench).len()
    };
    assert_eq!(send(&mut bench, &a, &check("bb:aa")), 0);
    assert_eq!(send(&mut bench, &b, &check("aa:bb")), 1);
    bench.pass(PERMISSION_LIFETIME);
    assert_eq!(a.permit(&mut bench, HERE), 0);
    assert_eq!(send(&mut bench, &a, b"media"), 0);
    assert_eq!(b.permit(&mut bench, HERE), 0);
    assert_eq!(send(&mut bench, &a, b"media"), 1);
    assert_eq!(b.refresh(&mut bench, 0).code(), 0);
    let mut b = client(&mut bench, 2);
    assert_eq!(b.permit(&mut bench, HERE), 0);
    assert_eq!(send(&mut bench, &a, b"media"), 0);
}

#[test]
fn two_of_different_shards_are_brought_together_too() {
    let mut bench = Bench::sharing(PORT);
    let mut beside = bench.beside();
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut beside, 2));
    assert_eq!(a.permit(&mut bench, HERE), 0);
    assert_eq!(b.permit(&mut beside, HERE), 0);
    a.send(&mut bench, HERE, &check("bb:aa"));
    b.send(&mut beside, HERE, &check("aa:bb"));
    carry_over(&mut beside, &mut bench);
    let expected = (a.path.remote, Some(read(HERE)), check("aa:bb"));
    assert_eq!(given(&mut bench), [expected]);
    a.send(&mut bench, HERE, b"media");
    carry_over(&mut bench, &mut beside);
    let expected = (b.path.remote, Some(read(HERE)), b"media".to_vec());
    assert_eq!(given(&mut beside), [expected]);
}

#[test]
fn however_it_ends_nothing_is_left_and_one_relay_has_no_more_than_it_may() {
    let mut bench = Bench::sharing(PORT);
    let issued = (bench.shared.credentials).issue_for(crate::turn::account::Reach::Peers);
    let mut a = Client::of("198.51.100.7:4000", &issued);
    a.relay(&mut bench);
    assert_eq!(a.permit(&mut bench, PEER), 0);
    let ports = 1..=MAX_CLAIMS + 10;
    let sent = ports.filter(|port| sends(&mut bench, &a, &format!("198.100.1.1:{port}")));
    assert_eq!(sent.count(), MAX_CLAIMS);
    for n in 0..20 {
        a.send(&mut bench, "198.100.1.1:1", &check(&format!("a{n}:b")));
    }
    let sharing = bench.shared.sharing.clone().unwrap();
    assert_eq!(
        sharing.lock().counts(),
        (MAX_CLAIMS, 1, crate::turn::names::MAX_NAMES)
    );
    // Its credentials are taken from it.
    drop(issued);
    bench.pass(SECOND);
    assert_eq!(
        (bench.turn.len(), sharing.lock().counts()),
        (0, (MAX_CLAIMS, 0, 0)),
        "what is on its way is nobody else's yet"
    );
    bench.pass(2 * ECHO);
    assert_eq!(sharing.lock().counts(), (0, 0, 0));
}

/// An end of ICE may have two relays at the port, whose checks are called the same.
#[test]
fn who_talks_with_one_of_two_relays_of_a_name_goes_on_with_the_other() {
    let mut pair = Pair::new();
    let (mut first, b) = (pair.a.clone(), pair.b.clone());
    let mut second = client_called(&mut pair.bench, 3, "user1");
    assert_eq!(second.permit(&mut pair.bench, HERE), 0);
    assert!(pair.send(&first, &check("bb:aa")).is_empty());
    assert_eq!(pair.send(&b, &check("aa:bb")), [first.path.remote]);
    assert!(pair.send(&second, &check("bb:aa")).is_empty());
    assert_eq!(first.refresh(&mut pair.bench, 0).code(), 0);
    pair.bench.pass(SECOND);
    assert_eq!(pair.send(&second, &check("bb:aa")), [b.path.remote]);
    assert_eq!(pair.send(&b, &check("aa:bb")), [second.path.remote]);
    assert_eq!(pair.send(&b, b"media"), [second.path.remote]);
    assert_eq!(pair.send(&second, b"media"), [b.path.remote]);
}
