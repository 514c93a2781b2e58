//! The server's rules in virtual time, with clients that are associations of the library's, too.

mod bounds;

use super::association::{Association, End};
use super::certified;
use super::hello::ClientHello;
use super::server::*;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::tcp::Received;
use crate::tls::Certificates;
use bytes::BytesMut;
use rtc::crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};
use rtc::dtls::endpoint::EndpointEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

fn certificates() -> Arc<Certificates> {
    Arc::new(Certificates::self_signed(&[], SystemTime::now()).unwrap())
}

fn path(host: u8, port: u16) -> FourTuple {
    FourTuple {
        transport: Transport::Dtls,
        local: ([192, 0, 2, 1], 5349).into(),
        remote: ([198, 51, 100, host], port).into(),
    }
}

/// Cryptography that panics when it is told to: in the midst of what the library does.
struct Touchy {
    provider: Arc<dyn RTCCryptoProvider>,
    panics: AtomicBool,
}

impl RTCCryptoProvider for Touchy {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for Touchy {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        assert!(!self.panics.load(Ordering::Relaxed), "as it was told");
        self.provider.random().fill(output)
    }
}

/// A server, and what it gave out.
struct World {
    now: Instant,
    server: DtlsServer,
    received: Received,
}

impl World {
    fn new() -> Self {
        Self::with(rtc::crypto::default_provider().unwrap())
    }

    fn with(provider: Arc<dyn RTCCryptoProvider>) -> Self {
        let now = Instant::now();
        Self {
            now,
            server: DtlsServer::with_provider(now, certificates(), &[7; 32], provider),
            received: Received::default(),
        }
    }

    /// Each in a turn of its own.
    fn give(&mut self, path: &FourTuple, datagram: &[u8]) {
        self.server.begin_turn();
        self.give_at_once(path, datagram);
    }

    fn give_at_once(&mut self, path: &FourTuple, datagram: &[u8]) {
        (self.server).handle_datagram(self.now, path, datagram, &mut self.received);
    }

    /// What it sends, by path.
    fn sent(&mut self) -> Vec<(FourTuple, Vec<u8>)> {
        let transmits: Vec<_> = std::iter::from_fn(|| self.server.poll_transmit()).collect();
        let datagrams = transmits.iter().flat_map(|transmit| {
            let path = transmit.path;
            transmit.datagrams().map(move |it| (path, it.to_vec()))
        });
        datagrams.collect()
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now, &mut self.received);
        }
        self.now = end;
        self.server.sweep(self.now, &mut self.received);
    }

    /// Carries whatever there is, both ways, until there is nothing more.
    fn settle(&mut self, client: &mut Client) {
        loop {
            let up = client.sent();
            for datagram in &up {
                self.give(&client.path, datagram);
            }
            let down = self.sent();
            for (path, datagram) in &down {
                assert_eq!(*path, client.path);
                client.take(self.now, datagram);
            }
            if up.is_empty() && down.is_empty() {
                return;
            }
        }
    }

    fn data(&mut self) -> Vec<(FourTuple, Vec<u8>)> {
        std::mem::take(&mut self.received.datagrams)
    }

    fn closed(&mut self) -> Vec<FourTuple> {
        std::mem::take(&mut self.received.closed)
    }
}

struct Client {
    path: FourTuple,
    association: Association,
    data: Vec<Vec<u8>>,
    is_over: bool,
}

impl Client {
    fn begin(now: Instant, path: FourTuple) -> Self {
        let provider = rtc::crypto::default_provider().unwrap();
        let config = certified::for_a_client(provider.clone()).unwrap();
        let mut association = Association::new(End::Client(config), provider);
        association.begin(now).unwrap();
        Self {
            path,
            association,
            data: Vec::new(),
            is_over: false,
        }
    }

    fn connected(world: &mut World, path: FourTuple) -> Self {
        let mut client = Self::begin(world.now, path);
        world.settle(&mut client);
        assert!(client.association.is_done());
        client
    }

    fn sent(&mut self) -> Vec<BytesMut> {
        std::iter::from_fn(|| self.association.poll_transmit()).collect()
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) {
        for event in self.association.read(now, datagram).unwrap_or_default() {
            match event {
                EndpointEvent::ApplicationData(data) => self.data.push(data.to_vec()),
                EndpointEvent::PeerClosed => self.is_over = true,
                _ => {}
            }
        }
    }

    fn say(&mut self, world: &mut World, data: &[u8]) {
        self.association.write(world.now, data);
        world.settle(self);
    }

    /// Its first message, and its second.
    fn hellos(world: &mut World, path: FourTuple) -> (Self, BytesMut, BytesMut) {
        let mut client = Self::begin(world.now, path);
        let first = client.sent().remove(0);
        world.give(&path, &first);
        let (_, question) = world.sent().remove(0);
        client.take(world.now, &question);
        let second = client.sent().remove(0);
        (client, first, second)
    }
}

