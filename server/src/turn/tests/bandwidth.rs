//! How much the relays of one credential carry, all together and each way by itself.

use bytes::BytesMut;

use super::bench::*;
use crate::media::net::outbox::Outbox;
use crate::turn::meter::{Owner, Payer};
use crate::turn::stored::StoredUser;

/// In kbit/s: a burst is fifty packets.
const RATE: u32 = 800;
const PACKET: [u8; 1000] = [7; 1000];
const OURSELVES: &str = "203.0.113.1:3478";

/// A client with a relay and a channel to the peer.
fn client(bench: &mut Bench, mut client: Client) -> (Client, u16) {
    let port = client.relay(bench).port();
    assert_eq!(client.bind(bench, 0x4000, PEER), 0);
    (client, port)
}

/// How many of so many packets leave for the peer.
fn up(bench: &mut Bench, client: &Client, count: usize) -> usize {
    for n in 0..count {
        match n % 2 {
            0 => assert!(
                bench
                    .give(&client.path, &channel(0x4000, &PACKET))
                    .is_none()
            ),
            _ => assert!(client.send(bench, PEER, &PACKET).is_none()),
        }
    }
    bench.relayed().len()
}

/// How many of so many of the peer's leave for the client.
fn down(bench: &mut Bench, port: u16, count: usize) -> usize {
    for _ in 0..count {
        (bench.turn).handle_peer(bench.now, port, PEER.parse().unwrap(), &PACKET);
    }
    bench.sent().len()
}

#[test]
fn what_is_too_much_is_dropped_and_counted_but_not_as_relayed() {
    let mut bench = Bench::within(RATE);
    let (client, port) = client(&mut bench, Client::new("198.51.100.7:4000"));
    assert_eq!(up(&mut bench, &client, 60), 50);
    assert_eq!(down(&mut bench, port, 51), 50, "each way has its own");
    bench.pass(SECOND);
    let (_, relay) = &bench.shared.live.page(None, 1).relays[0];
    assert_eq!((relay.bytes(), relay.held_back()), (100_000, 11_000));
    let read = bench.shared.credentials.stored().meters().read();
    assert_eq!(read, [(Payer::TimeLimited, 100_000)]);
    assert_eq!(up(&mut bench, &client, 60), 50);
    // What was too much is known of also when the relay is gone.
    let mut client = client;
    assert_eq!(client.refresh(&mut bench, 0).code(), 0);
    assert_eq!(bench.shared.live.held_back(), 21_000);
}

#[test]
fn without_a_limit_all_is_carried() {
    let mut bench = Bench::new();
    let (client, port) = client(&mut bench, Client::new("198.51.100.7:4000"));
    assert_eq!(
        (up(&mut bench, &client, 500), down(&mut bench, port, 500)),
        (500, 500)
    );
}

/// Also where one names another second, as each of its credentials does.
#[test]
fn all_relays_of_a_credential_share_one_limit_on_all_shards_and_nobody_elses() {
    let mut bench = Bench::within(RATE);
    let mut beside = bench.beside();
    let (first, _) = client(&mut bench, Client::new("198.51.100.7:4000"));
    let (second, _) = client(&mut beside, Client::new("198.51.100.8:4000"));
    let (third, _) = client(&mut beside, named(UNIX + 50, "me", "198.51.100.9:4000"));
    let (other, _) = client(&mut beside, named(UNIX + 50, "other", "198.51.100.9:4001"));
    assert_eq!(up(&mut bench, &first, 20), 20);
    assert_eq!(up(&mut beside, &second, 20), 20);
    assert_eq!(up(&mut beside, &third, 20), 10);
    assert_eq!(up(&mut bench, &first, 20), 0);
    assert_eq!(up(&mut beside, &other, 60), 50);
}

fn named(until: u64, name: &str, remote: &str) -> Client {
    use crate::turn::credentials::{SharedSecret, time_limited};
    let name = format!("{until}:{name}");
    let password = time_limited(&SharedSecret("north".to_owned()), &name);
    Client::called(remote, &name, &password)
}

/// Nor is what was taken there again sooner for who makes its relay anew.
#[test]
fn a_new_relay_begins_with_what_is_left() {
    let mut bench = Bench::within(RATE);
    let (mut first, _) = client(&mut bench, Client::new("198.51.100.7:4000"));
    assert_eq!(up(&mut bench, &first, 60), 50);
    assert_eq!(first.refresh(&mut bench, 0).code(), 0);
    let (second, _) = client(&mut bench, Client::new("198.51.100.7:4000"));
    assert_eq!(up(&mut bench, &second, 60), 0);
}

#[test]
fn stored_credentials_have_one_each() {
    let mut bench = Bench::within(RATE);
    for (number, name) in [(1, "a"), (2, "b")] {
        bench.shared.credentials.stored().put(StoredUser {
            username: name.to_owned(),
            password: "secret".to_owned(),
            api_key: name.to_owned(),
            owner: Owner {
                number,
                project: None,
            },
            expires: None,
        });
    }
    let stored = |port, name| Client::called(&format!("198.51.100.7:{port}"), name, "secret");
    let mut relay = |port, name| client(&mut bench, stored(port, name)).0;
    let [a, again, b] = [(1, "a"), (2, "a"), (3, "b")].map(|(port, name)| relay(port, name));
    assert_eq!(up(&mut bench, &a, 30), 30);
    assert_eq!(up(&mut bench, &again, 30), 20);
    assert_eq!(up(&mut bench, &b, 60), 50);
}

#[test]
fn what_goes_to_this_server_itself_and_comes_from_it_is_limited_too() {
    let mut bench = Bench::within(RATE);
    let issued = bench.shared.credentials.clone().issue();
    let mut client = Client::of("198.51.100.7:4000", &issued);
    client.relay(&mut bench);
    assert_eq!(client.permit(&mut bench, OURSELVES), 0);
    let mut sent = (0..60).map(|_| client.send(&mut bench, OURSELVES, &PACKET));
    let path = sent.next().flatten().unwrap().0;
    assert_eq!(sent.flatten().count(), 49);
    let mut outbox = Outbox::default();
    (0..60).for_each(|_| outbox.push(&path, BytesMut::from(&PACKET[..])));
    while let Some(transmit) = outbox.pop() {
        bench.turn.handle_own(bench.now, &transmit);
    }
    assert_eq!(bench.sent().len(), 50);
}
