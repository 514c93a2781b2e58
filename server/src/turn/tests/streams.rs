//! Relays of TCP (RFC 6062): connections to peers, from them, and those of clients that are joined with these.

mod addresses;
mod limits;

use std::net::SocketAddr;
use std::time::Duration;

use super::bench::*;
use super::open_relays::{INSIDE, INSIDE_IPV6};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Message, Method, Writer, integrity};
use crate::turn::access::Access;
use crate::turn::bandwidth::Direction;
use crate::turn::connections::{
    ARRIVALS, ATTEMPTS, ConnectionId, JoinedLink, MAX_ARRIVED, MAX_PER_RELAY, MAX_PER_SOURCE,
    MAX_PER_USER, PATIENCE, UNBOUND,
};
use crate::turn::meter::{Owner, Payer};
use crate::turn::refusal::Refusal;
use crate::turn::server::ANSWERS_AT_ONCE;
use crate::turn::stored::StoredUser;

const TCP: [u8; 4] = [6, 0, 0, 0];
const CONTROL: &str = "198.51.100.7:4000";

fn client() -> Client {
    Client::new(CONTROL).over(Transport::Tcp)
}

/// The same at another connection of its own.
fn beside(client: &Client, port: u16) -> Client {
    let mut beside = client.clone();
    beside.path.remote.set_port(port);
    beside.nonce = Vec::new();
    beside
}

fn allocate_with(bench: &mut Bench, client: &mut Client, more: &[(u16, &[u8])]) -> Answer {
    client.ask(bench, Method::Allocate, |writer| {
        writer.add(REQUESTED_TRANSPORT, &TCP);
        more.iter().for_each(|(typ, value)| writer.add(*typ, value));
    })
}

/// A client with a relay of TCP, and the relay's port.
fn relay(bench: &mut Bench) -> (Client, u16) {
    let mut client = client();
    let port = relay_of(bench, &mut client, 1);
    (client, port)
}

fn relay_of(bench: &mut Bench, client: &mut Client, family: u8) -> u16 {
    let family = [family, 0, 0, 0];
    let answer = allocate_with(bench, client, &[(REQUESTED_ADDRESS_FAMILY, &family)]);
    assert_eq!(answer.code(), 0);
    answer.address(XOR_RELAYED_ADDRESS).port()
}

/// Asks for a connection. Returns the answer if there is one at once.
fn connect(bench: &mut Bench, client: &Client, peer: &str) -> Option<u16> {
    let peer = peer.parse().unwrap();
    let fill = |writer: &mut Writer<'_>| writer.add_address(XOR_PEER_ADDRESS, peer);
    let request = client.request(bench, Method::Connect, fill);
    assert!(bench.give(&client.path, &request).is_none());
    answered(bench, client).map(|answer| answer.code())
}

fn answered(bench: &mut Bench, client: &Client) -> Option<Answer> {
    let mut sent = bench.sent();
    assert!(sent.len() <= 1);
    let (path, answer) = sent.pop()?;
    assert_eq!(path, client.path);
    Some(Answer(answer))
}

/// The peer accepts the connection that was asked for last. Returns what its client calls it.
fn accept(bench: &mut Bench, client: &Client, port: u16) -> ConnectionId {
    let (id, _) = *bench.machine.connecting.last().unwrap();
    (bench.turn).handle_connected(bench.now, port, (id, true), &mut bench.machine);
    let answer = answered(bench, client).unwrap();
    let message = answer.message();
    assert_eq!(message.typ(), Method::Connect.success());
    assert_eq!(message.get(CONNECTION_ID), Some(&id.0.to_be_bytes()[..]));
    id
}

fn connected(bench: &mut Bench, client: &Client, port: u16, peer: &str) -> ConnectionId {
    assert_eq!(connect(bench, client, peer), None);
    accept(bench, client, port)
}

fn bind(bench: &mut Bench, client: &mut Client, id: ConnectionId) -> u16 {
    let fill = |writer: &mut Writer<'_>| writer.add(CONNECTION_ID, &id.0.to_be_bytes());
    client.ask(bench, Method::ConnectionBind, fill).code()
}

fn joined(bench: &mut Bench) -> Option<(FourTuple, ConnectionId, JoinedLink)> {
    bench.turn.poll_joined()
}

