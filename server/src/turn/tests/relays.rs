//! Packets on their way, both ways, to peers and to this server itself.

use bytes::BytesMut;

use super::bench::*;
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Message, Method};

const OWN: &str = "203.0.113.1:3478";

/// The peer and the data of an indication.
fn indicated(datagram: &[u8]) -> (String, Vec<u8>) {
    let message = Message::read(datagram).unwrap();
    assert_eq!(message.typ(), Method::Data.indication());
    let peer = message.get(XOR_PEER_ADDRESS).unwrap();
    let peer = read_address(peer, message.transaction()).unwrap();
    (peer.to_string(), message.get(DATA).unwrap().to_vec())
}

#[test]
fn what_is_sent_to_a_peer_leaves_the_relay_and_what_it_sends_comes_back() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    let relayed = client.relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    assert!(client.send(&mut bench, PEER, b"by indication").is_none());
    let bound = format!("192.0.2.1:{}", relayed.port()).parse().unwrap();
    let peer = PEER.parse().unwrap();
    assert_eq!(bench.machine.open, [bound]);
    assert_eq!(bench.relayed(), [(bound, peer, b"by indication".to_vec())]);
    bench
        .turn
        .handle_peer(bench.now, relayed.port(), peer, b"back");
    let sent = bench.sent();
    assert_eq!(sent[0].0, client.path);
    assert_eq!(indicated(&sent[0].1), (PEER.to_owned(), b"back".to_vec()));

    assert_eq!(client.bind(&mut bench, 0x4001, PEER), 0);
    assert!(
        bench
            .give(&client.path, &channel(0x4001, b"by channel"))
            .is_none()
    );
    assert_eq!(bench.relayed(), [(bound, peer, b"by channel".to_vec())]);
    bench
        .turn
        .handle_peer(bench.now, relayed.port(), peer, b"back");
    assert_eq!(bench.sent(), [(client.path, channel(0x4001, b"back"))]);
    // Of another port, which has no channel.
    bench.turn.handle_peer(
        bench.now,
        relayed.port(),
        "198.100.1.1:1".parse().unwrap(),
        b"other",
    );
    assert_eq!(indicated(&bench.sent()[0].1).1, b"other");
}

#[test]
fn what_is_for_this_server_needs_no_socket_and_its_answers_come_wrapped() {
    let mut bench = Bench::new();
    let issued = bench.shared.credentials.clone().issue();
    let mut client = Client::of("198.51.100.7:4000", &issued);
    let relayed = client.relay(&mut bench);
    let path = FourTuple {
        transport: Transport::Relayed,
        local: OWN.parse().unwrap(),
        remote: relayed,
    };
    assert_eq!(client.permit(&mut bench, OWN), 0);
    let own = client.send(&mut bench, OWN, b"check");
    assert_eq!(own, Some((path, b"check".to_vec())));
    let answer = |bench: &mut Bench, datagrams: &[&[u8]]| {
        let mut outbox = Outbox::default();
        for datagram in datagrams {
            outbox.push(&path, BytesMut::from(*datagram));
        }
        while let Some(transmit) = outbox.pop() {
            bench.turn.handle_own(bench.now, &transmit);
        }
        bench.sent()
    };
    let sent = answer(&mut bench, &[b"answer"]);
    assert_eq!(indicated(&sent[0].1), (OWN.to_owned(), b"answer".to_vec()));
    assert_eq!(client.bind(&mut bench, 0x4000, OWN), 0);
    let own = bench.give(&client.path, &channel(0x4000, b"media"));
    assert_eq!(own, Some((path, b"media".to_vec())));
    let sent = answer(&mut bench, &[b"media", b"media", b"end"]);
    let expected =
        [&b"media"[..], b"media", b"end"].map(|data| (client.path, channel(0x4000, data)));
    assert_eq!(sent, expected);
    assert!(bench.machine.open.is_empty() && bench.relayed().is_empty());
}

#[test]
fn what_lies_together_leaves_together() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    let port = client.relay(&mut bench).port();
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    for _ in 0..10 {
        bench.give(&client.path, &channel(0x4000, &[7; 1000]));
        bench
            .turn
            .handle_peer(bench.now, port, PEER.parse().unwrap(), &[8; 1000]);
    }
    let count = |transmit: Option<Transmit>| transmit.map(|transmit| transmit.count());
    assert_eq!(count(bench.turn.poll_peer()), Some(10));
    assert_eq!(count(bench.turn.poll_client()), Some(10));
}

#[test]
fn over_a_stream_channel_data_is_padded() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000").over(Transport::Tcp);
    let port = client.relay(&mut bench).port();
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    for len in 0..8 {
        let data = vec![7; len];
        bench
            .turn
            .handle_peer(bench.now, port, PEER.parse().unwrap(), &data);
        let mut expected = channel(0x4000, &data);
        expected.resize(expected.len().next_multiple_of(4), 0);
        assert_eq!(bench.sent(), [(client.path, expected)]);
    }
}

#[test]
fn channel_data_that_is_not_whole_is_dropped_and_padding_is_left_out() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    client.relay(&mut bench);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    let whole = channel(0x4000, b"whole");
    for len in 0..whole.len() {
        bench.give(&client.path, &whole[..len]);
    }
    bench.give(&client.path, &channel(0x4001, b"whole"));
    assert!(bench.relayed().is_empty());
    let padded = [&whole[..], &[0; 3]].concat();
    bench.give(&client.path, &padded);
    assert_eq!(bench.relayed()[0].2, b"whole");
}
