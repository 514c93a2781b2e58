//! One relay's place at a port that relays share: the peers that it has to itself, those that may send to it, and the
//! other relay at the same port that it talks with. What it knows itself it asks nobody for: the table of all is locked
//! when something is new. Dropping it gives everything back.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::names::{self, MAX_NAMES, Named};
use super::sharing::{Sharing, Unclaimed};
use super::tenant::{Holder, Tenant};

/// Peers that one relay has to itself: those of its channels, and as many that it sends to without.
pub const MAX_CLAIMS: usize = 128;

/// How often a peer is claimed anew while something is sent to it.
const RENEWED: Duration = Duration::from_secs(60);

/// How long an answer of the table holds, also where it is a refusal: whoever is refused does not lock it for each packet.
const AGAIN: Duration = Duration::from_secs(1);

/// Peers, and names, that were refused and are remembered. Where there are more, none is asked for.
const MAX_REFUSED: usize = 64;

/// A peer that it has to itself.
struct Claimed {
    peer: SocketAddr,
    renewed: Instant,
    until: Instant,
}

/// The other relay that it talks with.
struct Neighbour {
    tenant: Tenant,
    /// What that believes this one's address to be.
    from: SocketAddr,
    /// What its own checks to it are called.
    name: Box<[u8]>,
    /// When the table said so.
    asked: Instant,
}

/// What was refused, and when.
struct Refused<T>(Vec<(T, Instant)>);

impl<T> Refused<T> {
    /// Whether it is not to be asked again.
    fn has(&mut self, now: Instant, is_it: impl Fn(&T) -> bool) -> bool {
        let is_known = self
            .0
            .iter()
            .any(|(known, at)| is_it(known) && now < *at + AGAIN);
        if !is_known && self.0.len() >= MAX_REFUSED {
            self.0.retain(|(_, at)| now < *at + AGAIN);
        }
        is_known || self.0.len() >= MAX_REFUSED
    }

    fn note(&mut self, now: Instant, refused: T) {
        self.0.push((refused, now));
    }
}

/// Where something for another relay at the port goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Onward {
    pub(super) tenant: Tenant,
    /// Where that believes it to come from.
    pub(super) from: SocketAddr,
}

/// A relay's place.
pub(super) struct Tenancy {
    sharing: Arc<Sharing>,
    tenant: Tenant,
    holder: Holder,
    at: IpAddr,
    claimed: Vec<Claimed>,
    permitted: Vec<(IpAddr, Instant)>,
    /// What its checks are called, and where at the port it sends them.
    names: VecDeque<(Box<[u8]>, Option<SocketAddr>)>,
    neighbour: Option<Neighbour>,
    refused_peers: Refused<SocketAddr>,
    refused_names: Refused<Box<[u8]>>,
    /// Nobody checks by the name that answers.
    unanswered: Refused<Box<[u8]>>,
}

impl Tenancy {
    /// For a tenant at an address of the port's, and who pays for it.
    pub(super) fn new(
        sharing: &Arc<Sharing>,
        (tenant, holder): (Tenant, Holder),
        at: IpAddr,
    ) -> Self {
        Self {
            sharing: sharing.clone(),
            tenant,
            holder,
            at,
            claimed: Vec::new(),
            permitted: Vec::new(),
            names: VecDeque::new(),
            neighbour: None,
            refused_peers: Refused(Vec::new()),
            refused_names: Refused(Vec::new()),
            unanswered: Refused(Vec::new()),
        }
    }

    /// Who it is.
    pub(super) fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// A peer is its own for so long at least, unless it is another's.
    pub(super) fn claim(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        time: Duration,
    ) -> Result<(), Unclaimed> {
        let known = self.claimed.iter().position(|known| known.peer == peer);
        if known.is_none() && self.claimed.len() >= MAX_CLAIMS {
            self.claimed.retain(|known| now < known.until);
        }
        if known.is_none() && self.claimed.len() >= MAX_CLAIMS {
            return Err(Unclaimed::Full);
        }
        let mut table = self.sharing.lock();
        table.claim(now, (self.tenant, &self.holder), (self.at, peer), time)?;
        drop(table);
        let until = now + time;
        match known.and_then(|at| self.claimed.get_mut(at)) {
            Some(known) => (known.renewed, known.until) = (now, known.until.max(until)),
            None => self.claimed.push(Claimed {
                peer,
                renewed: now,
                until,
            }),
        }
        Ok(())
    }

    /// Whether something may be sent to a peer, which is its own then, for so long at least.
    pub(super) fn sends_to(&mut self, now: Instant, peer: SocketAddr, time: Duration) -> bool {
        let known = self.claimed.iter().find(|known| known.peer == peer);
        let is_its = known.is_some_and(|known| now < known.renewed + RENEWED);
        if is_its {
            return true;
        }
        if self.refused_peers.has(now, |known| *known == peer) {
            return false;
        }
        let is_its = self.claim(now, peer, time).is_ok();
        if !is_its {
            self.refused_peers.note(now, peer);
        }
        is_its
    }