/// A peer connects.
fn arrive(bench: &mut Bench, port: u16, peer: &str) -> Option<ConnectionId> {
    let peer = peer.parse().unwrap();
    (bench.turn).handle_accepted(bench.now, port, peer, &mut bench.machine)
}

#[test]
fn a_connection_to_a_peer_is_joined_with_one_of_the_clients() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    assert_eq!(connect(&mut bench, &client, PEER), None);
    let (_, peer) = bench.machine.connecting[0];
    assert_eq!(peer.to_string(), PEER);
    let id = accept(&mut bench, &client, port);
    let mut data = beside(&client, 4001);
    assert_eq!(bind(&mut bench, &mut data, id), 0);
    let (path, joined_id, _) = joined(&mut bench).unwrap();
    assert_eq!((path, joined_id), (data.path, id));
    assert!(joined(&mut bench).is_none() && bench.machine.ended.is_empty());
}

#[test]
fn an_answer_that_comes_later_is_sealed_as_the_request_was() {
    let mut bench = Bench::new();
    let mut client = client();
    client.sha256 = true;
    let port = relay_of(&mut bench, &mut client, 1);
    assert_eq!(connect(&mut bench, &client, PEER), None);
    let (id, _) = bench.machine.connecting[0];
    (bench.turn).handle_connected(bench.now, port, (id, false), &mut bench.machine);
    let answer = answered(&mut bench, &client).unwrap();
    assert_eq!(answer.code(), 447);
    assert!(answer.message().has(MESSAGE_INTEGRITY_SHA256));
}

/// A client may ask for the connection in another way than for the relay.
#[test]
fn an_answer_that_comes_later_is_sealed_with_the_requests_key() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    client.sha256 = true;
    assert_eq!(connect(&mut bench, &client, PEER), None);
    let (id, _) = bench.machine.connecting[0];
    (bench.turn).handle_connected(bench.now, port, (id, true), &mut bench.machine);
    let answer = answered(&mut bench, &client).unwrap();
    let realm = crate::turn::credentials::REALM;
    let key = integrity::sha256_key(&client.username, realm, &client.password);
    assert!(answer.code() == 0 && answer.message().is_by_sha256(&key));
    // And so may it come for it.
    let mut data = beside(&client, 4001);
    data.sha256 = false;
    assert_eq!(bind(&mut bench, &mut data, id), 0);
}

#[test]
fn relays_of_tcp_are_for_clients_over_tcp_and_ask_for_nothing_of_udps() {
    for transport in [Transport::Udp, Transport::Dtls] {
        let mut bench = Bench::new();
        let mut client = client().over(transport);
        assert_eq!(allocate_with(&mut bench, &mut client, &[]).code(), 400);
    }
    let excluded: [(u16, &[u8]); 3] = [
        (EVEN_PORT, &[0x80]),
        (DONT_FRAGMENT, &[]),
        (RESERVATION_TOKEN, &[7; 8]),
    ];
    for more in excluded {
        let mut bench = Bench::new();
        let mut client = client();
        assert_eq!(allocate_with(&mut bench, &mut client, &[more]).code(), 400);
        assert!(bench.machine.open.is_empty() && bench.shared.quotas.is_empty());
    }
    let mut bench = Bench::new();
    let sctp = |writer: &mut Writer<'_>| writer.add(REQUESTED_TRANSPORT, &[132, 0, 0, 0]);
    let answer = client().ask(&mut bench, Method::Allocate, sctp);
    assert_eq!(answer.code(), 442);
}

/// It leads to this server alone, which its client reaches by a connection of its own.
#[test]
fn a_session_has_no_relay_of_tcp() {
    let mut bench = Bench::new();
    let issued = bench.shared.credentials.clone().issue();
    let mut client = Client::of(CONTROL, &issued).over(Transport::Tcp);
    assert_eq!(allocate_with(&mut bench, &mut client, &[]).code(), 403);
}

