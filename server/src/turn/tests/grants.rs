//! Permissions and channels: how long they hold, and how many there are.

use std::time::Duration;

use super::bench::*;
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Method, Writer};
use crate::turn::allocation::{MAX_CHANNELS, MAX_PERMISSIONS};

fn relay(bench: &mut Bench) -> (Client, u16) {
    let mut client = Client::new("198.51.100.7:4000");
    let port = client.relay(bench).port();
    (client, port)
}

/// Whether a peer's datagram reaches the client.
fn arrives(bench: &mut Bench, port: u16, peer: &str) -> bool {
    bench
        .turn
        .handle_peer(bench.now, port, peer.parse().unwrap(), b"hello");
    !bench.sent().is_empty()
}

#[test]
fn a_permission_holds_for_five_minutes_from_its_last_request() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert!(!arrives(&mut bench, port, PEER));
    assert_eq!(client.permit(&mut bench, PEER), 0);
    bench.pass(Duration::from_secs(200));
    assert_eq!(client.permit(&mut bench, PEER), 0);
    bench.pass(Duration::from_secs(299));
    assert!(arrives(&mut bench, port, PEER));
    // It is an address's, whatever the port.
    assert!(
        arrives(&mut bench, port, "198.100.1.1:9")
            && !arrives(&mut bench, port, "198.100.1.2:7000")
    );
    client.send(&mut bench, PEER, b"x");
    assert_eq!(bench.relayed().len(), 1);
    bench.pass(SECOND);
    assert!(!arrives(&mut bench, port, PEER));
    client.send(&mut bench, PEER, b"x");
    assert!(bench.relayed().is_empty());
}

#[test]
fn a_channel_holds_for_ten_minutes_and_permits_for_five() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    client.refresh(&mut bench, 3600);
    bench.pass(Duration::from_secs(300));
    assert!(!arrives(&mut bench, port, PEER));
    bench.pass(Duration::from_secs(299));
    bench.give(&client.path, &channel(0x4000, b"x"));
    assert_eq!(bench.relayed().len(), 1);
    bench.pass(SECOND);
    bench.give(&client.path, &channel(0x4000, b"x"));
    assert!(bench.relayed().is_empty());
}

#[test]
fn a_channel_means_one_peer_and_a_peer_has_one_channel() {
    let mut bench = Bench::new();
    let (mut client, _) = relay(&mut bench);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    assert_eq!(client.bind(&mut bench, 0x4000, "198.100.1.1:7001"), 400);
    assert_eq!(client.bind(&mut bench, 0x4001, PEER), 400);
    assert_eq!(client.bind(&mut bench, 0x4001, "198.100.1.1:7001"), 0);
    for number in [0, 0x3fff, 0x7fff, 0xffff] {
        assert_eq!(client.bind(&mut bench, number, "198.100.1.1:7002"), 400);
    }
    client.refresh(&mut bench, 3600);
    bench.pass(Duration::from_secs(600));
    assert_eq!(client.bind(&mut bench, 0x4000, "198.100.1.1:7001"), 0);
}

#[test]
fn of_several_peers_all_are_permitted_or_none() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    let mut ask = |bench: &mut Bench, peers: &[&str]| {
        let fill = |writer: &mut Writer<'_>| {
            for peer in peers {
                writer.add_address(XOR_PEER_ADDRESS, peer.parse().unwrap());
            }
        };
        client.ask(bench, Method::CreatePermission, fill).code()
    };
    assert_eq!(ask(&mut bench, &[]), 400);
    assert_eq!(ask(&mut bench, &[PEER, "10.0.0.1:1"]), 403);
    assert_eq!(ask(&mut bench, &[PEER, "[2a00::1]:1"]), 443);
    assert!(!arrives(&mut bench, port, PEER));
    assert_eq!(ask(&mut bench, &[PEER, "198.100.1.2:1"]), 0);
    assert!(arrives(&mut bench, port, PEER) && arrives(&mut bench, port, "198.100.1.2:9"));
}

#[test]
fn an_allocation_has_so_many_permissions_and_channels() {
    let mut bench = Bench::new();
    let (mut client, _) = relay(&mut bench);
    let peer = |n: usize| format!("198.100.{}.{}:7", n / 100, n % 100 + 1);
    for n in 0..MAX_PERMISSIONS {
        assert_eq!(client.permit(&mut bench, &peer(n)), 0);
    }
    assert_eq!(client.permit(&mut bench, &peer(MAX_PERMISSIONS)), 508);
    assert_eq!(client.permit(&mut bench, &peer(0)), 0);
    bench.pass(Duration::from_secs(300));
    for n in 0..MAX_CHANNELS {
        let to = format!("198.100.1.1:{}", 7000 + n);
        assert_eq!(client.bind(&mut bench, 0x4000 + n as u16, &to), 0);
    }
    assert_eq!(client.bind(&mut bench, 0x4fff, "198.100.1.1:1"), 508);
}
