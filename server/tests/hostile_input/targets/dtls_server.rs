//! Datagrams of anybody to the server of DTLS that TURN's clients come by: ClientHellos with every part changed, with
//! cookies and without, and whatever else.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use ferrite_server::media::net::dtls::hello::COOKIE;
use ferrite_server::media::net::dtls::server::{DtlsServer, HANDSHAKE_TIME, SILENCE};
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::net::tcp::Received;
use ferrite_server::tls::Certificates;

use super::dtls::client_hello;
use super::input::Input;
use crate::harness::records::{HANDSHAKE, Record, fragment, records};

const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Sources that one input may be.
const SOURCES: u16 = 4;

/// ClientHellos and other records, each from a source.
pub fn dtls_server(input: &[u8]) {
    let mut input = Input(input);
    let mut world = World::new();
    while !input.is_empty() {
        world.act(&mut input);
    }
    world.pass(HANDSHAKE_TIME + SILENCE);
    assert!(world.server.is_empty(), "somebody stays for ever");
    assert!(world.server.poll_timeout().is_none());
}

struct World {
    now: Instant,
    server: DtlsServer,
    received: Received,
    /// Which sources have an association.
    has: [bool; SOURCES as usize],
    /// What each source was asked for.
    cookies: [Vec<u8>; SOURCES as usize],
    records: u64,
}

impl World {
    fn new() -> Self {
        static CERTIFICATES: OnceLock<Arc<Certificates>> = OnceLock::new();
        let certificates = CERTIFICATES.get_or_init(|| {
            let made = Certificates::self_signed(&[], SystemTime::UNIX_EPOCH + SILENCE * 1_000_000);
            Arc::new(made.unwrap())
        });
        let now = Instant::now();
        Self {
            now,
            server: DtlsServer::new(now, certificates.clone(), &[7; 32]).unwrap(),
            received: Received::default(),
            has: Default::default(),
            cookies: Default::default(),
            records: 0,
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        let source = u16::from(input.u8()) % SOURCES;
        match input.u8() % 6 {
            0 | 1 => {
                let random = input.u8() % 2;
                let cookie = &self.cookies[usize::from(source)];
                let message = u16::from(!cookie.is_empty());
                let hello = client_hello(input, random, cookie);
                self.send(
                    source,
                    fragment(CLIENT_HELLO, message, &hello, 0..hello.len()),
                );
            }
            2 => {
                let (kind, message, body) = (input.u8(), input.u16(), input.piece());
                let start = usize::from(input.u8()).min(body.len());
                self.send(source, fragment(kind, message, body, start..body.len()));
            }
            3 => {
                let (content_type, epoch) = (20 + input.u8() % 6, u16::from(input.u8() % 3));
                let record = Record {
                    content_type,
                    epoch,
                    body: input.piece().to_vec(),
                    ..fragment(0, 0, &[], 0..0)
                };
                self.send(source, record);
            }
            4 => self.give(source, input.piece()),
            _ => self.pass(Duration::from_millis(20 * u64::from(input.u8()))),
        }
    }

    fn send(&mut self, source: u16, record: Record) {
        self.records += 1;
        let sequence = self.records;
        self.give(source, &Record { sequence, ..record }.write());
    }

    fn give(&mut self, source: u16, datagram: &[u8]) {
        let path = FourTuple {
            transport: Transport::Dtls,
            local: ([192, 0, 2, 1], 5349).into(),
            remote: ([198, 51, 100, 1], 1000 + source).into(),
        };
        let had = self.has[usize::from(source)];
        let before = self.server.len();
        self.server.begin_turn();
        (self.server).handle_datagram(self.now, &path, datagram, &mut self.received);
        let closed = self.note_closed();
        let has_begun = self.server.len() + closed > before;
        self.has[usize::from(source)] |= has_begun;
        let sent = self.drain();
        // Who has no association is told no more than it said.
        assert!(had || has_begun || sent <= datagram.len());
        assert!(self.server.len() <= usize::from(SOURCES));
        assert!(self.received.datagrams.is_empty(), "nobody has keys");
    }

    /// Takes note of the associations that ended. Returns how many.
    fn note_closed(&mut self) -> usize {
        let closed = std::mem::take(&mut self.received.closed);
        for path in &closed {
            self.has[usize::from(path.remote.port() - 1000)] = false;
        }
        closed.len()
    }

    /// Takes what is sent, and the cookies. Returns how much it is.
    fn drain(&mut self) -> usize {
        let mut sent = 0;
        while let Some(transmit) = self.server.poll_transmit() {
            let source = usize::from(transmit.path.remote.port() - 1000);
            for datagram in transmit.datagrams() {
                sent += datagram.len();
                for record in records(datagram) {
                    if record.content_type == HANDSHAKE && record.body[0] == HELLO_VERIFY_REQUEST {
                        self.cookies[source] = record.body[15..].to_vec();
                        assert_eq!(self.cookies[source].len(), COOKIE);
                    }
                }
            }
        }
        sent
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut standing = 0;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            standing = if due > self.now { 0 } else { standing + 1 };
            assert!(standing < 1000, "time stands still");
            self.now = self.now.max(due);
            (self.server).handle_timeout(self.now, &mut self.received);
            self.drain();
        }
        self.now = end;
        self.server.sweep(self.now, &mut self.received);
        self.note_closed();
        self.drain();
        let count = self.has.iter().filter(|has| **has).count();
        assert_eq!(count, self.server.len());
    }
}