#[test]
fn nothing_of_datagrams_works_there_and_nothing_of_streams_elsewhere() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    assert_eq!(client.bind(&mut bench, 0x4000, PEER), 400);
    assert!(client.send(&mut bench, PEER, b"x").is_none());
    let own = "203.0.113.1:3478";
    assert_eq!(client.permit(&mut bench, own), 0);
    assert!(client.send(&mut bench, own, b"x").is_none());
    assert!(bench.relayed().is_empty());
    let path = FourTuple {
        transport: Transport::Relayed,
        local: own.parse().unwrap(),
        remote: SocketAddr::new("203.0.113.1".parse().unwrap(), port),
    };
    let transmit = crate::media::net::outbox::Transmit::one(path, b"x"[..].into());
    bench.turn.handle_own(bench.now, &transmit);
    assert!(bench.sent().is_empty());

    let mut bench = Bench::new();
    let mut client = super::streams::client();
    let port = client.relay(&mut bench).port();
    assert_eq!(connect(&mut bench, &client, PEER), Some(437));
    assert_eq!(client.permit(&mut bench, PEER), 0);
    assert_eq!(arrive(&mut bench, port, PEER), None);
}

#[test]
fn a_peer_has_one_connection_of_a_relay_at_a_time() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    assert_eq!(connect(&mut bench, &client, PEER), None);
    assert_eq!(connect(&mut bench, &client, PEER), Some(446));
    let id = accept(&mut bench, &client, port);
    assert_eq!(connect(&mut bench, &client, PEER), Some(446));
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 0);
    assert_eq!(connect(&mut bench, &client, PEER), Some(446));
    let (_, _, link) = joined(&mut bench).unwrap();
    link.end();
    assert_eq!(connect(&mut bench, &client, PEER), None);
    assert_eq!(bench.machine.ended, [id]);
}

#[test]
fn a_peer_that_does_not_answer_is_given_up_and_so_is_a_connection_that_nobody_comes_for() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    assert_eq!(connect(&mut bench, &client, PEER), None);
    let (id, _) = bench.machine.connecting[0];
    bench.pass(PATIENCE - SECOND);
    assert!(bench.sent().is_empty() && bench.machine.ended.is_empty());
    bench.pass(SECOND);
    assert_eq!(answered(&mut bench, &client).unwrap().code(), 447);
    assert_eq!(bench.machine.ended, [id]);
    // What the peer says after that is nobody's any more.
    (bench.turn).handle_connected(bench.now, port, (id, true), &mut bench.machine);
    assert_eq!(bench.machine.ended, [id, id]);
    assert!(bench.sent().is_empty());

    let id = connected(&mut bench, &client, port, PEER);
    bench.pass(UNBOUND - SECOND);
    assert_eq!(bench.machine.ended.len(), 2);
    bench.pass(SECOND);
    assert_eq!(bench.machine.ended[2..], [id]);
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 400);
    assert!(bench.shared.connections.is_empty() && bench.shared.connection_quotas.is_empty());
}

#[test]
fn one_that_was_come_for_in_time_lasts() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let id = connected(&mut bench, &client, port, PEER);
    bench.pass(UNBOUND - SECOND);
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 0);
    bench.pass(UNBOUND * 2);
    assert!(bench.machine.ended.is_empty());
}

#[test]
fn a_peer_that_cannot_be_reached_is_said_to_be_so_and_takes_no_place() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    for (refusal, code) in [(Refusal::Unreachable, 447), (Refusal::Capacity, 508)] {
        bench.machine.unreachable = Some(refusal);
        assert_eq!(connect(&mut bench, &client, PEER), Some(code));
    }
    bench.machine.unreachable = None;
    assert_eq!(connect(&mut bench, &client, PEER), None);
    let (id, _) = bench.machine.connecting[0];
    (bench.turn).handle_connected(bench.now, port, (id, false), &mut bench.machine);
    assert_eq!(answered(&mut bench, &client).unwrap().code(), 447);
    assert!(bench.shared.connections.is_empty());
}

#[test]
fn peers_with_a_permission_connect_and_the_client_hears_of_it() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert_eq!(arrive(&mut bench, port, PEER), None);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    assert_eq!(arrive(&mut bench, port, "198.100.1.2:7000"), None);
    assert_eq!(arrive(&mut bench, port + 1, PEER), None);
    assert!(bench.sent().is_empty());
    let id = arrive(&mut bench, port, PEER).unwrap();
    let told = answered(&mut bench, &client).unwrap();
    let message = told.message();
    assert_eq!(message.typ(), Method::ConnectionAttempt.indication());
    assert_eq!(message.get(CONNECTION_ID), Some(&id.0.to_be_bytes()[..]));
    assert_eq!(told.address(XOR_PEER_ADDRESS).to_string(), PEER);
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 0);
    // Nobody comes for this one.
    let id = arrive(&mut bench, port, "198.100.1.1:7001").unwrap();
    bench.pass(UNBOUND);
    assert_eq!(bench.machine.ended, [id]);
    bench.pass(Duration::from_secs(300));
    assert_eq!(arrive(&mut bench, port, "198.100.1.1:7002"), None);
}

