//! Relays that share one port: whose what comes there is, and what they are to each other.

mod pairs;
mod table;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;

use super::bench::*;
use crate::media::net::outbox::Outbox;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Message, Method, TransactionId, Writer};
use crate::turn::allocation::{CHANNEL_LIFETIME, PERMISSION_LIFETIME};
use crate::turn::ports::Parity;
use crate::turn::sharing::ECHO;

const PORT: u16 = 3479;
/// Where relays are for others.
const HERE: &str = "203.0.113.1:3479";
const OURSELVES: &str = "203.0.113.1:3478";
/// Another port of the peer's address.
const BESIDE: &str = "198.100.1.1:7001";
const MINUTE: Duration = Duration::from_secs(60);

/// A client with a relay there.
fn client(bench: &mut Bench, n: u8) -> Client {
    client_called(bench, n, &format!("user{n}"))
}

fn client_called(bench: &mut Bench, n: u8, name: &str) -> Client {
    use crate::turn::credentials::{SharedSecret, time_limited};
    let name = format!("{}:{name}", UNIX + 100_000);
    let password = time_limited(&SharedSecret("north".to_owned()), &name);
    let mut client = Client::called(&format!("198.51.100.{n}:4000"), &name, &password);
    let relayed = client.relay(bench);
    assert_eq!(relayed.to_string(), HERE);
    client
}

fn read(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Something comes to the port from there.
fn arrive(bench: &mut Bench, from: &str, datagram: &[u8]) {
    let path = FourTuple {
        transport: Transport::Udp,
        local: read("192.0.2.1:3479"),
        remote: read(from),
    };
    let mut all = std::iter::once((path, datagram));
    bench.turn.handle_shared(bench.now, &mut all);
}

/// The clients that are given something, whom it is said to be from, and what it is.
fn given(bench: &mut Bench) -> Vec<(SocketAddr, Option<SocketAddr>, Vec<u8>)> {
    let sent = bench.sent().into_iter();
    let given = sent.map(|(path, datagram)| match Message::read(&datagram) {
        Some(message) => {
            let peer = message.get(XOR_PEER_ADDRESS).unwrap();
            let peer = read_address(peer, message.transaction());
            (path.remote, peer, message.get(DATA).unwrap().to_vec())
        }
        None => (path.remote, None, datagram[4..].to_vec()),
    });
    given.collect()
}

/// Who is given what comes from there.
fn owner(bench: &mut Bench, from: &str) -> Option<SocketAddr> {
    arrive(bench, from, b"hello");
    let mut given = given(bench);
    assert!(given.len() <= 1, "{given:?}");
    given.pop().map(|(client, _, _)| client)
}

/// Whether a packet leaves for a peer.
fn sends(bench: &mut Bench, client: &Client, peer: &str) -> bool {
    assert!(client.send(bench, peer, b"there").is_none());
    let sent = bench.relayed();
    let expected = (read("192.0.2.1:3479"), read(peer), b"there".to_vec());
    assert!(sent.is_empty() || sent == [expected]);
    !sent.is_empty()
}

/// A check of ICE.
fn check(name: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(
        &mut out,
        Method::Binding.request(),
        TransactionId::default(),
    );
    writer.add(USERNAME, name.as_bytes());
    writer.finish();
    out.to_vec()
}

#[test]
fn each_is_given_what_comes_from_whom_it_sends_to() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    assert!(
        bench.machine.open.is_empty(),
        "there is no socket of their own"
    );
    assert_eq!(a.permit(&mut bench, PEER), 0);
    assert_eq!(b.bind(&mut bench, 0x4001, BESIDE), 0);
    assert!(sends(&mut bench, &a, PEER));
    assert_eq!(owner(&mut bench, PEER), Some(a.path.remote));
    arrive(&mut bench, BESIDE, b"by channel");
    assert_eq!(
        given(&mut bench),
        [(b.path.remote, None, b"by channel".to_vec())]
    );
    bench.give(&b.path, &channel(0x4001, b"there"));
    assert_eq!(
        bench.relayed(),
        [(read("192.0.2.1:3479"), read(BESIDE), b"there".to_vec())]
    );
    // At another of the machine's addresses it is another port.
    let path = FourTuple {
        transport: Transport::Udp,
        local: read("192.0.2.2:3479"),
        remote: read(PEER),
    };
    bench
        .turn
        .handle_shared(bench.now, &mut std::iter::once((path, &b"hello"[..])));
    assert!(bench.sent().is_empty());
}

