//! The connections between a relay and its peers (RFC 6062): which there are, which of them wait for a connection of
//! the client's, and what they carried. And those of all relays, by their numbers. It decides nothing but whether there
//! is room, and knows no socket.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::account::Account;
use super::asked::Waiting;
use super::bandwidth::{Allowance, Direction};
use super::credentials::Key;
use super::quota::Quota;
use crate::rate::{Bucket, Rate};

/// How long a peer has to accept a connection: no less than 30 s (RFC 6062 §5.2).
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection with a peer waits for one of the client's (RFC 6062 §5.2, §5.3).
pub const UNBOUND: Duration = Duration::from_secs(30);

/// Connections of one relay at a time.
pub const MAX_PER_RELAY: usize = 64;

/// Those of one user name; its addresses have as many of these as of relays.
pub const MAX_PER_USER: usize = 256;

/// Those of a stored one: a page may give the same to all its visitors.
pub const MAX_PER_STORED: usize = 1024;

/// Those of one source (an IPv4 address, or an IPv6 /64), whatever its names.
pub const MAX_PER_SOURCE: usize = 256;

/// Those of everybody.
pub const MAX_CONNECTIONS: usize = 2048;

/// Connections that the relays of one source try to open, and those of one user: so many a second, and so many at once.
pub const ATTEMPTS: (u32, u32) = (20, 100);

/// Those of a stored one: a page may give the same to all its visitors.
pub const ATTEMPTS_OF_STORED: (u32, u32) = (80, 400);

/// Connections of peers that one relay has at a time: they leave room for those that its client asks for.
pub const MAX_ARRIVED: usize = MAX_PER_RELAY / 2;

/// Connections of peers that one relay takes: so many a second, and so many at once.
pub const ARRIVALS: (u32, u32) = (20, 64);

/// What a client calls one (RFC 6062 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u32);

/// How far a connection is, and what it carried: for the relay that it is of, and for whoever carries it.
#[derive(Debug, Default)]
pub struct Link {
    stage: AtomicU8,
    carried: AtomicU64,
    /// What its account may relay.
    allowance: Option<Arc<Allowance>>,
}

/// The peer has not accepted yet.
const CONNECTING: u8 = 0;
/// It waits for one of the client's.
const UNJOINED: u8 = 1;
const JOINED: u8 = 2;
const OVER: u8 = 3;

impl Link {
    pub(super) fn new(stage: u8, allowance: Option<Arc<Allowance>>) -> Arc<Self> {
        Arc::new(Self {
            stage: AtomicU8::new(stage),
            carried: AtomicU64::new(0),
            allowance,
        })
    }

    /// Advances to a stage from the one before. Whoever comes second does not.
    fn advance(&self, before: u8, after: u8) -> bool {
        let order = Ordering::AcqRel;
        (self
            .stage
            .compare_exchange(before, after, order, Ordering::Acquire))
        .is_ok()
    }

    /// Joins it with one of the client's. Of several, one succeeds.
    pub(super) fn join(self: &Arc<Self>) -> Option<JoinedLink> {
        self.advance(UNJOINED, JOINED)
            .then(|| JoinedLink(self.clone()))
    }

    /// Neither carries anything any more.
    pub fn end(&self) {
        self.stage.store(OVER, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.stage.load(Ordering::Acquire) == OVER
    }

    /// Counts what is carried.
    pub fn count(&self, now: Instant, direction: Direction, bytes: usize) {
        self.carried.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(allowance) = &self.allowance {
            allowance.spend(now, direction, bytes);
        }
    }

    /// Until when nothing is to be read, as its account has relayed as much as it may.
    pub fn pause(&self, now: Instant, direction: Direction) -> Option<Instant> {
        self.allowance.as_ref()?.pause(now, direction)
    }

    pub(super) fn take_carried(&self) -> u64 {
        self.carried.swap(0, Ordering::Relaxed)
    }
}

/// The link of a connection that is joined, or is to be. However it is let go, the connection is over.
#[derive(Debug)]
pub struct JoinedLink(Arc<Link>);

impl std::ops::Deref for JoinedLink {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.0
    }
}

impl Drop for JoinedLink {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Whose a connection is.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) username: Box<str>,
    pub(super) key: Key,
    pub(super) account: Arc<Account>,
}

/// Those of all relays, on all shards together: the client's connection may land on another one.
#[derive(Default)]
pub struct AllConnections(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_id: HashMap<ConnectionId, (Holder, Arc<Link>)>,
    /// Where relays are that peers connect to: as others see them, and as this machine has them.
    relays: HashSet<SocketAddr>,
}

impl AllConnections {
    /// Whose one is, and how far.
    pub(super) fn find(&self, id: ConnectionId) -> Option<(Holder, Arc<Link>)> {
        self.lock().by_id.get(&id).cloned()
    }

