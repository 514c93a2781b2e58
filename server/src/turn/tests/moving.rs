//! Clients that change their address, and who would like to be taken for one (RFC 8016).

use std::time::Duration;

use super::bench::*;
use crate::media::net::path::Transport;
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Method, Writer};
use crate::turn::account::Reach;
use crate::turn::mobility::USED_TICKET;
use crate::turn::quota::MAX_PER_SOURCE;

const HOME: &str = "198.51.100.7:4000";
const AWAY: &str = "192.0.2.77:5000";
const FURTHER: &str = "192.0.2.78:6000";
const NUMBER: u16 = 0x4000;

impl Answer {
    fn ticket(&self) -> Option<Vec<u8>> {
        self.message().get(MOBILITY_TICKET).map(<[u8]>::to_vec)
    }
}

impl Client {
    /// Allocates, and may move from then on.
    fn allocate_mobile(&mut self, bench: &mut Bench) -> Answer {
        self.ask(bench, Method::Allocate, |writer| {
            writer.add(REQUESTED_TRANSPORT, &UDP);
            writer.add(MOBILITY_TICKET, &[]);
        })
    }

    /// It is somewhere else.
    fn at(&self, remote: &str) -> Self {
        let mut moved = self.clone();
        moved.path.remote = remote.parse().unwrap();
        moved.nonce.clear();
        moved
    }

    fn show(&mut self, bench: &mut Bench, ticket: &[u8]) -> Answer {
        self.ask(bench, Method::Refresh, with(ticket, 600))
    }
}

fn with(ticket: &[u8], lifetime: u32) -> impl FnOnce(&mut Writer<'_>) {
    move |writer| {
        writer.add(LIFETIME, &lifetime.to_be_bytes());
        writer.add(MOBILITY_TICKET, ticket);
    }
}

/// A client with a mobile allocation, a channel to a peer, its ticket, and the relay's port.
fn mobile(bench: &mut Bench) -> (Client, Vec<u8>, u16) {
    let mut client = Client::new(HOME);
    let answer = client.allocate_mobile(bench);
    assert_eq!(client.bind(bench, NUMBER, PEER), 0);
    let port = answer.address(XOR_RELAYED_ADDRESS).port();
    (client, answer.ticket().expect("a ticket"), port)
}

/// Where what a peer sends to a relay arrives.
fn reached(bench: &mut Bench, port: u16) -> Vec<String> {
    let peer = PEER.parse().unwrap();
    bench.turn.handle_peer(bench.now, port, peer, b"hello");
    let sent = bench.sent().into_iter();
    sent.map(|(path, _)| path.remote.to_string()).collect()
}

/// Whether a client's channel data reaches its peer.
fn reaches(bench: &mut Bench, client: &Client) -> bool {
    bench.give(&client.path, &channel(NUMBER, b"hello"));
    let relayed = bench.relayed();
    relayed
        .iter()
        .any(|(_, to, data)| to.to_string() == PEER && data == b"hello")
}

#[test]
fn a_client_that_moved_keeps_its_relay_and_its_old_path_until_it_sends_over_the_new_one() {
    let mut bench = Bench::new();
    let (home, ticket, port) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    let answer = away.show(&mut bench, &ticket);
    assert_eq!((answer.code(), answer.lifetime()), (0, 600));
    assert_ne!(answer.ticket().unwrap(), ticket);
    assert_eq!(reached(&mut bench, port), [HOME]);
    assert!(reaches(&mut bench, &home));
    assert_eq!(reached(&mut bench, port), [HOME]);
    // What it asks for is done for it at either, and is no packet.
    assert_eq!(away.permit(&mut bench, "198.100.1.2:7000"), 0);
    assert_eq!(reached(&mut bench, port), [HOME]);
    assert!(reaches(&mut bench, &away));
    assert_eq!(reached(&mut bench, port), [AWAY]);
    assert!(!reaches(&mut bench, &home));
    assert_eq!(home.clone().refresh(&mut bench, 600).code(), 437);
    let page = bench.shared.live.page(None, 10);
    assert_eq!(
        (page.total, page.relays[0].1.client.to_string()),
        (1, AWAY.to_owned())
    );
    // And once more.
    let mut further = home.at(FURTHER);
    let answer = further.show(&mut bench, &answer.ticket().unwrap());
    assert_eq!(answer.code(), 0);
    let fill = |writer: &mut Writer<'_>| writer.add(LIFETIME, &[0; 4]);
    assert_eq!(further.ask(&mut bench, Method::Refresh, fill).code(), 0);
    assert!(bench.turn.is_empty() && bench.machine.open.is_empty());
    assert!(bench.shared.elsewhere.is_empty() && bench.shared.quotas.is_empty());
    assert_eq!(away.refresh(&mut bench, 600).code(), 437);
}

