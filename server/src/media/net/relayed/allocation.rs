//! An allocation at one TURN server (RFC 8656), from the first request to the last: datagrams and time come in, and
//! datagrams go out. Who may come in it is told; what is sent through it, it only wraps.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

use super::account::{Account, Link, TurnServer};
use super::channels::{Channels, Renewal, Way};
use super::permissions::{MAX_PERMISSIONS, Permissions};
use super::request::{Request, Wish};
use crate::media::net::outbox::Outbox;
use crate::media::net::path::FourTuple;
use crate::media::net::stun::attribute::{
    DATA, ERROR_CODE, LIFETIME, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS, read_address,
};
use crate::media::net::stun::{ATTRIBUTE_HEADER, HEADER, Message, Method, TransactionId, Writer};
use crate::media::seeded::SeededSet;

/// How often the server hears of us: NATs forget a mapping after 30 s (RFC 4787 §4.3 wants 2 minutes), and calls last
/// for 30 s over a path that fell silent. So a server that went away is noticed in time.
pub const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// After how long without a word from the server it is asked whether it is there, while something is sent to it.
pub const SILENCE: Duration = Duration::from_secs(3);

/// Permissions last for 5 minutes, and channels for 10 (RFC 8656 §9, §12).
const RENEW: Duration = Duration::from_secs(4 * 60);

/// After how long a permission or a channel is asked for again, where nobody answered.
pub const AGAIN: Duration = Duration::from_secs(5);

/// Requests under way at a time, besides the one that keeps the allocation. The others wait.
pub const MAX_REQUESTS: usize = 16;

/// Addresses that are let in, or to be. More than are wanted at a time: one stays a while when nobody wants it any more.
const MAX_PERMITTED: usize = 2 * MAX_PERMISSIONS;

/// Reasons that are told of one server.
const MAX_TOLD: usize = 8;

/// How often one request is signed anew, as nonces expire.
const MAX_CHALLENGES: u8 = 3;

/// A number, and how long what follows is (RFC 8656 §12.4).
const CHANNEL_HEADER: usize = 4;

/// What a server gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The relayed address.
    pub relayed: SocketAddr,
}

/// Why there is no allocation, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing came back.
    #[error("it does not answer")]
    Silent,
    /// RFC 8489 §9.2.5
    #[error("it refuses the credentials (401)")]
    Credentials,
    /// RFC 8656 §19
    #[error("it refuses with error {0}")]
    Error(u16),
    /// What came back makes no sense.
    #[error("it gives no address")]
    NoAddress,
    /// The connection could not be had, or ended.
    #[error("there is no connection to it")]
    Broken,
    /// No socket could be had.
    #[error("there is no socket to ask from")]
    NoSocket,
}

/// What lapses unless it is renewed.
#[derive(Clone, Copy)]
enum Lapsing {
    Permission(IpAddr),
    Channel(u16),
}

/// See the module.
pub struct Allocation {
    account: Account,
    ipv6: bool,
    /// It is reached by a connection.
    is_stream: bool,
    random: StdRng,
    requests: Vec<Request>,
    /// What there was no room for.
    wishes: VecDeque<Wish>,
    /// In the order in which they lapse.
    lapsing: VecDeque<(Instant, Lapsing)>,
    /// The addresses that are let in, or to be.
    permitted: SeededSet<IpAddr>,
    channels: Channels,
    granted: Option<Granted>,
    refusal: Option<Refusal>,
    /// When the server was last heard.
    heard: Instant,
    refresh_at: Option<Instant>,
    /// It did not say that the allocation stays, though it was heard.
    is_forgiven: bool,
    /// Why it does not let peers in: what nobody was told yet, and all of it.
    untold: Vec<Refusal>,
    told: Vec<Refusal>,
    outgoing: VecDeque<Bytes>,
}

impl Allocation {
    /// Asks a server for one. What the seed is nobody can guess: it is what tells answers from what others make up.
    pub fn new(now: Instant, server: &TurnServer, seed: [u8; 32]) -> Self {
        let ipv6 = server.address.is_ipv6();
        let mut this = Self {
            account: Account::new(server),
            ipv6,
            is_stream: server.link != Link::Udp,
            random: StdRng::from_seed(seed),
            requests: Vec::new(),
            wishes: VecDeque::new(),
            lapsing: VecDeque::new(),
            permitted: SeededSet::default(),
            channels: Channels::default(),
            granted: None,
            refusal: None,
            heard: now,
            refresh_at: None,
            is_forgiven: false,
            untold: Vec::new(),
            told: Vec::new(),
            outgoing: VecDeque::new(),
        };
        this.wish(now, Wish::Allocate { ipv6 });
        this
    }

