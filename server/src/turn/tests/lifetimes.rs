//! How allocations come, stay and go.

use std::time::Duration;

use super::bench::*;
use crate::media::net::path::Transport;
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Method, Writer};
use crate::turn::quota::{MAX_PER_SOURCE, MAX_PER_USER};
use crate::turn::server::RESERVED_FOR;

#[test]
fn the_same_request_again_has_the_same_answer_and_another_is_a_mismatch() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    client.nonce = challenge(&mut bench, &client.path);
    let udp = |writer: &mut Writer<'_>| writer.add(REQUESTED_TRANSPORT, &UDP);
    let request = client.request(&mut bench, Method::Allocate, udp);
    let first = bench.ask(&client.path, &request);
    let again = bench.ask(&client.path, &request);
    assert_eq!((first.code(), &first.0), (0, &again.0));
    assert_eq!(bench.turn.len(), 1);
    assert_eq!(client.allocate(&mut bench).code(), 437);
}

#[test]
fn without_an_allocation_nothing_else_is_done() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    assert_eq!(client.refresh(&mut bench, 600).code(), 437);
    assert_eq!(client.permit(&mut bench, PEER), 437);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 437);
}

#[test]
fn an_allocation_is_its_users_alone() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    client.relay(&mut bench);
    let issued = bench.shared.credentials.clone().issue();
    let remote = client.path.remote.to_string();
    let mut other = Client::of(&remote, &issued);
    assert_eq!(other.refresh(&mut bench, 600).code(), 441);
    assert_eq!(other.allocate(&mut bench).code(), 441);
    assert_eq!(other.permit(&mut bench, PEER), 441);
    assert_eq!(client.refresh(&mut bench, 600).code(), 0);
}

#[test]
fn what_cannot_be_had_is_called_by_its_name() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    let mut code = |attributes: &[(u16, &[u8])]| {
        let fill = |writer: &mut Writer<'_>| {
            attributes
                .iter()
                .for_each(|(typ, value)| writer.add(*typ, value));
        };
        client.ask(&mut bench, Method::Allocate, fill).code()
    };
    let udp: (u16, &[u8]) = (REQUESTED_TRANSPORT, &UDP);
    assert_eq!(code(&[]), 400);
    assert_eq!(code(&[(REQUESTED_TRANSPORT, &[132, 0, 0, 0])]), 442);
    assert_eq!(code(&[udp, (REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0])]), 440);
    assert_eq!(code(&[udp, (0x0029, b"?")]), 420);
    assert_eq!(
        code(&[udp, (RESERVATION_TOKEN, &[0; 8]), (EVEN_PORT, &[0])]),
        400
    );
    assert_eq!(code(&[udp, (RESERVATION_TOKEN, &[0; 8])]), 508);
    bench.machine.without_ipv6 = true;
    let mut client = Client::new("198.51.100.7:4000");
    let ipv6 = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    };
    assert_eq!(client.ask(&mut bench, Method::Allocate, ipv6).code(), 440);
    assert!(bench.turn.is_empty() && bench.shared.quotas.is_empty());
    bench.machine.without_ipv6 = false;
    let answer = client.ask(&mut bench, Method::Allocate, ipv6);
    assert!(answer.address(XOR_RELAYED_ADDRESS).is_ipv6());
    assert_eq!(client.permit(&mut bench, PEER), 443);
    assert_eq!(client.permit(&mut bench, "[2a00::1]:7000"), 0);
}

#[test]
fn an_allocation_lives_as_long_as_it_is_kept_and_no_longer() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    let answer = client.allocate(&mut bench);
    assert_eq!(answer.lifetime(), 600);
    client.permit(&mut bench, PEER);
    assert_eq!(bench.machine.open.len(), 1);
    bench.pass(Duration::from_secs(599));
    // The credentials have expired since: it was good when the call began.
    assert_eq!(client.refresh(&mut bench, 0xffff_ffff).lifetime(), 3600);
    bench.pass(Duration::from_secs(3000));
    assert_eq!(bench.turn.len(), 1);
    assert_eq!(bench.turn.poll_timeout(), Some(bench.now + SECOND));
    bench.pass(Duration::from_secs(600));
    assert_eq!(bench.turn.len(), 0);
    assert!(bench.machine.open.is_empty() && bench.shared.quotas.is_empty());
    assert_eq!(bench.turn.poll_timeout(), None);
}

#[test]
fn a_short_life_is_as_long_as_any_and_none_is_the_end() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    client.relay(&mut bench);
    client.permit(&mut bench, PEER);
    assert_eq!(client.refresh(&mut bench, 1).lifetime(), 600);
    assert_eq!(client.refresh(&mut bench, 0).lifetime(), 0);
    assert!(bench.turn.is_empty() && bench.machine.open.is_empty());
    assert_eq!(client.refresh(&mut bench, 0).code(), 437);
    client.relay(&mut bench);
}

#[test]
fn a_sessions_relay_ends_with_the_session() {
    let mut bench = Bench::new();
    let issued = bench.shared.credentials.clone().issue();
    let mut client = Client::of("198.51.100.7:4000", &issued);
    client.relay(&mut bench);
    bench.pass(SECOND);
    assert_eq!(bench.turn.len(), 1);
    drop(issued);
    assert_eq!(client.refresh(&mut bench, 600).code(), 401);
    bench.pass(SECOND);
    assert!(bench.turn.is_empty() && bench.shared.quotas.is_empty());
}

