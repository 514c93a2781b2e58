//! Stored credentials: what opens a relay, for how long, and that every byte of it is counted.

use std::time::Duration;

use bytes::BytesMut;

use super::bench::*;
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::{FourTuple, Transport};
use crate::turn::access::Access;
use crate::turn::meter::{Owner, Payer};
use crate::turn::quota::MAX_PER_STORED;
use crate::turn::stored::StoredUser;

const OWNER: Owner = Owner {
    number: 7,
    project: Some(3),
};

const OURSELVES: &str = "203.0.113.1:3478";

fn user(expires: Option<u64>) -> StoredUser {
    StoredUser {
        username: "stored".to_owned(),
        password: "secret".to_owned(),
        api_key: "shown".to_owned(),
        owner: OWNER,
        expires,
    }
}

fn bench(expires: Option<u64>) -> (Bench, Client) {
    let bench = Bench::new();
    bench.shared.credentials.stored().put(user(expires));
    let client = Client::called("198.51.100.7:4000", "stored", "secret");
    (bench, client)
}

/// What came to the meters since they were last read.
fn counted(bench: &Bench) -> u64 {
    let read = bench.shared.credentials.stored().meters().read();
    assert!(read.iter().all(|(payer, _)| *payer == Payer::Stored(OWNER)));
    read.iter().map(|(_, bytes)| bytes).sum()
}

#[test]
fn stored_credentials_lead_to_peers_with_either_key_and_no_other_password() {
    for sha256 in [false, true] {
        let (mut bench, mut client) = bench(None);
        client.sha256 = sha256;
        client.relay(&mut bench);
        assert_eq!(client.permit(&mut bench, PEER), 0);
        let mut wrong = Client::called("198.51.100.7:4001", "stored", "guess");
        wrong.sha256 = sha256;
        assert_eq!(wrong.allocate(&mut bench).code(), 401);
        let mut shown = Client::called("198.51.100.7:4002", "stored", "shown");
        assert_eq!(shown.allocate(&mut bench).code(), 401);
    }
}

#[test]
fn what_is_taken_away_ends_its_relays_within_a_second_and_opens_none() {
    let (mut bench, mut client) = bench(None);
    client.relay(&mut bench);
    let stored = bench.shared.credentials.stored().clone();
    stored.remove("stored");
    assert_eq!(client.refresh(&mut bench, 600).code(), 401);
    bench.pass(SECOND);
    assert!(bench.turn.is_empty() && bench.machine.open.is_empty());
    assert_eq!(client.allocate(&mut bench).code(), 401);
    stored.put(user(None));
    assert_eq!(client.allocate(&mut bench).code(), 0);
}

#[test]
fn a_relay_ends_when_its_credentials_do_however_long_it_asks_for() {
    let (mut bench, mut client) = bench(Some(UNIX + 100));
    assert_eq!(client.allocate(&mut bench).lifetime(), 100);
    bench.pass(40 * SECOND);
    assert_eq!(client.refresh(&mut bench, 3600).lifetime(), 60);
    bench.pass(59 * SECOND);
    assert_eq!(bench.turn.len(), 1);
    bench.pass(SECOND);
    assert!(bench.turn.is_empty());
    assert_eq!(client.allocate(&mut bench).code(), 401);
}

#[test]
fn payload_is_counted_both_ways_and_nothing_else() {
    let (mut bench, mut client) = bench(None);
    let port = client.relay(&mut bench).port();
    let peer = PEER.parse().unwrap();
    // Nobody is permitted yet.
    client.send(&mut bench, PEER, &[0; 1000]);
    let now = bench.now;
    bench.turn.handle_peer(now, port, peer, &[0; 1000]);
    bench.pass(SECOND);
    assert_eq!(counted(&bench), 0);

    assert_eq!(client.permit(&mut bench, PEER), 0);
    client.send(&mut bench, PEER, &[0; 100]);
    bench.turn.handle_peer(bench.now, port, peer, &[0; 20]);
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    bench.give(&client.path, &channel(0x4000, &[0; 3]));
    // A packet that is too long is not passed on.
    bench.turn.handle_peer(bench.now, port, peer, &[0; 4000]);
    let relayed: usize = bench.relayed().iter().map(|(_, _, data)| data.len()).sum();
    assert_eq!(relayed, 103);
    bench.pass(SECOND);
    assert_eq!(counted(&bench), 123);
    bench.pass(SECOND);
    assert_eq!(counted(&bench), 0);
}

#[test]
fn what_goes_to_this_server_itself_is_counted_too() {
    let (mut bench, mut client) = bench(None);
    let relayed = client.relay(&mut bench);
    assert_eq!(client.permit(&mut bench, OURSELVES), 0);
    assert!(client.send(&mut bench, OURSELVES, &[0; 10]).is_some());
    let path = FourTuple {
        transport: Transport::Relayed,
        local: OURSELVES.parse().unwrap(),
        remote: relayed,
    };
    let mut outbox = Outbox::default();
    for len in [200, 200, 50] {
        outbox.push(&path, BytesMut::zeroed(len));
    }
    let transmit: Transmit = outbox.pop().unwrap();
    assert_eq!(transmit.count(), 3);
    bench.turn.handle_own(bench.now, &transmit);
    bench.pass(SECOND);
    assert_eq!(counted(&bench), 460);
}

#[test]
fn however_a_relay_ends_what_it_carried_is_counted_and_its_end_is_known() {
    type End = fn(&mut Bench, &mut Client);
    let ends: [End; 4] = [
        |bench, client| assert_eq!(client.refresh(bench, 0).code(), 0),
        |bench, _| bench.shared.credentials.stored().remove("stored"),
        |bench, _| bench.pass(Duration::from_secs(600)),
        |bench, _| {
            let beside = bench.beside().turn;
            std::mem::replace(&mut bench.turn, beside).close_all(&mut bench.machine);
        },
    ];
    for end in ends {
        let (mut bench, mut client) = bench(None);
        client.relay(&mut bench);
        client.permit(&mut bench, PEER);
        client.send(&mut bench, PEER, &[0; 77]);
        let meters = bench.shared.credentials.stored().meters().clone();
        assert!(!meters.take_ended());
        end(&mut bench, &mut client);
        bench.pass(SECOND);
        assert!(meters.take_ended() && bench.turn.is_empty());
        assert_eq!(counted(&bench), 77);
    }
}

#[test]
fn all_visitors_of_a_page_may_have_the_same_up_to_a_limit() {
    let mut bench = Bench::with(Access::default(), 20_000..=30_000);
    bench.shared.credentials.stored().put(user(None));
    let mut allocate = |n: usize| {
        let remote = format!("198.51.{}.{}:4000", n / 200, n % 200 + 1);
        let mut client = Client::called(&remote, "stored", "secret");
        client.allocate(&mut bench).code()
    };
    assert!((0..MAX_PER_STORED).all(|n| allocate(n) == 0));
    assert_eq!(allocate(MAX_PER_STORED), 486);
}