    /// What the server gave.
    pub fn granted(&self) -> Option<Granted> {
        self.granted
    }

    /// Why nothing comes of it any more.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Why peers are not let in, as far as that is news.
    pub fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.untold)
    }

    /// Has the server let an address in. Before there is an allocation nothing is asked for.
    pub fn permit(&mut self, now: Instant, address: IpAddr) {
        let has_room = self.permitted.len() < MAX_PERMITTED;
        if self.granted.is_some() && has_room && self.permitted.insert(address) {
            self.wish(now, Wish::Permit(address));
        }
    }

    /// Ends it. The server need not answer.
    pub fn release(&mut self, now: Instant) {
        if self.granted.take().is_some() {
            self.requests.clear();
            self.wish(now, Wish::Release);
        }
    }

    fn wish(&mut self, now: Instant, wish: Wish) {
        // The allocation itself waits for no permission.
        if self.requests.len() >= MAX_REQUESTS && wish != Wish::Refresh {
            return self.wishes.push_back(wish);
        }
        let request = self.request(now, wish);
        self.requests.push(request);
        self.send_due(now);
    }

    fn request(&mut self, now: Instant, wish: Wish) -> Request {
        let transaction = self.transaction();
        Request::new(now, wish, transaction, &self.account, self.is_stream)
    }

    fn transaction(&mut self) -> TransactionId {
        let mut transaction = TransactionId::default();
        self.random.fill_bytes(&mut transaction.0);
        transaction
    }

    /// Sends what is due, and gives up what was sent often enough.
    fn send_due(&mut self, now: Instant) {
        let mut silent = Vec::new();
        for request in self.requests.iter_mut().filter(|it| it.next() <= now) {
            match request.send(now) {
                Some(bytes) => self.outgoing.push_back(bytes),
                None => silent.push((request.transaction, request.wish)),
            }
        }
        for (transaction, wish) in silent {
            self.requests.retain(|it| it.transaction != transaction);
            self.give_up(now, wish);
        }
    }

    fn give_up(&mut self, now: Instant, wish: Wish) {
        match wish {
            Wish::Allocate { .. } => self.refusal = Some(Refusal::Silent),
            // What it relays seems to show that it is there; but others could send that.
            Wish::Refresh if now < self.heard + KEEP_ALIVE && !self.is_forgiven => {
                self.is_forgiven = true;
                self.refresh_at = Some(now);
            }
            Wish::Refresh => self.refusal = Some(Refusal::Silent),
            Wish::Release => {}
            Wish::Permit(address) => self.lapse_at(now + AGAIN, Lapsing::Permission(address)),
            Wish::Bind(number, _) => self.lapse_at(now + AGAIN, Lapsing::Channel(number)),
        }
    }

    fn lapse(&mut self, now: Instant, what: Lapsing) {
        self.lapse_at(now + RENEW, what);
    }

    fn lapse_at(&mut self, at: Instant, what: Lapsing) {
        let place = self.lapsing.partition_point(|(other, _)| *other <= at);
        self.lapsing.insert(place, (at, what));
    }

    /// Takes a datagram of the server's. Returns what it holds that a peer sent, and which peer.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        datagram: &'a [u8],
    ) -> Option<(SocketAddr, &'a [u8])> {
        if let [0x40..=0x4f, ..] = datagram {
            let (number, data) = channel_data(datagram)?;
            let peer = self.channels.peer(number)?;
            self.heard = now;
            return Some((peer, data));
        }
        let message = Message::read(datagram)?;
        if message.typ() != Method::Data.indication() {
            self.hear(now, &message);
            return None;
        }
        let peer = read_address(message.get(XOR_PEER_ADDRESS)?, message.transaction())?;
        self.granted?;
        self.heard = now;
        Some((peer, message.get(DATA)?))
    }

    /// Takes an answer. One to nothing that was asked is dropped, and so is a success that the server did not sign, and an
    /// error that would end the allocation: it is signed where the server could check who asks (RFC 8489 §9.2.4).
    fn hear(&mut self, now: Instant, message: &Message<'_>) {
        let transaction = message.transaction();
        let mut requests = self.requests.iter();
        let Some(at) = requests.position(|it| it.transaction == transaction) else {
            return;
        };
        let wish = self.requests[at].wish;
        let (method, is_signed) = (wish.method(), self.account.wrote(message));
        let is_error = message.typ() == method.error();
        if !is_error && message.typ() != method.success() {
            return;
        }
        match error_code(message).filter(|_| is_error) {
            Some(code @ (401 | 438)) => self.sign_anew(now, at, code, message),
            Some(_) if wish == Wish::Refresh && !is_signed => return,
            Some(code) => {
                let wish = self.requests.swap_remove(at).wish;
                self.refused(now, wish, Refusal::Error(code));
            }
            None if is_signed && !is_error => {
                let wish = self.requests.swap_remove(at).wish;
                self.heard = now;
                self.succeeded(now, wish, message);
            }
            None => return,
        }
        self.ask_waiting(now);
    }

    /// Asks again with another nonce, where there is another (RFC 8489 §9.2.5).
    fn sign_anew(&mut self, now: Instant, at: usize, code: u16, message: &Message<'_>) {
        let is_other = self.account.challenge(message);
        let Request {
            wish, challenges, ..
        } = self.requests.swap_remove(at);
        // Another request may have learnt of the nonce before.
        if challenges == MAX_CHALLENGES || code == 401 && !is_other {
            return self.refused(now, wish, Refusal::Credentials);
        }
        let mut request = self.request(now, wish);
        request.challenges = challenges + 1;
        self.requests.push(request);
    }

    fn refused(&mut self, now: Instant, wish: Wish, refusal: Refusal) {
        match wish {
            Wish::Allocate { .. } | Wish::Refresh => self.refusal = Some(refusal),
            Wish::Release => {}
            // A peer that the server does not let in, or no channel more than it has.
            Wish::Permit(address) => {
                self.note_refusal(refusal);
                self.lapse(now, Lapsing::Permission(address));
            }
            Wish::Bind(number, _) => {
                self.channels.note(number, false);
                self.lapse(now, Lapsing::Channel(number));
            }
        }
    }

    fn note_refusal(&mut self, refusal: Refusal) {
        if self.told.len() < MAX_TOLD && !self.told.contains(&refusal) {
            self.told.push(refusal);
            self.untold.push(refusal);
        }
    }

    fn succeeded(&mut self, now: Instant, wish: Wish, message: &Message<'_>) {
        match wish {
            Wish::Allocate { .. } => {
                self.granted = self.read_grant(message);
                match self.granted {
                    Some(_) => self.keep_alive(now, message),
                    None => self.refusal = Some(Refusal::NoAddress),
                }
            }
            Wish::Refresh => self.keep_alive(now, message),
            Wish::Release => {}
            Wish::Permit(address) => self.lapse(now, Lapsing::Permission(address)),
            Wish::Bind(number, _) => {
                self.channels.note(number, true);
                self.lapse(now, Lapsing::Channel(number));
            }
        }
    }

    fn read_grant(&self, message: &Message<'_>) -> Option<Granted> {
        let read = |typ| read_address(message.get(typ)?, message.transaction());
        let relayed = read(XOR_RELAYED_ADDRESS)?;
        let is_one = relayed.is_ipv6() == self.ipv6
            && relayed.port() != 0
            && !relayed.ip().is_unspecified()
            && !relayed.ip().is_multicast();
        is_one.then_some(Granted { relayed })
    }

    fn keep_alive(&mut self, now: Instant, message: &Message<'_>) {
        self.is_forgiven = false;
        let lifetime = message.get(LIFETIME).and_then(|it| it.try_into().ok());
        let half = lifetime.map(|it| Duration::from_secs(u64::from(u32::from_be_bytes(it)) / 2));
        let pause = half.map_or(KEEP_ALIVE, |half| half.min(KEEP_ALIVE));
        self.refresh_at = Some(now + pause.max(Duration::from_secs(1)));
    }

    /// Asks for what waited.
    fn ask_waiting(&mut self, now: Instant) {
        while self.requests.len() < MAX_REQUESTS
            && let Some(wish) = self.wishes.pop_front()
        {
            self.wish(now, wish);
        }
        self.send_due(now);
    }

    /// Sends a datagram to a peer, of no use after `expires`.
    pub fn wrap(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        (datagram, expires): (&[u8], Option<Instant>),
        out: (&mut Outbox, &FourTuple),
    ) {
        if self.granted.is_none() || peer.is_ipv6() != self.ipv6 {
            return;
        }
        self.doubt(now);
        match self.channels.way(now, peer) {
            Way::Channel(number) => self.write_channel_data(number, (datagram, expires), out),
            Way::Indication => self.indicate(peer, (datagram, expires), out),
            Way::Asking(number) => {
                self.indicate(peer, (datagram, expires), out);
                self.wish(now, Wish::Bind(number, peer));
            }
        }
    }

    /// Asks whether the server is there, where something is sent to it and nothing comes.
    fn doubt(&mut self, now: Instant) {
        if now >= self.heard + SILENCE && self.refresh_at.is_some_and(|at| at > now) {
            self.refresh_at = Some(now);
        }
    }

    /// On a stream it is padded (RFC 8656 §12.5).
    fn write_channel_data(
        &self,
        number: u16,
        (datagram, expires): (&[u8], Option<Instant>),
        (outbox, server): (&mut Outbox, &FourTuple),
    ) {
        let len = CHANNEL_HEADER + datagram.len();
        let padded = match self.is_stream {
            true => len.next_multiple_of(4),
            false => len,
        };
        let written: Result<(), ()> =
            outbox.write(server, padded, expires, |out: &mut BytesMut| {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
                out.extend_from_slice(datagram);
                out.extend_from_slice(&[0; 3][..padded - len]);
                Ok(())
            });
        debug_assert!(written.is_ok());
    }

    fn indicate(
        &mut self,
        peer: SocketAddr,
        (datagram, expires): (&[u8], Option<Instant>),
        (outbox, server): (&mut Outbox, &FourTuple),
    ) {
        let address = if self.ipv6 { 20 } else { 8 };
        let padded = datagram.len().next_multiple_of(4);
        let len = HEADER + ATTRIBUTE_HEADER + address + ATTRIBUTE_HEADER + padded;
        let transaction = self.transaction();
        let written: Result<(), ()> = outbox.write(server, len, expires, |out| {
            let mut writer = Writer::new(out, Method::Send.indication(), transaction);
            writer.add_address(XOR_PEER_ADDRESS, peer);
            writer.add(DATA, datagram);
            writer.finish();
            Ok(())
        });
        debug_assert!(written.is_ok());
    }

    /// The next request to be sent.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.requests.iter().map(Request::next);
        let lapsing = self.lapsing.front().map(|(at, _)| *at);
        requests.chain(lapsing).chain(self.refresh_at).min()
    }

    /// Lets time pass. Of the permissions those that are wanted still are renewed.
    pub fn handle_timeout(&mut self, now: Instant, wanted: &Permissions) {
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.wish(now, Wish::Refresh);
        }
        while let Some((_, what)) = self.lapsing.pop_front_if(|(at, _)| *at <= now) {
            self.renew(now, what, wanted);
        }
        self.send_due(now);
        self.ask_waiting(now);
    }

    fn renew(&mut self, now: Instant, what: Lapsing, wanted: &Permissions) {
        match what {
            Lapsing::Permission(address) if wanted.has(address) => {
                self.wish(now, Wish::Permit(address));
            }
            Lapsing::Permission(address) => _ = self.permitted.remove(&address),
            Lapsing::Channel(number) => match self.channels.renew(now, number) {
                Renewal::Ask(peer) => self.wish(now, Wish::Bind(number, peer)),
                Renewal::Later => self.lapse(now, what),
                Renewal::Over => {}
            },
        }
    }
}

/// The number and what follows (RFC 8656 §12.4). Padding may be behind it.
fn channel_data(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let (header, rest) = datagram.split_first_chunk::<CHANNEL_HEADER>()?;
    let [number, len] = [[header[0], header[1]], [header[2], header[3]]].map(u16::from_be_bytes);
    Some((number, rest.get(..usize::from(len))?))
}

/// RFC 8489 §14.8
fn error_code(message: &Message<'_>) -> Option<u16> {
    match message.get(ERROR_CODE)? {
        [_, _, class, number, ..] => Some(u16::from(*class & 7) * 100 + u16::from(*number)),
        _ => None,
    }
}
