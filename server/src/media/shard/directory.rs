//! Which shard has which peer: the one table shards and the control plane share.
//!
//! A peer begins here, pending, with its user name fragments registered. The shard that first hears
//! one of them claims it. After that the table says only where it is; no packet of a known path
//! looks here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::media::id::PeerId;
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::mailbox::{Command, Mailbox};
use crate::media::shard::resident::Resident;

/// ICE answers to the present generation's name and to the one before (RFC 8445 §9).
const GENERATIONS: usize = 2;

/// A peer's entry.
struct Record {
    place: Place,
    /// What leads to it, the newest last: no more than [`GENERATIONS`].
    ufrags: VecDeque<String>,
}

/// Where a peer is.
enum Place {
    /// Nothing was heard from it.
    Pending(Box<Resident>),
    /// With this shard.
    Shard(usize),
}

/// The table.
pub struct Directory {
    tables: Mutex<Tables>,
    mailboxes: Vec<Mailbox>,
}

#[derive(Default)]
struct Tables {
    by_ufrag: HashMap<String, PeerId>,
    peers: HashMap<PeerId, Record>,
}

impl Tables {
    fn remove(&mut self, id: PeerId) {
        let ufrags = self.peers.remove(&id).map(|record| record.ufrags);
        for ufrag in ufrags.into_iter().flatten() {
            self.by_ufrag.remove(&ufrag);
        }
    }
}

/// Where to turn with a STUN message.
pub enum Found {
    /// The asking shard has the peer from now on.
    Claimed(Box<Resident>),
    /// This shard has it.
    At(usize, PeerId),
}

/// A shard's mailbox is full. The sender tries again, or gives up.
#[derive(Debug)]
pub struct Busy;

impl Directory {
    /// An empty table before these shards.
    pub fn new(mailboxes: Vec<Mailbox>) -> Self {
        Self {
            tables: Mutex::default(),
            mailboxes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Every change is one insertion or removal: a panic elsewhere leaves nothing half done.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a pending peer.
    pub fn insert(&self, id: PeerId, resident: Box<Resident>) {
        let record = Record {
            place: Place::Pending(resident),
            ufrags: VecDeque::new(),
        };
        self.lock().peers.insert(id, record);
    }

    /// Makes a user name fragment lead to a peer, and the one before the last no more.
    pub fn register(&self, ufrag: &str, id: PeerId) {
        let tables = &mut *self.lock();
        if let Some(record) = tables.peers.get_mut(&id) {
            while record.ufrags.len() >= GENERATIONS
                && let Some(oldest) = record.ufrags.pop_front()
            {
                tables.by_ufrag.remove(&oldest);
            }
            record.ufrags.push_back(ufrag.to_owned());
            tables.by_ufrag.insert(ufrag.to_owned(), id);
        }
    }

    /// Looks a user name fragment up; a pending peer becomes the asking shard's.
    pub fn find(&self, ufrag: &str, shard: usize) -> Option<Found> {
        let mut tables = self.lock();
        let id = *tables.by_ufrag.get(ufrag)?;
        let place = &mut tables.peers.get_mut(&id)?.place;
        match std::mem::replace(place, Place::Shard(shard)) {
            Place::Pending(resident) => Some(Found::Claimed(resident)),
            Place::Shard(at) => {
                *place = Place::Shard(at);
                Some(Found::At(at, id))
            }
        }
    }

    /// The shard that has a peer.
    pub fn shard_of(&self, id: PeerId) -> Option<usize> {
        match self.lock().peers.get(&id)?.place {
            Place::Shard(at) => Some(at),
            Place::Pending(_) => None,
        }
    }

    /// The peers of a shard.
    pub fn of_shard(&self, shard: usize) -> Vec<PeerId> {
        let tables = self.lock();
        let here = |record: &Record| matches!(record.place, Place::Shard(at) if at == shard);
        let peers = tables.peers.iter().filter(|(_, record)| here(record));
        peers.map(|(id, _)| *id).collect()
    }

    /// The session of a peer that nobody has claimed.
    pub fn session_of_pending(&self, id: PeerId) -> Option<String> {
        match &self.lock().peers.get(&id)?.place {
            Place::Pending(resident) => Some(resident.session.to_string()),
            Place::Shard(_) => None,
        }
    }

    /// Notes that a peer is now with another shard.
    pub fn moved(&self, id: PeerId, shard: usize) {
        if let Some(record) = self.lock().peers.get_mut(&id) {
            record.place = Place::Shard(shard);
        }
    }

    /// Forgets a peer and its user name fragments.
    pub fn remove(&self, id: PeerId) {
        self.lock().remove(id);
    }

    /// Gives a pending peer to `pending`, or sends the command to the peer's shard.
    pub fn command(
        &self,
        id: PeerId,
        command: Command,
        pending: impl FnOnce(&mut Resident, Command) -> bool,
    ) -> Result<(), Busy> {
        let mut tables = self.lock();
        match tables.peers.get_mut(&id).map(|record| &mut record.place) {
            Some(Place::Pending(resident)) => {
                if !pending(resident, command) {
                    tables.remove(id);
                }
                Ok(())
            }
            Some(Place::Shard(at)) => {
                let at = *at;
                drop(tables);
                self.send(at, command)
            }
            None => Ok(()),
        }
    }

    /// Sends a command to a shard.
    pub fn send(&self, shard: usize, command: Command) -> Result<(), Busy> {
        self.mailboxes
            .get(shard)
            .map_or(Ok(()), |mailbox| mailbox.send(command))
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    /// Lets time pass for pending peers. `visit` returns whether a peer stays.
    pub fn visit_pending(&self, mut visit: impl FnMut(&mut Resident) -> bool) {
        let mut tables = self.lock();
        let pending = tables.peers.iter_mut();
        let gone = pending.filter_map(|(id, record)| match &mut record.place {
            Place::Pending(resident) => (!visit(resident)).then_some(*id),
            Place::Shard(_) => None,
        });
        let gone: Vec<_> = gone.collect();
        gone.into_iter().for_each(|id| tables.remove(id));
    }

    /// The number of peers, for metrics and tests.
    pub fn len(&self) -> usize {
        self.lock().peers.len()
    }

    /// What the table holds.
    pub fn holdings(&self) -> MediaGauges {
        let tables = self.lock();
        MediaGauges {
            peers: tables.peers.len(),
            ufrags: tables.by_ufrag.len(),
            ..MediaGauges::default()
        }
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Echo;
    use crate::media::shard::resident;

    #[test]
    fn a_peer_is_found_by_its_newest_two_names_and_no_table_grows_with_its_restarts() {
        let directory = Directory::new(Vec::new());
        let id = PeerId(1);
        let (resident, _events) = resident::tests::resident(id, "ours", Box::new(Echo));
        directory.insert(id, resident);
        for n in 0..1000 {
            directory.register(&format!("ufrag{n}"), id);
        }
        assert!(directory.find("ufrag997", 0).is_none());
        assert!(matches!(
            directory.find("ufrag998", 0),
            Some(Found::Claimed(_))
        ));
        assert!(matches!(
            directory.find("ufrag999", 0),
            Some(Found::At(0, _))
        ));
        let tables = directory.lock();
        let kept = tables.peers.values().map(|record| record.ufrags.len());
        assert_eq!((tables.by_ufrag.len(), kept.sum()), (2, 2));
    }
}
