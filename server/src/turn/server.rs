//! A shard's TURN server (RFC 8656), and its STUN server for whoever asks for nothing but its address
//! (RFC 8489): datagrams and time in, datagrams out. It knows no socket and no clock; what it needs of the
//! machine it asks a [`Host`] for.
//!
//! Requests are for `answer` and what it calls; packets, of which there are many more, for `relay`.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use foldhash::fast::RandomState;
use rustc_hash::FxHashMap;
use slab::Slab;

use super::access::Access;
use super::allocation::{Allocation, OwnPorts, RelayedTransport};
use super::attempts::Attempts;
use super::connections::{self, AllConnections, ConnectionId, JoinedLink};
use super::credentials::Credentials;
use super::live::LiveRelays;
use super::mobility::{Elsewhere, HandedOver};
use super::nonce::Nonces;
use super::places::Places;
use super::ports::{Lease, Ports};
use super::quota::{Quota, Quotas};
use super::refusal::Refusal;
use super::sharing::Sharing;
use super::ticket::Tickets;
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::FourTuple;
use crate::rate::{Rate, Sources};

/// How often it is looked for allocations that are over, and meters are told what the others carried.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Answers a second to a source (an IPv4 address, or an IPv6 /64) that has shown no credentials. An answer is longer
/// than the question, and the source may be forged: whoever is meant by that gets little.
pub const ANSWERS: u32 = 50;

/// And at once, after a quiet time: those of a whole company behind one address that comes back.
pub const ANSWERS_AT_ONCE: u32 = 400;

/// How long a port is kept for whoever has its token (RFC 8656 §7.2).
pub const RESERVED_FOR: Duration = Duration::from_secs(30);

/// What the server needs of the machine.
pub trait Host {
    /// Seconds since 1970.
    fn unix_time(&self) -> u64;

    /// Fills in what nobody can guess.
    fn random(&mut self, bytes: &mut [u8]);

    /// The addresses of a family that a client which reached us at `local` may be relayed from: as others see
    /// it, and as this machine has it.
    fn address(&self, local: IpAddr, ipv6: bool) -> Option<(IpAddr, IpAddr)>;

    /// Whether an address, with the media port, is this server.
    fn is_own(&self, address: IpAddr) -> bool;

    /// Whether what is sent to an address from here arrives at this machine, whoever listens there.
    fn is_here(&self, address: IpAddr) -> bool;

    /// Opens a relay's socket; one that peers connect to, where it carries streams.
    fn open(&mut self, bound: SocketAddr, transport: RelayedTransport) -> bool;

    /// Closes it.
    fn close(&mut self, bound: SocketAddr, transport: RelayedTransport);

    /// Begins to connect a relay with a peer. What comes of it [is said](Turn::handle_connected) later, unless nothing
    /// comes of it at once.
    fn connect(
        &mut self,
        id: ConnectionId,
        bound: SocketAddr,
        peer: SocketAddr,
    ) -> Result<(), Refusal>;

    /// Closes such a connection, or one that came from a peer, and the client's that it is joined with.
    fn end(&mut self, id: ConnectionId);
}

/// What the servers of all shards share.
pub struct Shared {
    /// Whom relays may reach.
    pub access: Access,
    /// Who may have one.
    pub credentials: Arc<Credentials>,
    /// How many.
    pub quotas: Quotas,
    /// Where.
    pub ports: Ports,
    /// Where those are that need no socket of their own, as they lead to this server alone, or share a port. However
    /// many there are, they take no port from the others.
    pub numbers: Ports,
    /// Those between relays and their peers.
    pub connections: Arc<AllConnections>,
    /// How many of them.
    pub connection_quotas: Quotas,
    /// How often they are tried to be opened.
    pub(super) attempts: Mutex<Attempts>,
    /// Whether there are relays of TCP.
    pub(super) has_streams: bool,
    /// What requests are challenged with.
    pub nonces: Nonces,
    /// This server's own ports.
    pub own: OwnPorts,
    /// The one that relays of datagrams share, if they do.
    pub(super) sharing: Option<Arc<Sharing>>,
    /// The relays there are now.
    pub live: Arc<LiveRelays>,
    /// Where clients find out about their NATs, if they can.
    pub(super) places: Option<Places>,
    /// What clients find their allocations by that have moved.
    pub tickets: Tickets,
    pub(super) elsewhere: Arc<Elsewhere>,
    reservations: Mutex<HashMap<[u8; 8], Reservation>>,
}