#[test]
fn an_indication_is_an_arrival_too() {
    let mut bench = Bench::new();
    let (home, ticket, port) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    assert_eq!(away.show(&mut bench, &ticket).code(), 0);
    away.send(&mut bench, PEER, b"here I am");
    assert_eq!(reached(&mut bench, port), [AWAY]);
}

#[test]
fn a_request_that_comes_again_has_the_same_answer_and_a_ticket_is_good_for_one_move() {
    let mut bench = Bench::new();
    let (home, ticket, _) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    away.nonce = challenge(&mut bench, &away.path);
    let request = away.request(&mut bench, Method::Refresh, with(&ticket, 600));
    let first = bench.ask(&away.path, &request);
    bench.pass(USED_TICKET - SECOND);
    let again = bench.ask(&away.path, &request);
    assert_eq!((first.code(), again.code()), (0, 0));
    assert_eq!(first.ticket(), again.ticket());
    // Nobody else comes by it.
    assert_eq!(home.at(FURTHER).show(&mut bench, &ticket).code(), 437);
    bench.pass(SECOND);
    assert_eq!(bench.ask(&away.path, &request).code(), 400);
    assert_eq!(bench.turn.len(), 1);
}

#[test]
fn a_client_that_has_not_moved_shows_no_ticket_and_one_that_came_back_does() {
    let mut bench = Bench::new();
    let (mut home, ticket, port) = mobile(&mut bench);
    assert_eq!(home.show(&mut bench, &ticket).code(), 400);
    let mut away = home.at(AWAY);
    let second = away.show(&mut bench, &ticket).ticket().unwrap();
    let third = home.show(&mut bench, &second);
    assert_eq!(third.code(), 0);
    assert!(bench.shared.elsewhere.is_empty());
    assert_eq!(away.refresh(&mut bench, 600).code(), 437);
    assert_eq!(reached(&mut bench, port), [HOME]);
    assert_eq!(away.show(&mut bench, &second).code(), 437);
    assert_eq!(away.show(&mut bench, &third.ticket().unwrap()).code(), 0);
}

#[test]
fn nobody_moves_what_is_anothers() {
    let mut bench = Bench::new();
    let (home, ticket, port) = mobile(&mut bench);
    let issued = bench.shared.credentials.clone().issue_for(Reach::Peers);
    let mut other = Client::of(AWAY, &issued);
    assert_eq!(other.show(&mut bench, &ticket).code(), 441);
    let mut guesser = Client::called(AWAY, &home.username, "guess");
    assert_eq!(guesser.show(&mut bench, &ticket).code(), 401);
    // What was overheard is sealed for another address.
    let mut away = home.at(AWAY);
    away.nonce = challenge(&mut bench, &away.path);
    let request = away.request(&mut bench, Method::Refresh, with(&ticket, 600));
    let thief = home.at(FURTHER);
    assert_eq!(bench.ask(&thief.path, &request).code(), 438);
    for at in 0..ticket.len() {
        let mut changed = ticket.clone();
        changed[at] ^= 1;
        assert_eq!(away.show(&mut bench, &changed).code(), 437, "{at}");
    }
    for wrong in [&[][..], &[0], &[b'A'; 32], &[0; 500]] {
        assert_eq!(away.show(&mut bench, wrong).code(), 437);
    }
    assert_eq!(reached(&mut bench, port), [HOME]);
    assert!(reaches(&mut bench, &home));
    assert_eq!(bench.turn.len(), 1);
}

#[test]
fn who_has_a_relay_already_takes_none_over() {
    let mut bench = Bench::new();
    let (home, ticket, port) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    away.relay(&mut bench);
    assert_eq!(away.show(&mut bench, &ticket).code(), 437);
    assert_eq!(
        (bench.turn.len(), reached(&mut bench, port)),
        (2, vec![HOME.to_owned()])
    );
}

