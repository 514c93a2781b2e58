//! The DTLS server of STUN and TURN (RFC 7350, RFC 8656 §2.1) on one shard: the associations of its clients. What is in
//! their records is for others.
//!
//! Nothing is kept of who has not shown, by a cookie, that it receives what is sent to its address. Sans-IO.

use std::collections::hash_map::Entry as MapEntry;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::HandshakeConfig;
use rtc::dtls::endpoint::EndpointEvent;
use rustls::sign::CertifiedKey;

use crate::media::net::dtls::association::{Association, DtlsError, End};
use crate::media::net::dtls::certified::{self, Cookied};
use crate::media::net::dtls::hello::{
    COOKIE, ClientHello, Cookies, hello_verify_request, renumber,
};
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::FourTuple;
use crate::media::net::tcp::Received;
use crate::media::seeded::{SeededMap, SeededSet};
use crate::rate::{Bucket, Rate, Sources};
use crate::shares::{Share, Shares};
use crate::tls::Certificates;

/// Associations of one shard. Who asks for another one gets no answer.
pub const MAX_ASSOCIATIONS: usize = 4096;

/// Associations of one shard that one address (an IPv4 address, or an IPv6 /64) may have.
pub const MAX_PER_ADDRESS: usize = 512;

/// Handshakes under way at a time. Each may keep up to [`MAX_BYTES`](super::gate::MAX_BYTES). A further one ends the
/// oldest, which [`ALL_HANDSHAKES`] makes eight seconds old at least.
pub const MAX_HANDSHAKES: usize = 512;

/// Those of one address.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = 64;

/// Handshakes of an address a second, and at once after a quiet time. Of many clients behind one address some come at
/// their next try: who has no answer asks again (RFC 6347 §4.2.4).
pub const HANDSHAKES: (u32, u32) = (20, 20);

/// Handshakes of all addresses together. Each takes a key and a signature of the thread that has the media: a millisecond
/// with an RSA key of 2048 bits. So they take a twentieth of its time.
pub const ALL_HANDSHAKES: (u32, u32) = (50, 100);

/// Handshakes that begin in one turn, while media waits. Who is dropped asks again.
pub const MAX_BEGUN: usize = 4;

/// Datagrams that bring handshakes on in one turn: one of them has the server compute the keys.
pub const MAX_STEPS: usize = 16;

/// How long a handshake may take.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

/// How long an association may stay after its handshake, and after somebody had an allocation over it.
pub const SILENCE: Duration = Duration::from_secs(60);

/// A client's association.
struct Client {
    association: Association,
    /// What its ClientHello has drawn.
    random: [u8; 32],
    /// How much higher its plaintext records are numbered than the library numbers them: its first has the ClientHello's
    /// number, lest the client take it for one that it has had (RFC 6347 §4.2.1).
    higher: u64,
    /// It ends then, unless somebody has an allocation over it.
    until: Instant,
    /// Given back when its handshake is done.
    shaking: Option<Share>,
    _share: Share,
}

/// What was done for handshakes since others had their turn.
#[derive(Default)]
struct Turn {
    begun: usize,
    steps: usize,
}

/// The associations.
pub struct DtlsServer {
    certificates: Arc<Certificates>,
    /// What newcomers agree on, and the certificate that it is for. One that is of no use is tried once.
    config: Option<(Arc<CertifiedKey>, Option<Arc<HandshakeConfig>>)>,
    provider: Arc<Cookied>,
    cookies: Cookies,
    clients: SeededMap<FourTuple, Client>,
    shaking: SeededSet<FourTuple>,
    shares: Shares,
    handshakes: Shares,
    rate: Sources,
    all: Bucket,
    turn: Turn,
    /// No flight is to be repeated before this.
    next: Option<Instant>,
    out: Outbox,
}

impl DtlsServer {
    /// With a key that nobody else has, for cookies.
    pub fn new(
        now: Instant,
        certificates: Arc<Certificates>,
        key: &[u8; 32],
    ) -> Result<Self, DtlsError> {
        let provider = rtc::crypto::default_provider().map_err(DtlsError::of)?;
        Ok(Self::with_provider(now, certificates, key, provider))
    }

    /// The same with another's cryptography.
    pub(super) fn with_provider(
        now: Instant,
        certificates: Arc<Certificates>,
        key: &[u8; 32],
        provider: Arc<dyn RTCCryptoProvider>,
    ) -> Self {
        Self {
            certificates,
            config: None,
            provider: Arc::new(Cookied::new(provider)),
            cookies: Cookies::new(now, key),
            clients: SeededMap::default(),
            shaking: SeededSet::default(),
            shares: Shares::new(MAX_PER_ADDRESS),
            handshakes: Shares::new(MAX_HANDSHAKES_PER_ADDRESS),
            rate: Sources::new(Rate::new(HANDSHAKES.0, HANDSHAKES.1)),
            all: Bucket::new(now),
            turn: Turn::default(),
            next: None,
            out: Outbox::default(),
        }
    }

