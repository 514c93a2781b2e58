//! Whose it is what comes to the one port that relays of datagrams share, where they do: told apart by the peer's
//! address. A relay claims the peers that it sends to, address and port, and has them to itself; what comes from
//! elsewhere is for the one relay that has given that address permission. Where several have, the names of ICE say
//! which is meant; where they do not, it is nobody's. Nobody is given what may be another's.
//!
//! One table for all shards: shards lock it when something changes, and who reads the port for each batch of
//! datagrams; never for a packet that a relay sends. It knows no socket.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::names::{self, Names};
use super::quota::{Quota, Quotas};
use super::tenant::{Holder, Tenant};

/// Peers that are claimed, and permissions that are known; of all relays at the port.
pub const MAX_ENTRIES: usize = 65_536;

/// Of either, those of one user's relays,
pub const MAX_PER_USER: usize = 4096;

/// those of a stored one's, which a page may give to all its visitors,
pub const MAX_PER_STORED: usize = 16_384;

/// and those of a source (an IPv4 address, or an IPv6 /64).
pub const MAX_PER_SOURCE: usize = 16_384;

/// What comes from a peer after a relay had it to itself is nobody else's for so long, unless somebody says so: it may
/// be meant for the one that had it.
pub const ECHO: Duration = Duration::from_secs(60);

/// How often what is over is looked for, if nobody needs the room sooner.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The port, and who has what there.
#[derive(Debug)]
pub struct Sharing {
    port: u16,
    next: AtomicU64,
    table: Mutex<Table>,
    unowned: AtomicU64,
    unsent: AtomicU64,
}