#[test]
fn only_who_asks_for_one_has_a_ticket_and_over_a_connection_nobody() {
    let mut bench = Bench::new();
    assert_eq!(Client::new(HOME).allocate(&mut bench).ticket(), None);
    let connections = [Transport::Tcp, Transport::Dtls];
    for transport in connections {
        let mut connected = Client::new(AWAY).over(transport);
        let answer = connected.allocate_mobile(&mut bench);
        assert_eq!((answer.code(), answer.ticket()), (0, None));
    }
    let fill = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(MOBILITY_TICKET, b"mine");
    };
    let mut client = Client::new(FURTHER);
    assert_eq!(client.ask(&mut bench, Method::Allocate, fill).code(), 400);
    // Nor does a connection take over what began over UDP.
    let mut client = Client::new("198.51.100.8:4000");
    let ticket = client.allocate_mobile(&mut bench).ticket().unwrap();
    for transport in connections {
        let mut connected = client.at("192.0.2.79:7000").over(transport);
        assert_eq!(connected.show(&mut bench, &ticket).code(), 437);
    }
}

#[test]
fn a_ticket_ends_with_its_allocation_and_finds_no_later_one_at_its_port() {
    let mut bench = Bench::with(Default::default(), 50_000..=50_000);
    let (mut home, ticket, port) = mobile(&mut bench);
    home.refresh(&mut bench, 0);
    assert_eq!(home.at(AWAY).show(&mut bench, &ticket).code(), 437);
    let (_, _, again) = mobile(&mut bench);
    assert_eq!(again, port);
    assert_eq!(home.at(AWAY).show(&mut bench, &ticket).code(), 437);
    assert_eq!(reached(&mut bench, port), [HOME]);
}

#[test]
fn a_ticket_can_end_its_allocation() {
    let mut bench = Bench::new();
    let (home, ticket, _) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    let answer = away.ask(&mut bench, Method::Refresh, with(&ticket, 0));
    assert_eq!((answer.code(), answer.lifetime()), (0, 0));
    assert!(bench.turn.is_empty() && bench.shared.elsewhere.is_empty());
}

#[test]
fn credentials_that_were_good_when_it_began_are_good_for_a_move() {
    let mut bench = Bench::new();
    let (home, ticket, _) = mobile(&mut bench);
    bench.pass(Duration::from_secs(300));
    assert_eq!(home.at(AWAY).allocate(&mut bench).code(), 401);
    assert_eq!(home.at(AWAY).show(&mut bench, &ticket).code(), 0);
}

#[test]
fn what_is_relayed_and_how_many_there_are_is_counted_where_the_client_is() {
    let mut bench = Bench::new();
    let (home, ticket, _) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    let held: Vec<_> = (0..MAX_PER_SOURCE)
        .map_while(|n| {
            let source = away.path.remote.ip();
            bench.shared.quotas.take(&n.to_string(), 1, source)
        })
        .collect();
    assert_eq!(held.len(), MAX_PER_SOURCE);
    assert_eq!(away.show(&mut bench, &ticket).code(), 486);
    drop(held);
    assert!(reaches(&mut bench, &home));
    assert_eq!(away.show(&mut bench, &ticket).code(), 0);
    assert!(reaches(&mut bench, &away));
    bench.pass(SECOND);
    let counted = bench.shared.credentials.stored().meters().read();
    assert_eq!(counted.iter().map(|(_, bytes)| bytes).sum::<u64>(), 10);
    assert_eq!(bench.shared.live.page(None, 1).relays[0].1.bytes(), 10);
    // A place of the new source is taken, and none of the old one.
    let take = |source: &str, n: usize| {
        let source: std::net::SocketAddr = source.parse().unwrap();
        bench.shared.quotas.take(&n.to_string(), 1, source.ip())
    };
    let count = |source| {
        (0..)
            .map_while(|n| take(source, n))
            .collect::<Vec<_>>()
            .len()
    };
    assert_eq!(
        (count(HOME), count(AWAY)),
        (MAX_PER_SOURCE, MAX_PER_SOURCE - 1)
    );
}

/// Gives one shard what another hands over.
fn hand_over(from: &mut Bench, to: &mut Bench) -> usize {
    let mut count = 0;
    while let Some((shard, path, datagram)) = from.turn.poll_handed_over() {
        assert_eq!(shard, 0);
        count += 1;
        let (now, machine) = (to.now, &mut to.machine);
        let own = to.turn.handle_handed_over(now, &path, &datagram, machine);
        assert!(own.is_none());
    }
    count
}

