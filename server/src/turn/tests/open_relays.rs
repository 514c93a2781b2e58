//! Each way in which a relay could carry somebody where it must not.

use super::bench::*;
use crate::media::net::path::{FourTuple, Transport};
use crate::turn::access::Access;

pub(super) const INSIDE: [&str; 12] = [
    "127.0.0.1:8080",
    "127.0.0.2:22",
    "0.0.0.0:8080",
    "10.0.0.1:80",
    "172.16.0.1:80",
    "192.168.1.1:80",
    "169.254.169.254:80",
    "100.64.0.1:80",
    "224.0.0.251:5353",
    "255.255.255.255:9",
    "192.0.2.1:8080",
    "203.0.113.1:22",
];

pub(super) const INSIDE_IPV6: [&str; 12] = [
    "[::1]:8080",
    "[::]:8080",
    "[::ffff:127.0.0.1]:8080",
    "[::ffff:10.0.0.1]:80",
    "[::ffff:169.254.169.254]:80",
    "[2002:7f00:1::]:80",
    "[2002:a00:1::1]:80",
    "[64:ff9b::127.0.0.1]:80",
    "[64:ff9b::a9fe:a9fe]:80",
    "[fe80::1]:80",
    "[fd00:ec2::254]:80",
    "[ff02::1]:80",
];

/// A client with a relay, of the family of a peer.
fn relay_for(bench: &mut Bench, peer: &str) -> (Client, u16) {
    use crate::media::net::stun::attribute::*;
    use crate::media::net::stun::{Method, Writer};
    let mut client = Client::new("198.51.100.7:4000");
    let family = if peer.starts_with('[') { 2 } else { 1 };
    let fill = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]);
    };
    let answer = client.ask(bench, Method::Allocate, fill);
    let port = answer.address(XOR_RELAYED_ADDRESS).port();
    (client, port)
}

/// The server's own addresses are permitted, for the sake of its media port.
fn is_own(peer: &str) -> bool {
    ["127.0.0.1:", "192.0.2.1:", "203.0.113.1:"]
        .iter()
        .any(|own| peer.starts_with(own))
}

#[test]
fn nobody_inside_is_permitted_by_any_name() {
    for peer in INSIDE.iter().chain(&INSIDE_IPV6) {
        let mut bench = Bench::new();
        let (mut client, port) = relay_for(&mut bench, peer);
        let expected = if is_own(peer) { 0 } else { 403 };
        assert_eq!(client.permit(&mut bench, peer), expected, "{peer}");
        assert_eq!(client.bind(&mut bench, 0x4000, peer), 403, "{peer}");
        assert!(client.send(&mut bench, peer, b"x").is_none(), "{peer}");
        assert!(
            bench.give(&client.path, &channel(0x4000, b"x")).is_none(),
            "{peer}"
        );
        bench
            .turn
            .handle_peer(bench.now, port, peer.parse().unwrap(), b"x");
        assert!(
            bench.relayed().is_empty() && bench.sent().is_empty(),
            "{peer}"
        );
    }
}

#[test]
fn to_permit_somebody_outside_permits_nobody_inside() {
    let mut bench = Bench::new();
    let (mut client, _) = relay_for(&mut bench, PEER);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    for peer in INSIDE {
        client.permit(&mut bench, peer);
        assert!(client.send(&mut bench, peer, b"x").is_none());
        assert!(bench.relayed().is_empty(), "{peer}");
    }
}

#[test]
fn a_session_reaches_this_server_and_nobody_else() {
    let mut bench = Bench::new();
    let issued = bench.shared.credentials.clone().issue();
    let mut client = Client::of("198.51.100.7:4000", &issued);
    client.relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 403);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 403);
    assert_eq!(client.permit(&mut bench, "203.0.113.1:3478"), 0);
    assert_eq!(client.bind(&mut bench, 0x4000, "203.0.113.1:3478"), 0);
    assert_eq!(client.bind(&mut bench, 0x4001, "203.0.113.1:3479"), 403);
    assert!(client.send(&mut bench, "203.0.113.1:3479", b"x").is_none());
    assert!(bench.relayed().is_empty() && bench.machine.open.is_empty());
}