#[test]
fn what_is_sealed_at_one_end_opens_at_the_other() {
    let mut world = World::new();
    let me = path(1, 1000);
    let mut client = Client::connected(&mut world, me);
    client.say(&mut world, b"there");
    assert_eq!(world.data(), [(me, b"there".to_vec())]);
    let mut transmit = Transmit::one(me, BytesMut::from(&b"backback"[..]));
    transmit.segment = 4;
    world.server.send(world.now, &transmit);
    world.settle(&mut client);
    assert_eq!(client.data, [b"back", b"back"]);
    // Its handshake is forgotten by now.
    client.say(&mut world, b"again");
    assert_eq!(world.data(), [(me, b"again".to_vec())]);
    assert!(world.closed().is_empty());
}

#[test]
fn who_shows_no_cookie_costs_nothing_and_gets_less_than_it_sent() {
    let mut world = World::new();
    let mut client = Client::begin(world.now, path(1, 1000));
    let hello = client.sent().remove(0);
    for port in 1..2000 {
        // Each source is forged.
        let path = path(1, port);
        world.give(&path, &hello);
        let sent = world.sent();
        assert_eq!(sent.len(), 1);
        assert!(sent[0].0 == path && sent[0].1.len() < hello.len());
    }
    assert!(world.server.is_empty() && world.server.poll_timeout().is_none());
    // A cookie of somebody else's.
    let (_, _, second) = Client::hellos(&mut world, path(2, 1));
    world.give(&path(3, 1), &second);
    let sent = world.sent();
    assert!(world.server.is_empty() && sent[0].1.len() < second.len());
}

#[test]
fn what_belongs_to_no_association_has_no_answer() {
    let mut world = World::new();
    let mut client = Client::connected(&mut world, path(1, 1000));
    client.association.write(world.now, b"data");
    let sealed = client.sent().remove(0);
    world.give(&path(1, 1001), &sealed);
    world.give(
        &path(1, 1001),
        b"\x00\x01\x00\x00\x21\x12\xa4\x42nothing sealed",
    );
    assert!(world.sent().is_empty() && world.data().is_empty());
    assert_eq!(world.server.len(), 1);
}

#[test]
fn a_flight_that_was_lost_is_sent_again() {
    let mut world = World::new();
    let me = path(1, 1000);
    let (mut client, _, second) = Client::hellos(&mut world, me);
    world.give(&me, &second);
    assert!(!world.sent().is_empty(), "lost");
    // The client asks again, and is not heard: it would get another association.
    world.give(&me, &second);
    assert_eq!(world.server.len(), 1);
    world.pass(Duration::from_millis(200));
    for (_, datagram) in world.sent() {
        client.take(world.now, &datagram);
    }
    world.settle(&mut client);
    assert!(client.association.is_done());
}

/// A client takes no record twice (RFC 6347 §4.1.2.6): a question that is asked again has another number, and so has what
/// follows it.
#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut world = World::new();
    let me = path(1, 1000);
    let mut client = Client::begin(world.now, me);
    let first = client.sent().remove(0);
    world.give(&me, &first);
    // Both of these reach the client, the second with the next number.
    let (_, question) = world.sent().remove(0);
    world.pass(Duration::from_secs(1));
    let _ = client.association.handle_timeout(world.now);
    let again = client.sent().remove(0);
    world.give(&me, &again);
    let (_, repeated) = world.sent().remove(0);
    let number = |datagram: &[u8]| datagram[10];
    assert_eq!(number(&question), number(&first));
    assert_eq!(number(&repeated), number(&again));
    assert_ne!(number(&again), number(&first));
    client.take(world.now, &repeated);
    let second = client.sent().remove(0);
    world.give(&me, &second);
    let sent = world.sent();
    assert_eq!(number(&sent[0].1), number(&second));
    for (_, datagram) in sent {
        client.take(world.now, &datagram);
    }
    world.settle(&mut client);
    assert!(client.association.is_done());
}

#[test]
fn an_association_ends_unless_there_is_an_allocation() {
    let mut world = World::new();
    let (idle, used) = (path(1, 1000), path(1, 1001));
    let mut silent = Client::connected(&mut world, idle);
    silent.say(&mut world, b"hello");
    Client::connected(&mut world, used).say(&mut world, b"hello");
    for _ in 0..3 {
        world.pass(SILENCE / 2);
        world.server.introduce(world.now, &used);
        // Whatever it says: anybody can.
        silent.association.write(world.now, b"still here");
        for datagram in silent.sent() {
            world.give(&idle, &datagram);
        }
    }
    assert_eq!(world.closed(), [idle]);
    assert_eq!(world.server.len(), 1);
    for (path, datagram) in world.sent() {
        assert_eq!(path, idle);
        silent.take(world.now, &datagram);
    }
    assert!(silent.is_over, "and nobody told it");
    // The other's allocation is over.
    world.pass(SILENCE);
    assert_eq!(world.closed(), [used]);
}

