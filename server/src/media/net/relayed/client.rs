//! At which of several TURN servers there is an allocation: the first that gives one, and the next when that fails.
//! Each is asked from a socket of its own, which whoever runs this opens.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

use super::account::{Link, TurnServer};
use super::allocation::{Allocation, Granted, Refusal};
use super::permissions::{Admission, Permissions};
use crate::media::id::PeerId;
use crate::media::net::outbox::{MAX_WAITING, Outbox, Transmit};
use crate::media::net::path::{FourTuple, Transport};

/// Servers at most.
pub const MAX_SERVERS: usize = 8;

/// How long none is asked where all failed, at first and at last.
pub const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(64)];

/// An allocation that lasts for less failed no later than one that was refused.
pub const STEADY: Duration = Duration::from_secs(10);

/// How often it is looked at whose permissions nobody needs any more.
const SWEEP: Duration = Duration::from_secs(10);

/// What the log is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// There is an allocation.
    Allocated(TurnServer, Granted),
    /// There is none at this server, or none any more.
    Failed(TurnServer, Refusal),
    /// This server does not let some of the peers in.
    Refused(TurnServer, Refusal),
}

/// A server that is asked, and where from.
struct Attempt {
    number: u64,
    server: TurnServer,
    allocation: Allocation,
    granted_at: Option<Instant>,
}

/// See the module.
pub struct RelayClient {
    servers: Vec<TurnServer>,
    /// Which is asked next.
    next: usize,
    attempt: Option<Attempt>,
    attempts: u64,
    /// Servers that failed one after the other.
    failures: usize,
    retry_at: Option<Instant>,
    sweep_at: Instant,
    permissions: Permissions,
    admission: Admission,
    random: StdRng,
    outbox: Outbox,
    news: Vec<News>,
}

impl RelayClient {
    /// One that knows no server.
    pub fn new(now: Instant, admission: Admission, seed: [u8; 32]) -> Self {
        Self {
            servers: Vec::new(),
            next: 0,
            attempt: None,
            attempts: 0,
            failures: 0,
            retry_at: None,
            sweep_at: now + SWEEP,
            permissions: Permissions::default(),
            admission,
            random: StdRng::from_seed(seed),
            outbox: Outbox::default(),
            news: Vec::new(),
        }
    }

    /// These are the servers from now on. An allocation that there is stays, wherever it is, until it fails.
    pub fn set_servers(&mut self, now: Instant, servers: Vec<TurnServer>) {
        if servers == self.servers {
            return;
        }
        let has_moved = names(&servers).eq(names(&self.servers));
        self.servers = servers;
        self.servers.truncate(MAX_SERVERS);
        // A name that means another address each time it is asked for begins nothing anew: what fails there fails by itself.
        if has_moved && (self.attempt.is_some() || self.retry_at.is_some()) {
            return;
        }
        self.next = 0;
        let stays = self.attempt.as_ref().is_some_and(|attempt| {
            attempt.allocation.granted().is_some() || self.servers.contains(&attempt.server)
        });
        if !stays {
            self.failures = 0;
            self.ask_next(now);
        }
    }

    /// Nothing that it holds can be trusted: it begins anew with the same servers, and no peers.
    pub fn start_over(&mut self, now: Instant) {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        let servers = std::mem::take(&mut self.servers);
        let attempts = self.attempts;
        *self = Self::new(now, self.admission.clone(), seed);
        // Its socket is another, too.
        self.attempts = attempts;
        self.set_servers(now, servers);
    }

    fn ask_next(&mut self, now: Instant) {
        self.attempt = None;
        self.retry_at = None;
        let Some(server) = self.servers.get(self.next % self.servers.len().max(1)) else {
            return;
        };
        self.next += 1;
        self.attempts += 1;
        // What was for the one before.
        self.outbox = Outbox::default();
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        self.attempt = Some(Attempt {
            number: self.attempts,
            server: server.clone(),
            allocation: Allocation::new(now, server, seed),
            granted_at: None,
        });
    }

    /// Which socket datagrams are to leave by: another for each number, and to where.
    pub fn socket(&self) -> Option<(u64, &TurnServer)> {
        let attempt = self.attempt.as_ref()?;
        Some((attempt.number, &attempt.server))
    }

    /// The socket of this number could not be had, or broke.
    pub fn lose_socket(&mut self, now: Instant, number: u64, refusal: Refusal) {
        // That of an attempt that is over is no loss.
        if self.socket().is_some_and(|(current, _)| current == number) {
            self.fail(now, refusal);
        }
    }

    /// The allocation there is.
    pub fn granted(&self) -> Option<Granted> {
        self.attempt.as_ref()?.allocation.granted()
    }

    /// A peer's client, whose WebSocket comes from there, says that it is at these addresses. Those that no server would be
    /// asked for take nobody's place.
    pub fn permit(&mut self, now: Instant, id: PeerId, client: IpAddr, named: &[IpAddr]) {
        let servers: Vec<_> = self.servers.iter().map(|it| it.address.ip()).collect();
        let is_of_use = |address: &&IpAddr| {
            let mut all = servers.iter();
            servers.is_empty() || all.any(|server| self.admission.admits(*server, **address))
        };
        let named: Vec<_> = named.iter().filter(is_of_use).copied().collect();
        // Through a tunnel all come from the same address, which is none of theirs.
        let own = Some(client).filter(|client| is_of_use(&client));
        self.permissions.add(now, id, own, &named);
        for address in named.into_iter().chain(own) {
            self.ask_for(now, address.to_canonical());
        }
    }