#[test]
fn a_connections_relay_keeps_it_and_ends_with_it() {
    for transport in [Transport::Tcp, Transport::Dtls] {
        let mut bench = Bench::new();
        let mut client = Client::new("198.51.100.7:4000").over(transport);
        client.relay(&mut bench);
        assert_eq!(bench.turn.poll_introduction(), Some(client.path));
        assert_eq!(bench.turn.poll_introduction(), None);
        bench.pass(SECOND);
        assert_eq!(bench.turn.poll_introduction(), Some(client.path));
        bench.turn.handle_closed(&client.path, &mut bench.machine);
        assert!(bench.turn.is_empty() && bench.shared.quotas.is_empty());
    }
}

#[test]
fn an_even_port_is_even_and_the_next_is_kept_for_its_user_on_any_shard() {
    let mut bench = Bench::new();
    let mut other_shard = bench.beside();
    let mut client = Client::new("198.51.100.7:4000");
    let pair = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(EVEN_PORT, &[0x80]);
    };
    let answer = client.ask(&mut bench, Method::Allocate, pair);
    let port = answer.address(XOR_RELAYED_ADDRESS).port();
    assert!(port.is_multiple_of(2));
    let token = answer.message().get(RESERVATION_TOKEN).unwrap().to_vec();
    let redeem = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(RESERVATION_TOKEN, &token);
    };
    let issued = bench.shared.credentials.clone().issue();
    let mut thief = Client::of("198.51.100.9:1", &issued);
    assert_eq!(thief.ask(&mut bench, Method::Allocate, redeem).code(), 508);
    let mut second = Client::new("198.51.100.7:4001");
    let answer = second.ask(&mut other_shard, Method::Allocate, redeem);
    assert_eq!(answer.address(XOR_RELAYED_ADDRESS).port(), port + 1);
    assert_eq!(
        bench.turn.shard_of(answer.address(XOR_RELAYED_ADDRESS)),
        Some(1)
    );
    let mut third = Client::new("198.51.100.7:4002");
    assert_eq!(third.ask(&mut bench, Method::Allocate, redeem).code(), 508);
}

#[test]
fn a_port_that_nobody_comes_for_is_free_again() {
    let mut bench = Bench::with(Default::default(), 50_000..=50_001);
    let mut client = Client::new("198.51.100.7:4000");
    let pair = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(EVEN_PORT, &[0x80]);
    };
    assert_eq!(client.ask(&mut bench, Method::Allocate, pair).code(), 0);
    let mut other = Client::new("198.51.100.7:4001");
    assert_eq!(other.allocate(&mut bench).code(), 508);
    bench.pass(RESERVED_FOR);
    assert_eq!(other.allocate(&mut bench).code(), 0);
}

#[test]
fn a_port_that_another_program_has_is_passed_over_and_where_no_socket_can_be_had_there_is_no_relay()
{
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    bench.machine.refuse = 3;
    assert_eq!(
        client.relay(&mut bench).port(),
        bench.machine.open[0].port()
    );
    let mut other = Client::new("198.51.100.7:4001");
    bench.machine.refuse = usize::MAX;
    assert_eq!(other.allocate(&mut bench).code(), 508);
    assert_eq!((bench.turn.len(), bench.machine.open.len()), (1, 1));
    // Who needs none gets a relay all the same.
    let issued = bench.shared.credentials.clone().issue();
    let mut session = Client::of("198.51.100.7:4002", &issued);
    session.relay(&mut bench);
}

#[test]
fn sessions_take_no_port_from_relays_to_peers() {
    let mut bench = Bench::with(Default::default(), 50_000..=50_000);
    let issued = [(); 20].map(|()| bench.shared.credentials.clone().issue());
    for (at, issued) in issued.iter().enumerate() {
        let remote = format!("198.51.100.7:{}", 5000 + at);
        let mut client = Client::of(&remote, issued);
        let port = client.relay(&mut bench).port();
        assert!(port != 50_000 && port != MEDIA_PORT);
    }
    assert_eq!(
        Client::new("198.51.100.7:4000").relay(&mut bench).port(),
        50_000
    );
}

#[test]
fn a_user_and_a_source_have_so_many() {
    let mut bench = Bench::with(Default::default(), 40_000..=50_000);
    let mut clients = (0..200).map(|port| Client::new(&format!("198.51.100.7:{}", 4000 + port)));
    let mut allocate = |mut client: Client| client.allocate(&mut bench).code();
    let codes: Vec<_> = clients
        .by_ref()
        .take(MAX_PER_USER)
        .map(&mut allocate)
        .collect();
    assert!(codes.iter().all(|code| *code == 0));
    assert_eq!(allocate(clients.next().unwrap()), 486);
    // Under many names, one source.
    let issued: Vec<_> = (0..MAX_PER_SOURCE)
        .map(|_| bench.shared.credentials.clone().issue())
        .collect();
    let mut made = MAX_PER_USER;
    for (at, issued) in issued.iter().enumerate() {
        let remote = format!("198.51.100.7:{}", 5000 + at);
        let mut client = Client::of(&remote, issued);
        // Strangers' answers are counted, too.
        bench.now += SECOND;
        match client.allocate(&mut bench).code() {
            0 => made += 1,
            code => assert_eq!(code, 486),
        }
    }
    assert_eq!(made, MAX_PER_SOURCE);
}