#[test]
fn what_comes_from_an_unknown_port_is_for_the_one_that_lets_the_address_in_and_else_nobodys() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    let other = "198.100.1.1:9";
    assert_eq!(owner(&mut bench, other), None);
    assert_eq!(a.permit(&mut bench, PEER), 0);
    assert_eq!(owner(&mut bench, other), Some(a.path.remote));
    assert_eq!(b.permit(&mut bench, BESIDE), 0);
    assert_eq!(owner(&mut bench, other), None);
    assert_eq!(bench.shared.astray(), (2, 0));
    // Unless one says whom it means.
    assert!(b.send(&mut bench, BESIDE, &check("far:near")).is_none());
    arrive(&mut bench, other, &check("near:far"));
    assert_eq!(given(&mut bench)[0].0, b.path.remote);
    arrive(&mut bench, other, &check("far:near"));
    assert!(given(&mut bench).is_empty());
    // Past its time a permission is none.
    bench.pass(PERMISSION_LIFETIME - SECOND);
    assert_eq!(b.permit(&mut bench, BESIDE), 0);
    bench.pass(SECOND);
    assert_eq!(owner(&mut bench, other), Some(b.path.remote));
    bench.pass(PERMISSION_LIFETIME);
    assert_eq!(owner(&mut bench, other), None);
}

#[test]
fn nobody_takes_a_peer_that_another_one_has() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    assert_eq!(a.bind(&mut bench, 0x4000, PEER), 0);
    assert_eq!(b.bind(&mut bench, 0x4000, PEER), 508);
    assert!(!sends(&mut bench, &b, PEER));
    assert_eq!(bench.shared.astray(), (0, 1));
    assert_eq!(owner(&mut bench, PEER), Some(a.path.remote));
    // The permission it has, and another port is free.
    assert!(sends(&mut bench, &b, BESIDE));
    assert!(!sends(&mut bench, &a, BESIDE));
    assert_eq!(a.bind(&mut bench, 0x4001, BESIDE), 508);
    assert_eq!(a.bind(&mut bench, 0x4000, PEER), 0);
    // What was not sent is not counted as relayed.
    bench.pass(SECOND);
    let page = bench.shared.live.page(None, 2);
    let bytes = page.relays.iter().map(|(_, relay)| relay.bytes());
    assert_eq!(bytes.collect::<Vec<_>>(), [5, 5]);
    assert_eq!(a.refresh(&mut bench, 0).code(), 0);
    assert_eq!(b.bind(&mut bench, 0x4000, PEER), 0);
    assert_eq!(owner(&mut bench, PEER), Some(b.path.remote));
}

#[test]
fn who_sends_no_more_has_the_peer_until_its_time_is_over() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    let renew = |bench: &mut Bench, clients: &mut [&mut Client]| {
        for client in clients {
            assert_eq!(client.refresh(bench, 3600).code(), 0);
            assert_eq!(client.permit(bench, PEER), 0);
        }
    };
    renew(&mut bench, &mut [&mut a, &mut b]);
    assert!(sends(&mut bench, &a, PEER));
    for _ in 0..10 {
        bench.pass(MINUTE);
        renew(&mut bench, &mut [&mut a, &mut b]);
        assert!(sends(&mut bench, &a, PEER) && !sends(&mut bench, &b, PEER));
    }
    for _ in 0..4 {
        bench.pass(MINUTE);
        renew(&mut bench, &mut [&mut a, &mut b]);
        assert!(!sends(&mut bench, &b, PEER));
        assert_eq!(owner(&mut bench, PEER), Some(a.path.remote));
    }
    bench.pass(MINUTE);
    renew(&mut bench, &mut [&mut a, &mut b]);
    assert!(sends(&mut bench, &b, PEER) && !sends(&mut bench, &a, PEER));
    // A channel has it as long as it is bound.
    let mut c = client(&mut bench, 3);
    assert_eq!(c.refresh(&mut bench, 3600).code(), 0);
    let third = "198.100.1.1:7002";
    assert_eq!(c.bind(&mut bench, 0x4000, third), 0);
    bench.pass(CHANNEL_LIFETIME - SECOND);
    renew(&mut bench, &mut [&mut b, &mut c]);
    assert!(!sends(&mut bench, &b, third));
    bench.pass(SECOND);
    assert!(sends(&mut bench, &b, third));
}