#[test]
fn who_says_goodbye_is_gone() {
    let mut world = World::new();
    let me = path(1, 1000);
    let mut client = Client::connected(&mut world, me);
    client.say(&mut world, b"hello");
    client.association.close(world.now);
    for datagram in client.sent() {
        world.give(&me, &datagram);
    }
    assert_eq!(world.closed(), [me]);
    assert!(world.server.is_empty());
}

#[test]
fn who_shows_a_cookie_takes_the_place_of_whoever_was_there() {
    let mut world = World::new();
    let me = path(1, 1000);
    let mut before = Client::connected(&mut world, me);
    before.say(&mut world, b"before");
    // Anybody can send this in its name.
    let mut forger = Client::begin(world.now, me);
    world.give(&me, &forger.sent().remove(0));
    world.sent();
    assert!(world.closed().is_empty());
    before.say(&mut world, b"still");
    assert_eq!(world.data().len(), 2);
    let mut next = Client::connected(&mut world, me);
    assert_eq!(world.closed(), [me]);
    next.say(&mut world, b"next");
    before.association.write(world.now, b"nobody");
    for datagram in before.sent() {
        world.give(&me, &datagram);
    }
    assert_eq!(world.data(), [(me, b"next".to_vec())]);
    assert_eq!(world.server.len(), 1);
}

#[test]
fn a_hello_that_cannot_be_agreed_with_leaves_nothing_behind() {
    let mut world = World::new();
    let me = path(1, 1000);
    let (_, first, _) = Client::hellos(&mut world, me);
    // Another suite than there is, or extensions that make no sense, in both messages.
    let strange = |cookie: &[u8], message: u8, suite: [u8; 2], extensions: &[u8]| {
        let mut body = first[25..25 + 34].to_vec();
        body.extend([0, cookie.len() as u8]);
        body.extend(cookie);
        body.extend([0, 2, suite[0], suite[1], 1, 0]);
        body.extend(extensions);
        let length = (body.len() as u16).to_be_bytes();
        let mut datagram = first[..10].to_vec();
        datagram.push(message);
        datagram.extend((body.len() as u16 + 12).to_be_bytes());
        datagram.extend([1, 0, length[0], length[1], 0, message, 0, 0, 0, 0]);
        datagram.extend(length);
        datagram.extend(body);
        datagram
    };
    for (suite, extensions) in [([0x13, 0x37], &[0, 0][..]), ([0xC0, 0x2B], &[0, 9])] {
        world.give(&me, &strange(&[], 0, suite, extensions));
        let (_, question) = world.sent().remove(0);
        let cookie = &question[question.len() - 20..];
        let second = strange(cookie, 1, suite, extensions);
        assert!(ClientHello::read(&second).unwrap().cookie().is_some());
        world.give(&me, &second);
        // An alert.
        let sent = world.sent();
        assert!(!sent.is_empty());
        assert!(sent.iter().all(|(_, datagram)| datagram[0] == 21));
        assert!(world.server.is_empty());
    }
}

#[test]
fn a_panic_costs_the_client_that_caused_it() {
    let touchy = Arc::new(Touchy {
        provider: rtc::crypto::default_provider().unwrap(),
        panics: AtomicBool::new(false),
    });
    let mut world = World::with(touchy.clone());
    let (good, bad) = (path(1, 1000), path(1, 1001));
    let mut client = Client::connected(&mut world, good);
    let panicking = |act: &mut dyn FnMut()| {
        touchy.panics.store(true, Ordering::Relaxed);
        act();
        touchy.panics.store(false, Ordering::Relaxed);
    };
    // Before there is an association.
    let (mut other, _, second) = Client::hellos(&mut world, bad);
    panicking(&mut || world.give(&bad, &second));
    assert!(world.closed().is_empty() && world.server.len() == 1);
    // In its handshake.
    world.give(&bad, &second);
    for (_, datagram) in world.sent() {
        other.take(world.now, &datagram);
    }
    let last = other.sent();
    panicking(&mut || last.iter().for_each(|last| world.give(&bad, last)));
    assert_eq!(world.closed(), [bad]);
    // Where something is sealed for it.
    Client::connected(&mut world, bad);
    let transmit = Transmit::one(bad, BytesMut::from(&b"data"[..]));
    panicking(&mut || world.server.send(world.now, &transmit));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.closed(), [bad]);
    world.sent();
    client.say(&mut world, b"still here");
    assert_eq!(world.data(), [(good, b"still here".to_vec())]);
}

#[test]
fn everybody_is_told_when_nobody_is_served_any_more() {
    let mut world = World::new();
    let mut clients = [1, 2].map(|host| Client::connected(&mut world, path(host, 1)));
    let (_, _, second) = Client::hellos(&mut world, path(3, 1));
    world.give(&path(3, 1), &second);
    world.sent();
    world.server.end_all(world.now, &mut world.received);
    assert!(world.server.is_empty());
    assert_eq!(world.closed().len(), 3);
    for (path, datagram) in world.sent() {
        let client = clients.iter_mut().find(|client| client.path == path);
        if let Some(client) = client {
            client.take(world.now, &datagram);
        }
    }
    assert!(clients.iter().all(|client| client.is_over));
}