#[test]
fn who_may_not_join_a_connection_is_refused_and_who_may_still_can() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let id = connected(&mut bench, &client, port, PEER);
    // Another user, another number, none; over UDP; where the relay itself is.
    let issued = bench.shared.credentials.clone().issue();
    let mut other = Client::of("198.51.100.8:4000", &issued).over(Transport::Tcp);
    assert_eq!(bind(&mut bench, &mut other, id), 400);
    let mut data = beside(&client, 4001);
    let guess = ConnectionId(id.0.wrapping_add(1));
    assert_eq!(bind(&mut bench, &mut data, guess), 400);
    let none = data.ask(&mut bench, Method::ConnectionBind, |_| {});
    assert_eq!(none.code(), 400);
    let mut over_udp = beside(&client, 4002).over(Transport::Udp);
    assert_eq!(bind(&mut bench, &mut over_udp, id), 400);
    assert_eq!(bind(&mut bench, &mut client.clone(), id), 400);
    assert!(joined(&mut bench).is_none());
    assert_eq!(bind(&mut bench, &mut data, id), 0);
    assert!(joined(&mut bench).is_some());
    assert_eq!(bind(&mut bench, &mut beside(&client, 4003), id), 400);
    assert!(joined(&mut bench).is_none());
}

#[test]
fn a_connection_that_the_peer_has_not_accepted_is_not_joined() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    assert_eq!(connect(&mut bench, &client, PEER), None);
    let (id, _) = bench.machine.connecting[0];
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 400);
    accept(&mut bench, &client, port);
}

/// A page may give one name to all its visitors, who are not to find each other's connections.
#[test]
fn numbers_are_not_found_by_trying() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let id = connected(&mut bench, &client, port, PEER);
    let mut guesser = Client::new("198.51.100.99:4000").over(Transport::Tcp);
    let mut guess = |bench: &mut Bench, at: u32| bind(bench, &mut guesser, ConnectionId(at));
    let tries = (0..ANSWERS_AT_ONCE + 1).map(|at| guess(&mut bench, id.0 ^ (at + 1)));
    assert_eq!(
        tries.filter(|code| *code == 400).count(),
        ANSWERS_AT_ONCE as usize
    );
    assert_eq!(guess(&mut bench, id.0), 508);
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 0);
}

#[test]
fn the_clients_connection_may_land_on_another_shard() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let id = connected(&mut bench, &client, port, PEER);
    let mut other = bench.beside();
    let mut data = beside(&client, 4001);
    assert_eq!(bind(&mut other, &mut data, id), 0);
    let (_, joined_id, link) = joined(&mut other).unwrap();
    assert_eq!(joined_id, id);
    bench.pass(UNBOUND);
    assert!(bench.machine.ended.is_empty());
    link.end();
    bench.pass(SECOND);
    assert_eq!(bench.machine.ended, [id]);
}

#[test]
fn who_made_a_relay_joins_connections_also_when_its_name_has_expired() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    bench.pass(Duration::from_secs(200));
    let id = connected(&mut bench, &client, port, PEER);
    let mut stranger = beside(&client, 4001);
    stranger.password = "guess".to_owned();
    assert_eq!(bind(&mut bench, &mut stranger, id), 401);
    assert_eq!(bind(&mut bench, &mut beside(&client, 4002), id), 0);
}

/// Who made the password of another time is not whose it is now.
#[test]
fn a_name_alone_joins_nothing() {
    let mut bench = Bench::new();
    let mut client = stored(&bench);
    let port = relay_of(&mut bench, &mut client, 1);
    let id = connected(&mut bench, &client, port, PEER);
    let mut again = beside(&client, 4001);
    again.password = "another".to_owned();
    bench.shared.credentials.stored().put(StoredUser {
        username: "stored".to_owned(),
        password: "another".to_owned(),
        api_key: "key".to_owned(),
        owner: OWNER,
        expires: None,
    });
    assert_eq!(bind(&mut bench, &mut again, id), 400);
    assert!(joined(&mut bench).is_none());
}