#[test]
fn what_is_allowed_is_reached_and_what_is_denied_is_not() {
    let access = Access {
        allow: vec!["10.1.0.0/16".parse().unwrap()],
        deny: vec![
            "10.1.2.0/24".parse().unwrap(),
            "198.100.1.0/24".parse().unwrap(),
        ],
    };
    let mut bench = Bench::with(access, 50_000..=50_010);
    let (mut client, _) = relay_for(&mut bench, PEER);
    assert_eq!(client.permit(&mut bench, "10.1.0.1:80"), 0);
    assert_eq!(client.permit(&mut bench, "10.1.2.1:80"), 403);
    assert_eq!(client.permit(&mut bench, "10.2.0.1:80"), 403);
    assert_eq!(client.permit(&mut bench, PEER), 403);
    // Even the deny list leaves the server's own port.
    let access = Access {
        deny: vec!["0.0.0.0/0".parse().unwrap()],
        ..Access::default()
    };
    let mut bench = Bench::with(access, 50_000..=50_010);
    let (mut client, _) = relay_for(&mut bench, PEER);
    assert_eq!(client.permit(&mut bench, "203.0.113.1:3478"), 0);
    assert_eq!(client.permit(&mut bench, "8.8.8.8:53"), 403);
}

/// What comes from this machine itself passes its firewall.
#[test]
fn at_an_own_address_relays_are_reached_and_no_services() {
    let own = |port: u16| format!("{OWN}:{port}");
    let [relay, service] = [own(50_007), own(161)];
    let mut bench = Bench::with(Access::default(), 50_000..=50_010);
    let (mut client, port) = relay_for(&mut bench, PEER);
    assert_eq!(client.permit(&mut bench, &service), 0);
    assert_eq!(client.bind(&mut bench, 0x4000, &service), 403);
    assert!(client.send(&mut bench, &service, b"x").is_none());
    let from = |peer: &str| peer.parse().unwrap();
    (bench.turn).handle_peer(bench.now, port, from(&service), b"x");
    assert!(bench.relayed().is_empty() && bench.sent().is_empty());
    assert_eq!(client.bind(&mut bench, 0x4001, &relay), 0);
    client.send(&mut bench, &relay, b"x");
    assert_eq!(bench.relayed().len(), 1);
    // Unless whoever runs the server says so.
    let access = Access {
        allow: vec![format!("{OWN}/32").parse().unwrap()],
        ..Access::default()
    };
    let mut bench = Bench::with(access, 50_000..=50_010);
    let (mut client, _) = relay_for(&mut bench, PEER);
    assert_eq!(client.bind(&mut bench, 0x4000, &service), 0);
}

#[test]
fn nothing_without_an_allocation_is_relayed() {
    let mut bench = Bench::new();
    let (mut client, port) = relay_for(&mut bench, PEER);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 0);
    let mut strangers = vec![client.path; 4];
    strangers[0].remote.set_port(4001);
    strangers[1].remote.set_ip("198.51.100.8".parse().unwrap());
    strangers[2].local = "203.0.113.1:3478".parse().unwrap();
    strangers[3].transport = Transport::Tcp;
    for stranger in strangers {
        let indication = send_indication(&mut bench, PEER, b"x");
        assert!(bench.give(&stranger, &indication).is_none());
        assert!(bench.give(&stranger, &channel(0x4000, b"x")).is_none());
        assert!(bench.relayed().is_empty(), "{stranger:?}");
    }
    bench
        .turn
        .handle_peer(bench.now, port + 1, PEER.parse().unwrap(), b"x");
    assert!(bench.sent().is_empty());
}

#[test]
fn who_claims_from_outside_to_be_this_server_is_not_believed() {
    let mut bench = Bench::new();
    let (mut client, port) = relay_for(&mut bench, PEER);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    assert_eq!(client.permit(&mut bench, "203.0.113.1:3478"), 0);
    let forged = "203.0.113.1:3478".parse().unwrap();
    bench.turn.handle_peer(bench.now, port, forged, b"forged");
    assert!(bench.sent().is_empty());
}

#[test]
fn this_server_sends_only_to_whom_wants_to_hear_it() {
    use crate::media::net::outbox::Transmit;
    let mut bench = Bench::new();
    let (mut client, port) = relay_for(&mut bench, PEER);
    let path = |remote: &str| FourTuple {
        transport: Transport::Relayed,
        local: "203.0.113.1:3478".parse().unwrap(),
        remote: remote.parse().unwrap(),
    };
    let send = |bench: &mut Bench, remote: &str| {
        let transmit = Transmit::one(path(remote), bytes::BytesMut::from(&b"x"[..]));
        bench.turn.handle_own(bench.now, &transmit);
        bench.sent().len()
    };
    let relayed = format!("203.0.113.1:{port}");
    assert_eq!(send(&mut bench, &relayed), 0);
    assert_eq!(client.permit(&mut bench, "203.0.113.1:1"), 0);
    assert_eq!(send(&mut bench, &relayed), 1);
    assert_eq!(send(&mut bench, &format!("192.0.2.9:{port}")), 0);
    assert_eq!(send(&mut bench, &format!("203.0.113.1:{}", port + 1)), 0);
}