#[test]
fn a_port_of_ones_own_is_not_to_be_had() {
    let mut bench = Bench::sharing(PORT);
    let mut client = Client::new("198.51.100.7:4000");
    for wish in [
        (EVEN_PORT, &[0][..]),
        (EVEN_PORT, &[0x80]),
        (RESERVATION_TOKEN, &[1; 8]),
    ] {
        let answer = client.ask(&mut bench, Method::Allocate, |writer| {
            writer.add(REQUESTED_TRANSPORT, &UDP);
            writer.add(wish.0, wish.1);
        });
        assert_eq!(answer.code(), 508, "{wish:?}");
    }
    assert!(bench.shared.quotas.is_empty());
    // That it is even it may be.
    let mut even = Bench::sharing(PORT + 1);
    let mut client = Client::new("198.51.100.7:4000");
    for (wish, code) in [(0x80, 508), (0, 0)] {
        let answer = client.ask(&mut even, Method::Allocate, |writer| {
            writer.add(REQUESTED_TRANSPORT, &UDP);
            writer.add(EVEN_PORT, &[wish]);
        });
        assert_eq!(answer.code(), code);
    }
    // A number is.
    let issued = bench.shared.credentials.clone().issue();
    let mut session = Client::of("198.51.100.8:4000", &issued);
    let answer = session.ask(&mut bench, Method::Allocate, |writer| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(EVEN_PORT, &[0x80]);
    });
    assert_eq!(answer.code(), 0);
    assert_ne!(answer.address(XOR_RELAYED_ADDRESS).port(), PORT);
}

#[test]
fn over_ipv6_it_is_the_same() {
    let mut bench = Bench::sharing(PORT);
    let mut client = Client::new("198.51.100.7:4000");
    let answer = client.ask(&mut bench, Method::Allocate, |writer| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    });
    assert_eq!(
        answer.address(XOR_RELAYED_ADDRESS),
        read("[2001:db8::1]:3479")
    );
    let peer = "[2a00::1]:7000";
    assert_eq!(client.bind(&mut bench, 0x4000, peer), 0);
    let path = FourTuple {
        transport: Transport::Udp,
        local: read("[2001:db8::1]:3479"),
        remote: read(peer),
    };
    bench
        .turn
        .handle_shared(bench.now, &mut std::iter::once((path, &b"hello"[..])));
    assert_eq!(
        given(&mut bench),
        [(client.path.remote, None, b"hello".to_vec())]
    );
}

/// To this server itself each has a path of its own, though its address is the others' too.
#[test]
fn what_goes_to_this_server_itself_is_each_ones_own() {
    let mut bench = Bench::sharing(PORT);
    let clients = [1, 2].map(|n| {
        let mut client = client(&mut bench, n);
        assert_eq!(client.permit(&mut bench, OURSELVES), 0);
        let (path, _) = client.send(&mut bench, OURSELVES, b"check").unwrap();
        (client, path)
    });
    assert_ne!(clients[0].1, clients[1].1);
    for (client, path) in clients {
        assert_eq!(bench.turn.shard_of(path.remote), Some(0));
        let mut outbox = Outbox::default();
        outbox.push(&path, BytesMut::from(&b"answer"[..]));
        bench.turn.handle_own(bench.now, &outbox.pop().unwrap());
        let expected = (
            client.path.remote,
            Some(read(OURSELVES)),
            b"answer".to_vec(),
        );
        assert_eq!(given(&mut bench), [expected]);
    }
}