/// A port that is kept for whoever has its token.
pub(super) struct Reservation {
    pub(super) username: Box<str>,
    pub(super) relayed: IpAddr,
    pub(super) bound: IpAddr,
    pub(super) lease: Lease,
    pub(super) quota: Quota,
    pub(super) until: Instant,
}

impl Shared {
    /// With no allocation yet.
    pub fn new(
        access: Access,
        credentials: Arc<Credentials>,
        ports: Ports,
        nonces: Nonces,
        media_port: u16,
    ) -> Self {
        let own = OwnPorts {
            media: media_port,
            relays: ports.range(),
            shared: None,
        };
        let numbers = ports.beside();
        numbers.leave_out(media_port);
        Self {
            numbers,
            access,
            credentials,
            quotas: Quotas::default(),
            connections: Arc::default(),
            connection_quotas: Quotas::of_sources(connections::MAX_PER_SOURCE),
            attempts: Mutex::default(),
            has_streams: false,
            ports,
            tickets: Tickets::new(&nonces.derive(b"tickets")),
            nonces,
            own,
            sharing: None,
            live: Arc::default(),
            elsewhere: Arc::default(),
            places: None,
            reservations: Mutex::default(),
        }
    }

    /// At these places clients find out about their NATs.
    #[must_use]
    pub fn discovering(self, places: Option<Places>) -> Self {
        Self { places, ..self }
    }

    /// With relays of TCP, or without.
    #[must_use]
    pub fn carrying_streams(self, has_streams: bool) -> Self {
        Self {
            has_streams,
            ..self
        }
    }

    /// Relays of datagrams share a port. Each has a number of those that need no socket.
    #[must_use]
    pub fn sharing(mut self, port: Option<u16>) -> Self {
        // It is the address of all.
        if let Some(port) = port {
            self.numbers.leave_out(port);
        }
        self.own.shared = port;
        self.sharing = port.map(Sharing::new);
        self
    }

    /// Datagrams that came to the port that relays share and were nobody's, and those that were not sent from there.
    pub fn astray(&self) -> (u64, u64) {
        let sharing = self.sharing.as_ref();
        sharing.map_or((0, 0), |sharing| (sharing.unowned(), sharing.unsent()))
    }