/// Nobody may be left to say so.
#[test]
fn a_connection_that_is_joined_is_over_when_whoever_has_it_lets_it_go() {
    let mut bench = Bench::new();
    let (client, port) = relay(&mut bench);
    let id = connected(&mut bench, &client, port, PEER);
    let mut other = bench.beside();
    assert_eq!(bind(&mut other, &mut beside(&client, 4001), id), 0);
    bench.pass(SECOND);
    assert!(bench.machine.ended.is_empty());
    // It has not come out of the other shard's server yet.
    drop(other);
    bench.pass(SECOND);
    assert_eq!(bench.machine.ended, [id]);
}

/// What is done with the relay that ends.
type End = fn(&mut Bench, &mut Client);

#[test]
fn connections_end_with_their_relay() {
    let ends: [End; 4] = [
        |bench, client| {
            assert_eq!(client.refresh(bench, 0).code(), 0);
        },
        |bench, client| bench.turn.handle_closed(&client.path, &mut bench.machine),
        |bench, _| {
            bench.shared.credentials.stored().remove("stored");
            bench.pass(SECOND);
        },
        |bench, _| bench.pass(Duration::from_secs(601)),
    ];
    for end in ends {
        let mut bench = Bench::new();
        let mut client = stored(&bench);
        let port = relay_of(&mut bench, &mut client, 1);
        let id = connected(&mut bench, &client, port, PEER);
        assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 0);
        let (_, _, link) = joined(&mut bench).unwrap();
        link.count(bench.now, Direction::Up, 1000);
        assert_eq!(connect(&mut bench, &client, "198.100.1.1:7001"), None);
        let (second, _) = bench.machine.connecting[1];
        end(&mut bench, &mut client);
        let mut ended = bench.machine.ended.clone();
        ended.sort_by_key(|id| id.0);
        ended.dedup();
        let mut expected = [id, second];
        expected.sort_by_key(|id| id.0);
        assert_eq!(ended, expected);
        assert!(bench.machine.open.is_empty() && bench.turn.is_empty());
        assert!(bench.shared.connections.is_empty());
        assert!(bench.shared.connection_quotas.is_empty());
        assert_eq!(usage(&bench), 1000);
    }
}

fn stored(bench: &Bench) -> Client {
    bench.shared.credentials.stored().put(StoredUser {
        username: "stored".to_owned(),
        password: "password".to_owned(),
        api_key: "key".to_owned(),
        owner: OWNER,
        expires: None,
    });
    Client::called(CONTROL, "stored", "password").over(Transport::Tcp)
}

const OWNER: Owner = Owner {
    number: 1,
    project: None,
};

fn usage(bench: &Bench) -> u64 {
    let read = bench.shared.credentials.stored().meters().read();
    let its = |(payer, bytes)| (payer == Payer::Stored(OWNER)).then_some(bytes);
    read.into_iter().filter_map(its).sum()
}

#[test]
fn what_connections_carry_is_counted_every_second_and_when_they_are_over() {
    let mut bench = Bench::new();
    let mut client = stored(&bench);
    let port = relay_of(&mut bench, &mut client, 1);
    let id = connected(&mut bench, &client, port, PEER);
    assert_eq!(bind(&mut bench, &mut beside(&client, 4001), id), 0);
    let (_, _, link) = joined(&mut bench).unwrap();
    link.count(bench.now, Direction::Up, 1200);
    bench.pass(SECOND);
    assert_eq!(usage(&bench), 1200);
    link.count(bench.now, Direction::Up, 34);
    link.end();
    bench.pass(SECOND);
    assert_eq!((usage(&bench), bench.machine.ended.len()), (34, 1));
    bench.pass(SECOND);
    assert_eq!(usage(&bench), 0);
}

#[test]
fn an_indication_for_the_client_is_a_message_of_its_own() {
    let mut bench = Bench::new();
    let (mut client, port) = relay(&mut bench);
    assert_eq!(client.permit(&mut bench, PEER), 0);
    let mut transactions = Vec::new();
    for at in 0..3 {
        let peer = format!("198.100.1.1:{}", 7000 + at);
        arrive(&mut bench, port, &peer).unwrap();
        let (_, told) = bench.sent().pop().unwrap();
        transactions.push(Message::read(&told).unwrap().transaction());
    }
    transactions.dedup();
    assert_eq!(transactions.len(), 3);
}