    /// Whether there is one of this number.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.lock().by_id.contains_key(&id)
    }

    /// Whether a relay is there that peers connect to.
    pub(super) fn has_relay(&self, at: SocketAddr) -> bool {
        self.lock().relays.contains(&at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of this number, if there is none and there is room.
    fn enter(
        self: &Arc<Self>,
        id: ConnectionId,
        holder: Holder,
        link: &Arc<Link>,
    ) -> Option<Entry> {
        let mut table = self.lock();
        if table.by_id.len() >= MAX_CONNECTIONS || table.by_id.contains_key(&id) {
            return None;
        }
        table.by_id.insert(id, (holder, link.clone()));
        Some(Entry {
            id,
            all: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is one insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among all. Dropping it gives it back.
struct Entry {
    id: ConnectionId,
    all: Arc<AllConnections>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().by_id.remove(&self.id);
    }
}

/// What a new connection begins with.
pub(super) enum Beginning {
    /// A request of the client's, which is answered when the peer has accepted, or has not.
    Asked(Waiting),
    /// The peer's own.
    Accepted,
}

struct Connection {
    entry: Entry,
    peer: SocketAddr,
    link: Arc<Link>,
    /// The peer asked for it.
    has_arrived: bool,
    /// What waits for the peer.
    asked: Option<Waiting>,
    /// So long the peer has, or then the client.
    until: Instant,
    _quota: Quota,
}

/// A connection that is no more.
pub(super) struct Ended {
    pub(super) id: ConnectionId,
    /// The request that it was for, if that has no answer yet.
    pub(super) asked: Option<Waiting>,
}

/// Those of one relay.
pub struct Connections {
    all: Arc<AllConnections>,
    /// Where the relay is.
    at: [SocketAddr; 2],
    known: Vec<Connection>,
    arrivals: Bucket,
    /// What those carried that are no more.
    carried: u64,
}

/// However a relay ends, nobody is told of it any more.
impl Drop for Connections {
    fn drop(&mut self) {
        self.known.iter().for_each(|known| known.link.end());
        let mut table = self.all.lock();
        for at in &self.at {
            table.relays.remove(at);
        }
    }
}

impl Connections {
    /// None yet, of the relay that is there: as others see it, and as this machine has it.
    pub(super) fn new(now: Instant, all: &Arc<AllConnections>, at: [SocketAddr; 2]) -> Self {
        all.lock().relays.extend(at);
        Self {
            all: all.clone(),
            at,
            known: Vec::new(),
            arrivals: Bucket::new(now),
            carried: 0,
        }
    }

    /// Whether there is one with a peer, or there will be.
    pub(super) fn has(&self, peer: SocketAddr) -> bool {
        let is_it = |known: &Connection| known.peer == peer && !known.link.is_over();
        self.known.iter().any(is_it)
    }

    /// Whether another one of a peer's may arrive.
    pub(super) fn may_arrive(&mut self, now: Instant) -> bool {
        const RATE: Rate = Rate::new(ARRIVALS.0, ARRIVALS.1);
        let arrived = self.known.iter().filter(|known| known.has_arrived);
        arrived.count() < MAX_ARRIVED && self.arrivals.take(RATE, 1, now)
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= MAX_PER_RELAY
    }

    /// Another one of this number, if no other has that and there is room among all.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        (id, peer): (ConnectionId, SocketAddr),
        beginning: Beginning,
        holder: Holder,
        quota: Quota,
    ) -> bool {
        let (asked, stage, time) = match beginning {
            Beginning::Asked(asked) => (Some(asked), CONNECTING, PATIENCE),
            Beginning::Accepted => (None, UNJOINED, UNBOUND),
        };
        let link = Link::new(stage, holder.account.allowance.clone());
        let has_arrived = asked.is_none();
        let Some(entry) = self.all.enter(id, holder, &link) else {
            return false;
        };
        self.known.push(Connection {
            entry,
            peer,
            link,
            has_arrived,
            asked,
            until: now + time,
            _quota: quota,
        });
        true
    }

    /// The peer has accepted one. Returns the request that asked for it, if it still waits.
    pub(super) fn connected(&mut self, now: Instant, id: ConnectionId) -> Option<Waiting> {
        let mut known = self.known.iter_mut();
        let known = known.find(|known| known.entry.id == id)?;
        let asked = known.asked.take()?;
        known.until = now + UNBOUND;
        known.link.advance(CONNECTING, UNJOINED).then_some(asked)
    }

    /// One is no more. Returns the request that asked for it, if it still waits.
    pub(super) fn forget(&mut self, id: ConnectionId) -> Option<Waiting> {
        let at = self.known.iter().position(|known| known.entry.id == id)?;
        let known = self.known.swap_remove(at);
        self.carried += known.link.take_carried();
        known.asked
    }

    /// Forgets those that are over, or late.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Ended> {
        let is_late = |known: &Connection| {
            // Who joined it in this moment was in time.
            known.until <= now && (known.asked.is_some() || known.link.advance(UNJOINED, OVER))
        };
        let over = |known: &Connection| known.link.is_over() || is_late(known);
        let over: Vec<_> = (self.known.iter())
            .filter(|known| over(known))
            .map(|known| known.entry.id)
            .collect();
        let ended = |id| Ended {
            id,
            asked: self.forget(id),
        };
        over.into_iter().map(ended).collect()
    }

    /// The numbers of all.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.known.iter().map(|known| known.entry.id)
    }

    /// What they carried since.
    pub(super) fn take_carried(&mut self) -> u64 {
        let carried = self.known.iter().map(|known| known.link.take_carried());
        std::mem::take(&mut self.carried) + carried.sum::<u64>()
    }
}