    /// Has it let in, where it is wanted and there is an allocation.
    fn ask_for(&mut self, now: Instant, address: IpAddr) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let server = attempt.server.address.ip();
        if self.permissions.has(address) && self.admission.admits(server, address) {
            attempt.allocation.permit(now, address);
        }
    }

    fn ask_for_all(&mut self, now: Instant) {
        let addresses: Vec<_> = self.permissions.addresses().collect();
        for address in addresses {
            self.ask_for(now, address);
        }
    }

    /// Takes a datagram. Returns what it holds for the peers here, and its path.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])> {
        let attempt = self.attempt.as_mut()?;
        if attempt.server.address != from {
            return None;
        }
        let unwrapped = attempt.allocation.handle_datagram(now, datagram);
        let Some((peer, data)) = unwrapped else {
            self.look(now);
            return None;
        };
        let path = FourTuple {
            transport: Transport::Allocated,
            local: attempt.allocation.granted()?.relayed,
            remote: peer,
        };
        Some((path, data))
    }

    /// Sends what a peer sends by an allocation. What was meant for one before goes nowhere. Returns whether there is room
    /// for as much again: if not, what waits is to be taken first.
    pub fn send(&mut self, now: Instant, transmit: &Transmit) -> bool {
        let Some(attempt) = &mut self.attempt else {
            return true;
        };
        let granted = attempt.allocation.granted();
        if granted.is_none_or(|granted| granted.relayed != transmit.path.local) {
            return true;
        }
        let server = to(&attempt.server);
        for datagram in transmit.datagrams() {
            let (what, out) = ((datagram, transmit.expires), (&mut self.outbox, &server));
            (attempt.allocation).wrap(now, transmit.path.remote, what, out);
        }
        self.outbox.waiting() <= MAX_WAITING / 2
    }

    /// The next datagrams for the server. What is asked goes first.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let attempt = self.attempt.as_mut();
        let request = attempt.and_then(|attempt| {
            let request = attempt.allocation.poll_transmit()?;
            Some(Transmit::one(to(&attempt.server), BytesMut::from(request)))
        });
        request.or_else(|| self.outbox.pop())
    }

    /// What is new.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref();
        let next = attempt.and_then(|attempt| attempt.allocation.poll_timeout());
        let sweep = (!self.permissions.is_empty()).then_some(self.sweep_at);
        [next, self.retry_at, sweep].into_iter().flatten().min()
    }

    /// Lets time pass. `is_there` says of which peers there still are.
    pub fn handle_timeout(&mut self, now: Instant, is_there: impl Fn(PeerId) -> bool) {
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP;
            self.permissions.sweep(now, is_there);
            // Places may be free for who had none.
            self.ask_for_all(now);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.ask_next(now);
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.allocation.handle_timeout(now, &self.permissions);
        }
        self.look(now);
    }

    /// Ends the allocation.
    pub fn close(&mut self, now: Instant) {
        self.servers.clear();
        if let Some(attempt) = &mut self.attempt {
            attempt.allocation.release(now);
        }
    }

    /// Draws what follows from what the server said.
    fn look(&mut self, now: Instant) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if let Some(refusal) = attempt.allocation.refusal() {
            return self.fail(now, refusal);
        }
        for refusal in attempt.allocation.take_refusals() {
            self.news
                .push(News::Refused(attempt.server.clone(), refusal));
        }
        let Some(granted) = attempt.allocation.granted() else {
            return;
        };
        if attempt.granted_at.is_none() {
            attempt.granted_at = Some(now);
            let server = attempt.server.clone();
            self.news.push(News::Allocated(server, granted));
            self.ask_for_all(now);
        }
    }

    fn fail(&mut self, now: Instant, refusal: Refusal) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        self.news.push(News::Failed(attempt.server, refusal));
        let has_lasted = attempt.granted_at.is_some_and(|at| now >= at + STEADY);
        if has_lasted {
            self.failures = 0;
        }
        self.failures += 1;
        let rounds = self.failures / self.servers.len().max(1);
        match self.failures.is_multiple_of(self.servers.len().max(1)) && !has_lasted {
            // The next one may be well.
            false => self.ask_next(now),
            true => {
                let pause = PAUSES[0] * (1 << rounds.saturating_sub(1).min(5));
                self.retry_at = Some(now + pause.min(PAUSES[1]));
            }
        }
    }
}

/// What servers are called, how they are reached, and with what, each once: other credentials are worth asking with.
fn names(servers: &[TurnServer]) -> impl Iterator<Item = (&str, &Link, &str, &str)> {
    let first = servers.iter().take(MAX_SERVERS).enumerate();
    let is_new = |(at, server): &(usize, &TurnServer)| {
        let before = servers[..*at].last();
        before.is_none_or(|before| (&before.name, &before.link) != (&server.name, &server.link))
    };
    let new = first.filter(is_new);
    new.map(|(_, server)| {
        let TurnServer {
            name,
            link,
            username,
            credential,
            ..
        } = server;
        (&name[..], link, &username[..], &credential[..])
    })
}

/// The way to a server. The system knows from where.
fn to(server: &TurnServer) -> FourTuple {
    let local: IpAddr = match server.address {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let transport = match server.link {
        Link::Udp => Transport::Udp,
        Link::Tcp | Link::Tls(_) => Transport::Tcp,
    };
    FourTuple {
        transport,
        local: SocketAddr::new(local, 0),
        remote: server.address,
    }
}
