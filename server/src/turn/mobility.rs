//! How the client of one allocation moves (RFC 8016): its tickets, and the paths that it is at and was said to be at.
//! And which shards have the allocations of paths that clients have moved to. It decides nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::ticket::Ticket;
use crate::media::net::path::FourTuple;

/// How long a ticket that was used is known to whoever used it: as long as a request is repeated that has no answer
/// (RFC 8489 §6.2.1), which is more than the 30 s of RFC 8016 §3.2.2.
pub const USED_TICKET: Duration = Duration::from_secs(40);

/// How an allocation's client moves.
pub(super) struct Mobility {
    ticket: Ticket,
    used: Option<Used>,
    /// Where its client was said to be before it has sent anything from there.
    arriving: Option<Place>,
    /// Of the path that its client is at.
    _presence: Option<Presence>,
}

/// The ticket before, and where it was used.
struct Used {
    ticket: Ticket,
    path: FourTuple,
    until: Instant,
}

struct Place {
    path: FourTuple,
    presence: Presence,
}

impl Mobility {
    /// With its first ticket.
    pub(super) fn new(ticket: Ticket) -> Self {
        Self {
            ticket,
            used: None,
            arriving: None,
            _presence: None,
        }
    }

    /// Its newest ticket.
    pub(super) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The path that its client was said to be at, and has sent nothing over.
    pub(super) fn arriving(&self) -> Option<&FourTuple> {
        self.arriving.as_ref().map(|place| &place.path)
    }

    /// Its client was said to be at a path, and needs another ticket for the next one. Returns the path that it was said
    /// to be at before, and has sent nothing over.
    pub(super) fn move_to(
        &mut self,
        now: Instant,
        ticket: Ticket,
        path: &FourTuple,
        presence: Option<Presence>,
    ) -> Option<FourTuple> {
        self.used = Some(Used {
            ticket: std::mem::replace(&mut self.ticket, ticket),
            path: *path,
            until: now + USED_TICKET,
        });
        let place = presence.map(|presence| Place {
            path: *path,
            presence,
        });
        let before = std::mem::replace(&mut self.arriving, place);
        before.map(|before| before.path)
    }

    /// Its client has sent something over the new path. Returns that.
    pub(super) fn arrive(&mut self) -> Option<FourTuple> {
        let place = self.arriving.take()?;
        self._presence = Some(place.presence);
        Some(place.path)
    }

    /// Whether it is the ticket that a client came to this path by, not long ago.
    pub(super) fn is_repeated(&self, now: Instant, ticket: &Ticket, path: &FourTuple) -> bool {
        let used = self.used.as_ref();
        used.is_some_and(|used| used.ticket == *ticket && used.path == *path && now < used.until)
    }
}

/// A datagram for the shard that has its sender's allocation.
pub(super) type HandedOver = (usize, FourTuple, BytesMut);

/// Paths that clients have moved to, and the shards that have their allocations: the kernel may give what comes over
/// them to others.
#[derive(Default)]
pub(super) struct Elsewhere {
    /// As mostly there is none, nobody waits for the others.
    count: AtomicUsize,
    shards: Mutex<HashMap<FourTuple, usize>>,
}

impl Elsewhere {
    /// Who is at a path has an allocation of this shard's.
    pub(super) fn enter(self: &Arc<Self>, path: &FourTuple, shard: usize) -> Presence {
        let mut shards = self.lock();
        shards.insert(*path, shard);
        self.count.store(shards.len(), Ordering::Relaxed);
        Presence {
            path: *path,
            shard,
            all: self.clone(),
        }
    }

    /// The shard that has the allocation of who is at a path.
    pub(super) fn shard_of(&self, path: &FourTuple) -> Option<usize> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.lock().get(path).copied()
    }

    /// Whether there is none.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FourTuple, usize>> {
        // Every change is one insertion or removal.
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path's place among them. Dropping it gives it back, unless another shard has it by now.
pub(super) struct Presence {
    path: FourTuple,
    shard: usize,
    all: Arc<Elsewhere>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut shards = self.all.lock();
        if shards.get(&self.path) == Some(&self.shard) {
            shards.remove(&self.path);
        }
        self.all.count.store(shards.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::path::Transport;

    #[test]
    fn whoever_goes_takes_only_its_own_place_with_it() {
        let path = FourTuple {
            transport: Transport::Udp,
            local: "192.0.2.1:3478".parse().unwrap(),
            remote: "198.51.100.7:4000".parse().unwrap(),
        };
        let elsewhere = Arc::new(Elsewhere::default());
        let first = elsewhere.enter(&path, 0);
        let second = elsewhere.enter(&path, 1);
        drop(first);
        assert_eq!(elsewhere.shard_of(&path), Some(1));
        drop(second);
        assert!(elsewhere.is_empty() && elsewhere.shard_of(&path).is_none());
    }
}