#[test]
fn where_another_shard_hears_of_a_move_it_hands_over_what_comes() {
    let mut bench = Bench::new();
    let mut other = bench.beside();
    let (home, ticket, port) = mobile(&mut bench);
    let mut away = home.at(AWAY);
    // Without a nonce it is challenged where it landed.
    away.nonce = challenge(&mut other, &away.path);
    let forged = away.request(&mut other, Method::Refresh, with(&[b'A'; 32], 600));
    assert_eq!(other.ask(&away.path, &forged).code(), 437);
    let request = away.request(&mut bench, Method::Refresh, with(&ticket, 600));
    assert!(other.give(&away.path, &request).is_none() && other.sent().is_empty());
    assert_eq!(hand_over(&mut other, &mut bench), 1);
    let answer = Answer(bench.sent().remove(0).1);
    assert_eq!(answer.code(), 0);
    // Now all that it sends.
    other.give(&away.path, &channel(NUMBER, b"one"));
    other.give(&away.path, &channel(NUMBER, b"two"));
    assert_eq!(hand_over(&mut other, &mut bench), 2);
    let relayed: Vec<_> = bench
        .relayed()
        .into_iter()
        .map(|(_, _, data)| data)
        .collect();
    assert_eq!(relayed, [b"one", b"two"]);
    assert_eq!(reached(&mut bench, port), [AWAY]);
    // Of who only claims to be somebody nothing is handed over.
    let mut stranger = home.at(FURTHER);
    stranger.nonce = away.nonce.clone();
    let ticket = answer.ticket().unwrap();
    let request = stranger.request(&mut other, Method::Refresh, with(&ticket, 600));
    assert_eq!(other.ask(&stranger.path, &request).code(), 438);
    assert_eq!(hand_over(&mut other, &mut bench), 0);
    // Nor when it is over.
    bench.pass(Duration::from_secs(600));
    assert!(bench.turn.is_empty() && bench.shared.elsewhere.is_empty());
    other.give(&away.path, &channel(NUMBER, b"late"));
    assert_eq!(hand_over(&mut other, &mut bench), 0);
}

/// A client whose allocation is on one shard, and which has moved to where its datagrams land on another.
fn moved_beside(bench: &mut Bench, other: &mut Bench) -> Client {
    let (home, ticket, _) = mobile(bench);
    let mut away = home.at(AWAY);
    away.nonce = challenge(other, &away.path);
    let request = away.request(bench, Method::Refresh, with(&ticket, 600));
    other.give(&away.path, &request);
    assert_eq!(hand_over(other, bench), 1);
    assert_eq!(Answer(bench.sent().remove(0).1).code(), 0);
    away
}

#[test]
fn what_is_handed_over_for_an_allocation_that_is_no_more_makes_none() {
    let mut bench = Bench::new();
    let mut other = bench.beside();
    let away = moved_beside(&mut bench, &mut other);
    // Given up and asked for anew in one breath: neither shard knows yet that the first is over.
    let give_up = |writer: &mut Writer<'_>| writer.add(LIFETIME, &[0; 4]);
    let request = away.request(&mut other, Method::Refresh, give_up);
    other.give(&away.path, &request);
    let ask = |writer: &mut Writer<'_>| writer.add(REQUESTED_TRANSPORT, &UDP);
    let allocate = away.request(&mut other, Method::Allocate, ask);
    other.give(&away.path, &allocate);
    assert_eq!(hand_over(&mut other, &mut bench), 2);
    assert_eq!(Answer(bench.sent().remove(0).1).code(), 0);
    assert!(bench.turn.is_empty() && bench.sent().is_empty());
    // Asked again it is made where it lands.
    assert_eq!(other.ask(&away.path, &allocate).code(), 0);
    assert_eq!((bench.turn.len(), other.turn.len()), (0, 1));
}

/// Its client never sent its last word; the sweep has not come by.
#[test]
fn nor_for_one_that_has_expired() {
    let mut bench = Bench::new();
    let mut other = bench.beside();
    let away = moved_beside(&mut bench, &mut other);
    bench.now += 600 * SECOND;
    let ask = |writer: &mut Writer<'_>| writer.add(REQUESTED_TRANSPORT, &UDP);
    let request = away.request(&mut other, Method::Allocate, ask);
    other.give(&away.path, &request);
    assert_eq!(hand_over(&mut other, &mut bench), 1);
    assert!(bench.sent().is_empty());
}