/// What one shard hands over arrives at another.
fn carry_over(from: &mut Bench, to: &mut Bench) {
    while let Some((shard, path, datagram)) = from.turn.poll_handed_over() {
        assert_ne!(shard, from.turn.shard);
        let own = (to.turn).handle_handed_over(to.now, &path, &datagram, &mut to.machine);
        assert!(own.is_none());
    }
}

#[test]
fn what_is_of_a_relay_of_another_shard_gets_there_but_to_no_later_one() {
    let mut bench = Bench::sharing(PORT);
    let mut beside = bench.beside();
    let mut b = client(&mut beside, 2);
    assert_eq!(b.bind(&mut beside, 0x4000, PEER), 0);
    arrive(&mut bench, PEER, b"hello");
    assert!(bench.sent().is_empty());
    carry_over(&mut bench, &mut beside);
    assert_eq!(
        given(&mut beside),
        [(b.path.remote, None, b"hello".to_vec())]
    );
    // It is under way while the relay ends and another one has its number, and the same peer.
    arrive(&mut bench, PEER, b"late");
    let number = *beside.turn.by_port.keys().next().unwrap();
    assert_eq!(b.refresh(&mut beside, 0).code(), 0);
    let ports = beside.shared.numbers.clone();
    let take = |seed| ports.take(1, Parity::Any, seed).map(|(lease, _)| lease);
    let all = (0..).map_while(take).collect::<Vec<_>>().into_iter();
    let (free, taken): (Vec<_>, Vec<_>) = all.partition(|lease| lease.port() == number);
    drop(free);
    let mut next = client(&mut beside, 3);
    drop(taken);
    assert!(beside.turn.by_port.contains_key(&number));
    assert_eq!(next.bind(&mut beside, 0x4000, PEER), 0);
    carry_over(&mut bench, &mut beside);
    assert!(beside.sent().is_empty());
    assert_eq!(owner_of(&mut bench, &mut beside), Some(next.path.remote));
}

fn owner_of(bench: &mut Bench, beside: &mut Bench) -> Option<SocketAddr> {
    arrive(bench, PEER, b"hello");
    carry_over(bench, beside);
    given(beside).pop().map(|(client, _, _)| client)
}

#[test]
fn a_client_that_moves_keeps_its_peers() {
    let mut bench = Bench::sharing(PORT);
    let mut client = Client::new("198.51.100.7:4000");
    let answer = client.ask(&mut bench, Method::Allocate, |writer| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(MOBILITY_TICKET, &[]);
    });
    let ticket = answer.message().get(MOBILITY_TICKET).unwrap().to_vec();
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    client.path.remote = read("198.51.100.8:5000");
    client.nonce.clear();
    let answer = client.ask(&mut bench, Method::Refresh, |writer| {
        writer.add(MOBILITY_TICKET, &ticket);
    });
    assert_eq!(answer.code(), 0);
    bench.give(&client.path, &channel(0x4000, b"here"));
    assert_eq!(owner(&mut bench, PEER), Some(client.path.remote));
}

#[test]
fn what_is_on_its_way_to_a_relay_that_has_ended_is_nobody_elses_but_the_peer_is_free() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    for client in [&mut a, &mut b] {
        assert_eq!(client.permit(&mut bench, PEER), 0);
    }
    assert!(sends(&mut bench, &a, PEER));
    assert_eq!(a.refresh(&mut bench, 0).code(), 0);
    assert_eq!(owner(&mut bench, PEER), None);
    bench.pass(ECHO - SECOND);
    assert_eq!(owner(&mut bench, PEER), None);
    bench.pass(SECOND);
    assert_eq!(owner(&mut bench, PEER), Some(b.path.remote));
    // Whoever sends there has it at once.
    let mut c = client(&mut bench, 3);
    assert_eq!(c.bind(&mut bench, 0x4000, BESIDE), 0);
    assert_eq!(c.refresh(&mut bench, 0).code(), 0);
    assert!(sends(&mut bench, &b, BESIDE));
    assert_eq!(owner(&mut bench, BESIDE), Some(b.path.remote));
}

