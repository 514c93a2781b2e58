//! Which addresses relays of TCP connect with, and are connected with from: none of this machine's services, and nobody inside.

use super::*;

#[test]
fn nobody_inside_is_connected_with_by_any_name() {
    for peer in INSIDE.iter().chain(&INSIDE_IPV6) {
        let mut bench = Bench::new();
        let mut client = client();
        let family = if peer.starts_with('[') { 2 } else { 1 };
        let port = relay_of(&mut bench, &mut client, family);
        assert_eq!(connect(&mut bench, &client, peer), Some(403), "{peer}");
        client.permit(&mut bench, peer);
        assert_eq!(connect(&mut bench, &client, peer), Some(403), "{peer}");
        assert!(bench.machine.connecting.is_empty(), "{peer}");
        assert_eq!(arrive(&mut bench, port, peer), None, "{peer}");
    }
}

/// Whoever gets to the media port needs no relay to it, and a relay behind a relay would be for nothing. What else
/// there is at this machine's addresses is what an operator allows datagrams to, if anything.
#[test]
fn no_port_of_this_machine_is_connected_with_even_if_it_is_allowed() {
    let access = Access {
        allow: vec!["203.0.113.1/32".parse().unwrap()],
        ..Access::default()
    };
    let mut bench = Bench::with(access, 50_000..=50_010);
    let (client, _) = relay(&mut bench);
    assert_eq!(connect(&mut bench, &client, "203.0.113.1:3478"), Some(403));
    assert_eq!(connect(&mut bench, &client, "203.0.113.1:80"), Some(403));
    let mut datagrams = beside(&client, 4100);
    datagrams.relay(&mut bench);
    assert_eq!(datagrams.permit(&mut bench, "203.0.113.1:80"), 0);
    assert!(datagrams.send(&mut bench, "203.0.113.1:80", b"x").is_none());
    assert_eq!(bench.relayed().len(), 1);
}

/// It comes past the firewall as well as to the others.
#[test]
fn an_address_of_this_machine_without_media_is_not_reached_at_all() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let service = format!("{ELSEWHERE}:22");
    assert_eq!(connect(&mut bench, &client, &service), Some(403));
    assert_eq!(arrive(&mut bench, port, &service), None);
    let mut datagrams = beside(&client, 4100);
    datagrams.relay(&mut bench);
    assert_eq!(datagrams.permit(&mut bench, &service), 403);
    assert_eq!(datagrams.bind(&mut bench, 0x4000, &service), 403);
    assert!(datagrams.send(&mut bench, &service, b"x").is_none());
    assert!(bench.relayed().is_empty());
}

#[test]
fn there_are_none_unless_the_server_is_told_to_have_them() {
    let mut bench = Bench::without_streams();
    assert_eq!(allocate_with(&mut bench, &mut client(), &[]).code(), 442);
    assert!(bench.machine.open.is_empty() && bench.shared.quotas.is_empty());
    client().relay(&mut bench);
}

#[test]
fn a_relay_is_not_connected_with_itself() {
    let access = Access {
        allow: vec![
            "203.0.113.1/32".parse().unwrap(),
            "192.0.2.1/32".parse().unwrap(),
        ],
        ..Access::default()
    };
    let mut bench = Bench::with(access, 50_000..=50_010);
    let (client, port) = relay(&mut bench);
    for own in ["203.0.113.1", "192.0.2.1"] {
        let itself = format!("{own}:{port}");
        assert_eq!(connect(&mut bench, &client, &itself), Some(403), "{own}");
    }
}

#[test]
fn at_an_own_address_other_relays_of_tcp_are_reached_and_no_services() {
    let access = Access {
        allow: vec!["203.0.113.1/32".parse().unwrap()],
        ..Access::default()
    };
    let mut bench = Bench::with(access, 50_000..=50_010);
    let (client, port) = relay(&mut bench);
    let mut other = beside(&client, 4100);
    let relayed = relay_of(&mut bench, &mut other, 1);
    let mut datagrams = beside(&client, 4200);
    let udp = datagrams.relay(&mut bench).port();
    let own = |port: u16| format!("203.0.113.1:{port}");
    // Where no relay is another program may have its port.
    let beside_it = format!("{OWN}:{relayed}");
    assert_eq!(connect(&mut bench, &client, &beside_it), Some(403));
    let mut connecting = |port: u16, code: Option<u16>| {
        assert_eq!(connect(&mut bench, &client, &own(port)), code, "{port}");
    };
    for (port, code) in [(relayed, None), (udp, Some(403)), (22, Some(403))] {
        connecting(port, code);
    }
    let (id, _) = bench.machine.connecting[0];
    (bench.turn).handle_connected(bench.now, port, (id, false), &mut bench.machine);
    assert_eq!(answered(&mut bench, &client).unwrap().code(), 447);
    assert_eq!(other.refresh(&mut bench, 0).code(), 0);
    assert_eq!(connect(&mut bench, &client, &own(relayed)), Some(403));
}

#[test]
fn a_peer_of_the_other_family_and_one_without_address_are_refused() {
    let mut bench = Bench::new();
    let (mut client, _) = relay(&mut bench);
    assert_eq!(connect(&mut bench, &client, "[2a00::1]:80"), Some(443));
    let nobody = client.ask(&mut bench, Method::Connect, |_| {});
    assert_eq!(nobody.code(), 400);
    let mut stranger = beside(&client, 4001);
    stranger.nonce = challenge(&mut bench, &stranger.path);
    assert_eq!(connect(&mut bench, &stranger, PEER), Some(437));
}