    pub(super) fn reservations(&self) -> MutexGuard<'_, HashMap<[u8; 8], Reservation>> {
        // Every change is one insertion or removal.
        (self.reservations.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard's server.
pub struct Turn {
    pub(super) shared: Arc<Shared>,
    pub(super) shard: usize,
    pub(super) allocations: Slab<Allocation>,
    pub(super) by_client: HashMap<FourTuple, usize, RandomState>,
    pub(super) by_port: FxHashMap<u16, usize>,
    /// How often those are answered who have shown no credentials.
    pub(super) strangers: Sources,
    /// How often those are heard who would join a connection with a peer's.
    pub(super) joiners: Sources,
    /// Clients' connections that are joined with peers'.
    pub(super) joined: VecDeque<(FourTuple, ConnectionId, JoinedLink)>,
    /// To clients.
    pub(super) clients: Outbox,
    /// To peers, from relays.
    pub(super) peers: Outbox,
    /// Counts indications, for their transactions.
    pub(super) indications: u64,
    next_sweep: Instant,
    /// Clients' connections that are in use.
    introductions: Vec<FourTuple>,
    /// For other shards.
    pub(super) handed_over: VecDeque<HandedOver>,
}

impl Turn {
    /// A server for a shard.
    pub fn new(now: Instant, shared: Arc<Shared>, shard: usize) -> Self {
        Self {
            shared,
            shard,
            allocations: Slab::new(),
            by_client: HashMap::default(),
            by_port: FxHashMap::default(),
            strangers: Sources::new(Rate::new(ANSWERS, ANSWERS_AT_ONCE)),
            joiners: Sources::new(Rate::new(ANSWERS, ANSWERS_AT_ONCE)),
            joined: VecDeque::new(),
            clients: Outbox::default(),
            peers: Outbox::default(),
            indications: 0,
            next_sweep: now + SWEEP_INTERVAL,
            introductions: Vec::new(),
            handed_over: VecDeque::new(),
        }
    }

    /// How many allocations there are.
    pub fn len(&self) -> usize {
        self.allocations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    /// The next datagrams for a client.
    pub fn poll_client(&mut self) -> Option<Transmit> {
        self.clients.pop()
    }

    /// The next datagrams for a peer. They leave from a relay.
    pub fn poll_peer(&mut self) -> Option<Transmit> {
        self.peers.pop()
    }

    /// A connection that somebody has an allocation over.
    pub fn poll_introduction(&mut self) -> Option<FourTuple> {
        self.introductions.pop()
    }

    /// The next datagram of a client whose allocation another shard has: which, the path that it came over, and its
    /// bytes.
    pub fn poll_handed_over(&mut self) -> Option<(usize, FourTuple, BytesMut)> {
        self.handed_over.pop_front()
    }

    /// A client's connection is no more (RFC 8656 §3.2).
    pub fn handle_closed(&mut self, client: &FourTuple, host: &mut impl Host) {
        if let Some(key) = self.by_client.get(client) {
            self.remove(*key, host);
        }
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.allocations.is_empty()).then_some(self.next_sweep)
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant, host: &mut impl Host) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP_INTERVAL;
        if let Some(sharing) = &self.shared.sharing {
            sharing.lock().handle_timeout(now);
        }
        let over = |(key, allocation): (usize, &Allocation)| allocation.is_over(now).then_some(key);
        let over: Vec<_> = self.allocations.iter().filter_map(over).collect();
        over.into_iter().for_each(|key| self.remove(key, host));
        let all: Vec<_> = self.allocations.iter().map(|(key, _)| key).collect();
        for key in all {
            self.expire_connections(now, key, host);
            if let Some(allocation) = self.allocations.get_mut(key) {
                allocation.meter();
            }
        }
        self.shared
            .reservations()
            .retain(|_, reservation| now < reservation.until);
        let clients = self
            .allocations
            .iter()
            .map(|(_, allocation)| allocation.client);
        let connections = clients.filter(|client| client.transport.is_connected());
        self.introductions.clear();
        self.introductions.extend(connections);
    }

    /// Ends them all.
    pub fn close_all(self, host: &mut impl Host) {
        for (_, allocation) in self.allocations {
            close(allocation, host);
        }
    }

    pub(super) fn insert(&mut self, allocation: Allocation) {
        let (client, port) = (allocation.client, allocation.number());
        if client.transport.is_connected() {
            self.introductions.push(client);
        }
        let key = self.allocations.insert(allocation);
        self.by_client.insert(client, key);
        self.by_port.insert(port, key);
    }

    pub(super) fn remove(&mut self, key: usize, host: &mut impl Host) {
        let Some(allocation) = self.allocations.try_remove(key) else {
            return;
        };
        self.by_client.remove(&allocation.client);
        let arriving = allocation.mobility.as_ref();
        if let Some(path) = arriving.and_then(|mobility| mobility.arriving()) {
            self.by_client.remove(path);
        }
        self.by_port.remove(&allocation.number());
        close(allocation, host);
    }
}

/// Closes what an allocation has open.
fn close(allocation: Allocation, host: &mut impl Host) {
    let connections = allocation.connections.iter();
    connections
        .flat_map(|connections| connections.ids())
        .for_each(|id| host.end(id));
    if allocation.is_open {
        host.close(allocation.bound, allocation.transport());
    }
}