#[test]
fn what_is_on_its_way_when_a_peer_is_no_longer_a_relays_is_no_other_ones() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    let both = |bench: &mut Bench, clients: &mut [&mut Client]| {
        for client in clients {
            assert_eq!(client.permit(bench, PEER), 0);
        }
    };
    both(&mut bench, &mut [&mut a, &mut b]);
    assert!(sends(&mut bench, &a, PEER));
    bench.pass(PERMISSION_LIFETIME);
    both(&mut bench, &mut [&mut b]);
    assert_eq!(owner(&mut bench, PEER), None, "only it may be meant");
    both(&mut bench, &mut [&mut a]);
    assert_eq!(owner(&mut bench, PEER), Some(a.path.remote));
    assert!(sends(&mut bench, &b, PEER));
    assert_eq!(owner(&mut bench, PEER), Some(b.path.remote));
}

#[test]
fn a_check_that_means_one_is_its_also_where_another_one_has_the_peer() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    assert_eq!(a.bind(&mut bench, 0x4000, PEER), 0);
    assert_eq!(b.permit(&mut bench, BESIDE), 0);
    assert!(b.send(&mut bench, BESIDE, &check("far:near")).is_none());
    arrive(&mut bench, PEER, &check("near:far"));
    assert_eq!(given(&mut bench)[0].0, b.path.remote);
    arrive(&mut bench, PEER, &check("other:far"));
    assert_eq!(given(&mut bench)[0].0, a.path.remote);
    assert_eq!(owner(&mut bench, PEER), Some(a.path.remote));
}

#[test]
fn a_channel_that_there_is_no_room_for_takes_no_peer() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    for n in 0..crate::turn::allocation::MAX_CHANNELS as u16 {
        let peer = format!("198.100.1.1:{}", 8000 + n);
        assert_eq!(a.bind(&mut bench, 0x4000 + n, &peer), 0);
    }
    assert_eq!(a.bind(&mut bench, 0x5000, PEER), 508);
    assert_eq!(b.bind(&mut bench, 0x4000, PEER), 0);
}

/// Whatever is to be opened for somebody else.
#[test]
fn relays_that_share_a_port_take_none_of_those_that_are_others() {
    let mut bench = Bench::sharing(PORT);
    let _all: Vec<_> = (0..)
        .map_while(|seed| bench.shared.ports.take(0, Parity::Any, seed))
        .collect();
    let a = client(&mut bench, 1);
    let numbers: Vec<_> = bench.turn.by_port.keys().copied().collect();
    assert!(!bench.shared.own.relays.contains(&numbers[0]));
    let allocation = bench.turn.allocations.iter().next().unwrap().1;
    assert_eq!(allocation.client, a.path);
    // The port itself is no number.
    let all = (0..).map_while(|seed| bench.shared.numbers.take(0, Parity::Any, seed));
    assert!(
        all.collect::<Vec<_>>()
            .iter()
            .all(|(it, _)| it.port() != PORT)
    );
}

#[test]
fn who_is_refused_asks_again_only_after_a_while() {
    let mut bench = Bench::sharing(PORT);
    let (mut a, mut b) = (client(&mut bench, 1), client(&mut bench, 2));
    for client in [&mut a, &mut b] {
        assert_eq!(client.permit(&mut bench, PEER), 0);
    }
    assert!(sends(&mut bench, &a, PEER) && !sends(&mut bench, &b, PEER));
    assert_eq!(a.refresh(&mut bench, 0).code(), 0);
    assert!(!sends(&mut bench, &b, PEER), "it still believes so");
    bench.pass(SECOND);
    assert!(sends(&mut bench, &b, PEER));
}