impl Sharing {
    /// Nobody is there yet.
    pub fn new(port: u16) -> Arc<Self> {
        Arc::new(Self {
            port,
            next: AtomicU64::new(1),
            table: Mutex::new(Table::new()),
            unowned: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Another tenant.
    pub(super) fn tenant(&self, shard: usize, number: u16) -> Tenant {
        Tenant {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            shard,
            number,
        }
    }

    /// Datagrams that came to the port since the start, and were nobody's, or might have been several's.
    pub fn unowned(&self) -> u64 {
        self.unowned.load(Ordering::Relaxed)
    }

    /// Datagrams that relays did not send, as another one has the peer, or none is known that is meant.
    pub fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }

    pub(super) fn count_unowned(&self) {
        self.unowned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unsent(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // What a change leaves half done is an entry that ends by itself.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a relay cannot have a peer to itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unclaimed {
    /// Another relay has it.
    Taken,
    /// There are as many as there may be.
    Full,
}

#[derive(Debug)]
struct Claim {
    tenant: Tenant,
    until: Instant,
    /// The tenant has gone.
    has_ended: bool,
    _quota: Quota,
}

impl Claim {
    /// Whether nobody else may have it.
    fn holds(&self, now: Instant) -> bool {
        !self.has_ended && now < self.until
    }

    /// Whether it no longer says anything.
    fn is_forgotten(&self, now: Instant) -> bool {
        let echo = if self.has_ended { Duration::ZERO } else { ECHO };
        now >= self.until + echo
    }
}

#[derive(Debug)]
struct Permit {
    tenant: Tenant,
    until: Instant,
    _quota: Quota,
}

/// A relay's own address, and a peer's.
type Pair<P> = (IpAddr, P);

/// Who has what. An address of the port's goes with each: at another one it is another port.
#[derive(Debug)]
pub(super) struct Table {
    claims: HashMap<Pair<SocketAddr>, Claim, RandomState>,
    permits: HashMap<Pair<IpAddr>, BTreeMap<u64, Permit>, RandomState>,
    /// How many there are of all addresses.
    permitted: usize,
    pub(super) names: Names,
    looked_through: Option<Instant>,
    /// What time it was when somebody last said so.
    time: Option<Instant>,
    /// How many claims everybody has, and permissions.
    claimers: Quotas,
    permitters: Quotas,
}

impl Table {
    fn new() -> Self {
        Self {
            claims: HashMap::default(),
            permits: HashMap::default(),
            permitted: 0,
            names: Names::default(),
            looked_through: None,
            time: None,
            claimers: Quotas::of_sources(MAX_PER_SOURCE),
            permitters: Quotas::of_sources(MAX_PER_SOURCE),
        }
    }

    /// Time passes. Each shard says so once a second, as long as it has relays.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.time = self.time.max(Some(now));
        let looked_through = *self.looked_through.get_or_insert(now);
        if now >= looked_through + FORGOTTEN {
            self.forget(now);
        }
    }

    /// A tenant has a peer to itself, for so long at least.
    pub(super) fn claim(
        &mut self,
        now: Instant,
        (tenant, holder): (Tenant, &Holder),
        pair: Pair<SocketAddr>,
        time: Duration,
    ) -> Result<(), Unclaimed> {
        self.time = self.time.max(Some(now));
        let until = now + time;
        if let Some(claim) = self.claims.get_mut(&pair) {
            if claim.tenant.id == tenant.id {
                claim.until = claim.until.max(until);
                return Ok(());
            }
            if claim.holds(now) {
                return Err(Unclaimed::Taken);
            }
            // Whoever pays for it has its place.
            self.claims.remove(&pair);
        }
        let place = |table: &Self| room(table.claims.len(), &table.claimers, holder);
        let mut quota = place(self);
        if quota.is_none() {
            self.forget(now);
            quota = place(self);
        }
        let claim = Claim {
            tenant,
            until,
            has_ended: false,
            _quota: quota.ok_or(Unclaimed::Full)?,
        };
        self.claims.insert(pair, claim);
        Ok(())
    }

    /// A peer's address may send to a tenant. Returns whether there is room.
    pub(super) fn permit(
        &mut self,
        now: Instant,
        (tenant, holder): (Tenant, &Holder),
        pair: Pair<IpAddr>,
        time: Duration,
    ) -> bool {
        let until = now + time;
        let holders = self.permits.get_mut(&pair);
        if let Some(known) = holders.and_then(|holders| holders.get_mut(&tenant.id)) {
            known.until = until;
            return true;
        }
        let place = |table: &Self| room(table.permitted, &table.permitters, holder);
        let mut quota = place(self);
        if quota.is_none() {
            self.forget(now);
            quota = place(self);
        }
        let Some(_quota) = quota else {
            return false;
        };
        self.permitted += 1;
        let permit = Permit {
            tenant,
            until,
            _quota,
        };
        let holders = self.permits.entry(pair).or_default();
        holders.insert(tenant.id, permit);
        true
    }

    /// Whose it is what comes from a peer.
    pub(super) fn find(
        &mut self,
        now: Instant,
        (at, peer): Pair<SocketAddr>,
        datagram: &[u8],
    ) -> Option<Tenant> {
        // A check says itself whom it means, also where another one has been quicker.
        let meant = self.meant(now, (at, peer.ip()), datagram);
        if meant.is_some() {
            return meant;
        }
        let claim = self.claims.get(&(at, peer));
        if let Some(claim) = claim.filter(|claim| !claim.is_forgotten(now)) {
            // What was under way when it was over is nobody else's.
            return (!claim.has_ended).then_some(claim.tenant);
        }
        let holders = self.permits.get_mut(&(at, peer.ip()))?;
        // Those that are over go when somebody looks, each once.
        while let Some(first) = holders.first_entry().filter(|it| it.get().until <= now) {
            first.remove();
            self.permitted -= 1;
        }
        while let Some(last) = holders.last_entry().filter(|it| it.get().until <= now) {
            last.remove();
            self.permitted -= 1;
        }
        let (Some(first), Some(last)) = (holders.first_key_value(), holders.last_key_value())
        else {
            self.permits.remove(&(at, peer.ip()));
            return None;
        };
        (first.0 == last.0).then_some(first.1.tenant)
    }

    /// Whom a check means, if that has let its address in.
    fn meant(&self, now: Instant, pair: Pair<IpAddr>, datagram: &[u8]) -> Option<Tenant> {
        let named = self.names.answers(names::of_check(datagram)?)?;
        let permit = self.permits.get(&pair)?.get(&named.tenant.id)?;
        (now < permit.until).then_some(permit.tenant)
    }

    /// A tenant goes. Anybody may have the peer, but nobody is given what was on its way.
    pub(super) fn remove_claim(&mut self, tenant: Tenant, pair: Pair<SocketAddr>) {
        let claim = self.claims.get_mut(&pair);
        if let (Some(claim), Some(time)) = (claim, self.time)
            && claim.tenant.id == tenant.id
        {
            claim.has_ended = true;
            claim.until = claim.until.min(time) + ECHO;
        }
    }

    /// The same of a permission.
    pub(super) fn remove_permit(&mut self, tenant: Tenant, pair: Pair<IpAddr>) {
        let Some(holders) = self.permits.get_mut(&pair) else {
            return;
        };
        if holders.remove(&tenant.id).is_some() {
            self.permitted -= 1;
        }
        if holders.is_empty() {
            self.permits.remove(&pair);
        }
    }

    /// Forgets what is over. Once a second at most: it is a long look.
    fn forget(&mut self, now: Instant) {
        let is_early = |at| now < at + Duration::from_secs(1);
        if self.looked_through.is_some_and(is_early) {
            return;
        }
        self.looked_through = Some(now);
        self.claims.retain(|_, claim| !claim.is_forgotten(now));
        self.permits.retain(|_, holders| {
            holders.retain(|_, permit| now < permit.until);
            !holders.is_empty()
        });
        self.permitted = self.permits.values().map(BTreeMap::len).sum();
    }

    /// How much there is.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.claims.len(), self.permitted, self.names.len())
    }
}

/// One more place of those there are, if everybody, and who is to have it, may have one more.
fn room(count: usize, quotas: &Quotas, holder: &Holder) -> Option<Quota> {
    (count < MAX_ENTRIES)
        .then(|| quotas.take(&holder.user, holder.most, holder.source))
        .flatten()
}