    /// How many associations there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Others had their turn: as much may be done for handshakes as in each.
    pub fn begin_turn(&mut self) {
        self.turn = Turn::default();
    }

    /// Takes a datagram. A panic costs the client whose it is.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        path: &FourTuple,
        datagram: &[u8],
        received: &mut Received,
    ) {
        if survive(|| self.take(now, path, datagram, received)).is_none() {
            self.provider.set(None);
            // Not even a goodbye can be expected of it.
            let client = self.remove(path, received);
            survive(|| drop(client));
        }
    }

    fn take(&mut self, now: Instant, path: &FourTuple, datagram: &[u8], received: &mut Received) {
        match ClientHello::read(datagram) {
            Some(hello) if !self.is_known(path, &hello) => {
                self.greet(now, path, &hello, datagram, received);
            }
            Some(_) | None => self.read(now, path, datagram, received),
        }
    }

    /// Whether an association has begun with this one.
    fn is_known(&self, path: &FourTuple, hello: &ClientHello<'_>) -> bool {
        let client = self.clients.get(path);
        hello.cookie().is_some() && client.is_some_and(|client| client.random == hello.random)
    }

    /// Answers with a cookie, or, where that has come back, begins.
    fn greet(
        &mut self,
        now: Instant,
        path: &FourTuple,
        hello: &ClientHello<'_>,
        datagram: &[u8],
        received: &mut Received,
    ) {
        let Some(cookie) = self.cookies.check(now, path, hello) else {
            let cookie = self.cookies.make(now, path, hello);
            let answer = hello_verify_request(hello, cookie);
            return self.out.push(path, BytesMut::from(&answer[..]));
        };
        if !hello.is_second() || !self.admit(now, path.remote.ip()) {
            return;
        }
        // Whoever was there is there no more: a cookie shows who receives what is sent there now (RFC 6347 §4.2.8).
        self.remove(path, received);
        if self.begin(now, path, hello, cookie, received) {
            self.read(now, path, datagram, received);
        }
    }

    /// Whether one more handshake may begin.
    fn admit(&mut self, now: Instant, address: IpAddr) -> bool {
        let all = Rate::new(ALL_HANDSHAKES.0, ALL_HANDSHAKES.1);
        let admitted = self.turn.begun < MAX_BEGUN
            && self.turn.steps < MAX_STEPS
            && self.rate.admit(now, address)
            && self.all.take(all, 1, now);
        self.turn.begun += usize::from(admitted);
        admitted
    }

    /// Makes an association that knows of the cookie. Returns whether there is one now.
    fn begin(
        &mut self,
        now: Instant,
        path: &FourTuple,
        hello: &ClientHello<'_>,
        cookie: [u8; COOKIE],
        received: &mut Received,
    ) -> bool {
        let Some((share, shaking)) = self.place_for(now, path.remote.ip(), received) else {
            return false;
        };
        let Some(config) = self.config() else {
            return false;
        };
        let mut association = Association::new(End::Server(config), self.provider.clone());
        self.provider.set(Some(cookie));
        let first = association.read(now, &hello.without_cookie());
        self.provider.set(None);
        // The library asks for the cookie, unless it cannot agree; the client has answered that already.
        if first.is_err() || association.poll_transmit().is_none() {
            self.send_off(now, path, association, hello.number.saturating_sub(1));
            return false;
        }
        let client = Client {
            association,
            random: hello.random,
            // The library asked for the cookie with the first.
            higher: hello.number.saturating_sub(1),
            until: now + HANDSHAKE_TIME,
            shaking: Some(shaking),
            _share: share,
        };
        self.clients.insert(*path, client);
        self.shaking.insert(*path);
        true
    }

    fn place_for(
        &mut self,
        now: Instant,
        address: IpAddr,
        received: &mut Received,
    ) -> Option<(Share, Share)> {
        let shares = self
            .shares
            .take(address)
            .zip(self.handshakes.take(address))?;
        if self.shaking.len() >= MAX_HANDSHAKES {
            self.end_the_oldest(now, received);
        }
        (self.clients.len() < MAX_ASSOCIATIONS).then_some(shares)
    }

    /// Makes room for a handshake: whoever could have gone on has done so.
    fn end_the_oldest(&mut self, now: Instant, received: &mut Received) {
        let until = |path: &&FourTuple| self.clients.get(path).map(|client| client.until);
        if let Some(oldest) = self.shaking.iter().min_by_key(until).copied() {
            self.end(now, &oldest, received);
        }
    }

    /// What is agreed on with the certificate that newcomers are shown.
    fn config(&mut self) -> Option<Arc<HandshakeConfig>> {
        let shown = self.certificates.shown();
        let known = self.config.take();
        let (_, config) = self.config.insert(match known {
            Some((key, config)) if Arc::ptr_eq(&key, &shown) => (key, config),
            Some(_) | None => {
                let config = certified::config(shown.clone(), self.provider.clone());
                if let Err(error) = &config {
                    tracing::warn!(%error, "there is no TURN over DTLS with this certificate");
                }
                (shown, config.ok())
            }
        });
        config.clone()
    }

    /// Takes records of an association.
    fn read(&mut self, now: Instant, path: &FourTuple, datagram: &[u8], received: &mut Received) {
        let Some(client) = self.clients.get_mut(path) else {
            return;
        };
        let is_shaking = client.shaking.is_some();
        if is_shaking && self.turn.steps >= MAX_STEPS {
            return;
        }
        let before = client.association.progress();
        let read = client.association.read(now, datagram);
        let has_moved = client.association.progress() > before;
        self.turn.steps += usize::from(is_shaking && has_moved);
        let mut is_over = read.is_err();
        for event in read.unwrap_or_default() {
            if let EndpointEvent::ApplicationData(data) = event {
                received.datagrams.push((*path, data.to_vec()));
            } else if let EndpointEvent::PeerClosed = event {
                is_over = true;
            }
        }
        if client.association.is_done() && client.shaking.take().is_some() {
            client.until = now + SILENCE;
            self.shaking.remove(path);
        }
        let due = client.association.poll_timeout();
        self.next = self.next.into_iter().chain(due).min();
        match is_over {
            true => self.end(now, path, received),
            false => drain(path, &mut client.association, client.higher, &mut self.out),
        }
    }

    /// Seals data for a client.
    pub fn send(&mut self, now: Instant, transmit: &Transmit) {
        let path = &transmit.path;
        if let Some(client) = self.clients.get_mut(path) {
            let sealed = survive(|| {
                for datagram in transmit.datagrams() {
                    client.association.write(now, datagram);
                }
                drain(path, &mut client.association, client.higher, &mut self.out);
            });
            if sealed.is_none() {
                // The next sweep ends it.
                client.until = now;
            }
        }
    }

    /// The next datagrams to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop()
    }

    /// Somebody has an allocation over an association: it may stay.
    pub fn introduce(&mut self, now: Instant, path: &FourTuple) {
        if let Some(client) = self.clients.get_mut(path) {
            client.until = now + SILENCE;
        }
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Repeats flights of handshakes.
    pub fn handle_timeout(&mut self, now: Instant, received: &mut Received) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        let (mut failed, mut next) = (Vec::new(), None);
        for path in &self.shaking {
            if let Some(client) = self.clients.get_mut(path) {
                let repeated = survive(|| {
                    let repeated = client.association.handle_timeout(now);
                    drain(path, &mut client.association, client.higher, &mut self.out);
                    repeated.is_ok()
                });
                if repeated != Some(true) {
                    failed.push(*path);
                }
                next = next
                    .into_iter()
                    .chain(client.association.poll_timeout())
                    .min();
            }
        }
        self.next = next;
        for path in failed {
            self.end(now, &path, received);
        }
    }

    /// Ends the associations that took too long or are silent.
    pub fn sweep(&mut self, now: Instant, received: &mut Received) {
        let late = self
            .clients
            .iter()
            .filter(|(_, client)| client.until <= now);
        let late: Vec<_> = late.map(|(path, _)| *path).collect();
        for path in late {
            self.end(now, &path, received);
        }
    }

    /// Ends every association, as nobody is served any more.
    pub fn end_all(&mut self, now: Instant, received: &mut Received) {
        self.provider.set(None);
        let all: Vec<_> = self.clients.keys().copied().collect();
        for path in all {
            self.end(now, &path, received);
        }
    }

    /// Ends an association, and says so.
    fn end(&mut self, now: Instant, path: &FourTuple, received: &mut Received) {
        if let Some(client) = self.remove(path, received) {
            self.send_off(now, path, client.association, client.higher);
        }
    }

    fn send_off(
        &mut self,
        now: Instant,
        path: &FourTuple,
        mut association: Association,
        higher: u64,
    ) {
        survive(|| {
            association.close(now);
            drain(path, &mut association, higher, &mut self.out);
            drop(association);
        });
    }

    fn remove(&mut self, path: &FourTuple, received: &mut Received) -> Option<Client> {
        let MapEntry::Occupied(client) = self.clients.entry(*path) else {
            return None;
        };
        self.shaking.remove(path);
        received.closed.push(*path);
        Some(client.remove())
    }
}

fn drain(path: &FourTuple, association: &mut Association, higher: u64, out: &mut Outbox) {
    while let Some(mut datagram) = association.poll_transmit() {
        if higher > 0 {
            renumber(&mut datagram, higher);
        }
        out.push(path, datagram);
    }
}

/// Does something for one client, whose fault a panic is.
fn survive<T>(act: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(act));
    if done.is_err() {
        tracing::error!("an association of DTLS panicked and ends");
    }
    done.ok()
}