    /// An address may send to it, for so long. Returns whether there is room.
    pub(super) fn permit(&mut self, now: Instant, address: IpAddr, time: Duration) -> bool {
        let mut table = self.sharing.lock();
        let holder = (self.tenant, &self.holder);
        if !table.permit(now, holder, (self.at, address), time) {
            return false;
        }
        drop(table);
        let until = now + time;
        if let Some(known) = self.permitted.iter_mut().find(|it| it.0 == address) {
            known.1 = until;
            return true;
        }
        if self.permitted.len() >= MAX_CLAIMS {
            // Those of the table end by themselves.
            self.permitted.retain(|(_, until)| now < *until);
        }
        self.permitted.push((address, until));
        true
    }

    /// Has a check that it sends to a peer known by its name.
    pub(super) fn note_check(&mut self, now: Instant, datagram: &[u8]) {
        if let Some(name) = names::of_check(datagram) {
            self.enter(now, name, None);
        }
    }

    /// It sends a check of this name, and perhaps there at the port.
    fn enter(&mut self, now: Instant, name: &[u8], to: Option<SocketAddr>) {
        let tenant = self.tenant;
        if let Some(known) = self.names.iter_mut().find(|known| *known.0 == *name) {
            if to.is_some() && known.1 != to {
                known.1 = to;
                self.sharing.lock().names.enter(name, Named { tenant, to });
            }
            return;
        }
        if self.refused_names.has(now, |known| **known == *name) {
            return;
        }
        let mut table = self.sharing.lock();
        if !table.names.enter(name, Named { tenant, to }) {
            self.refused_names.note(now, name.into());
            return;
        }
        if self.names.len() >= MAX_NAMES
            && let Some((oldest, _)) = self.names.pop_front()
        {
            table.names.remove(&oldest, tenant);
        }
        self.names.push_back((name.into(), to));
    }

    /// Where something goes that it sends to another relay at the port: to the one whose checks answer its own.
    pub(super) fn onward(
        &mut self,
        now: Instant,
        to: SocketAddr,
        datagram: &[u8],
    ) -> Option<Onward> {
        if let Some(name) = names::of_check(datagram) {
            let known = self.neighbour.as_ref().filter(|known| *known.name == *name);
            let is_known = known.is_some();
            // The one that answered may have ended, or the one that had the name.
            if known.is_none_or(|known| now >= known.asked + AGAIN) {
                let found = self.find(now, to, name);
                // A check of others goes to nobody before they answer, and to none with whom it talked before.
                if found.is_none() && !is_known {
                    return None;
                }
                self.neighbour = found.or(self.neighbour.take());
                if let Some(known) = &mut self.neighbour {
                    known.asked = now;
                }
            }
        }
        self.neighbour.as_ref().map(|known| Onward {
            tenant: known.tenant,
            from: known.from,
        })
    }

    /// Who answers by a name by which it checks.
    fn find(&mut self, now: Instant, to: SocketAddr, name: &[u8]) -> Option<Neighbour> {
        self.enter(now, name, Some(to));
        if self.unanswered.has(now, |known| **known == *name) {
            return None;
        }
        let other = self.sharing.lock().names.answers(name);
        let other = other.filter(|other| other.tenant.id != self.tenant.id);
        let found = other.and_then(|other| {
            Some(Neighbour {
                tenant: other.tenant,
                from: other.to?,
                name: name.into(),
                asked: now,
            })
        });
        if found.is_none() {
            self.unanswered.note(now, name.into());
        }
        found
    }

    /// Whether it listens to another relay at the port: the one that it talks with, or that now begins to.
    pub(super) fn hears(&mut self, now: Instant, sender: u64, datagram: &[u8]) -> bool {
        let known = self.neighbour.as_ref();
        if known.is_some_and(|known| known.tenant.id == sender) {
            return true;
        }
        let begun = self.begin(now, sender, datagram);
        let hears = begun.is_some();
        self.neighbour = begun.or(self.neighbour.take());
        hears
    }

    /// What begins with a check whose name answers that of its own.
    fn begin(&self, now: Instant, sender: u64, datagram: &[u8]) -> Option<Neighbour> {
        let name = names::of_check(datagram)?;
        let table = self.sharing.lock();
        let (ours, theirs) = (table.names.answers(name)?, table.names.get(name)?);
        drop(table);
        let is_it = ours.tenant.id == self.tenant.id && theirs.tenant.id == sender;
        Some(Neighbour {
            tenant: theirs.tenant,
            from: theirs.to.filter(|_| is_it)?,
            name: names::turned(name)?.into(),
            asked: now,
        })
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        let mut table = self.sharing.lock();
        for claimed in &self.claimed {
            table.remove_claim(self.tenant, (self.at, claimed.peer));
        }
        for (address, _) in &self.permitted {
            table.remove_permit(self.tenant, (self.at, *address));
        }
        for (name, _) in &self.names {
            table.names.remove(name, self.tenant);
        }
    }
}
