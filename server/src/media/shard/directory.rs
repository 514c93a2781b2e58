//! Which shard has which peer: the one table shards and the control plane share.
//!
//! A peer waits here for its first check, and is then taken out by the shard where that landed. The
//! table is locked for one look-up or change at a time. Of a peer's code nothing runs under the lock:
//! whoever wants something of one that waits takes it out first. No packet of a known path looks here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::media::id::PeerId;
use crate::media::plan::Revision;
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::resident::Resident;

/// ICE answers to the present generation's name and to the one before (RFC 8445 §9).
const GENERATIONS: usize = 2;

/// A peer's entry.
struct Record {
    place: Place,
    /// How often it has moved.
    moves: u64,
    /// What leads to it, the newest last: no more than [`GENERATIONS`].
    ufrags: VecDeque<String>,
}

/// Where a peer is.
enum Place {
    /// Here: nothing was heard of it.
    Waiting {
        resident: Box<Resident>,
        /// When it has something to do all the same.
        due: Option<Instant>,
    },
    /// With this shard, or on its way there.
    Shard(usize),
}

impl Place {
    /// Takes a peer that waits here out, for a shard.
    fn claim(&mut self, shard: usize) -> Option<Box<Resident>> {
        match std::mem::replace(self, Self::Shard(shard)) {
            Self::Waiting { resident, .. } => Some(resident),
            Self::Shard(at) => {
                *self = Self::Shard(at);
                None
            }
        }
    }
}

/// Where to turn with a check.
pub enum Found {
    /// The asking shard has the peer from now on.
    Claimed(Box<Resident>),
    /// This shard has it.
    At(usize, PeerId),
}

/// The table.
#[derive(Default)]
pub struct Directory(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    by_ufrag: HashMap<String, PeerId>,
    peers: HashMap<PeerId, Record>,
}

impl Directory {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Every change is one insertion or removal: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a peer wait for its first check, by this name.
    pub fn insert(&self, resident: Box<Resident>) {
        let (id, ufrag) = (resident.id, resident.peer.local_ufrag().to_owned());
        let place = waiting(resident);
        let record = Record {
            place,
            moves: 0,
            ufrags: VecDeque::new(),
        };
        self.lock().peers.insert(id, record);
        self.register(&ufrag, id);
    }

    /// Lets a peer that was claimed in vain wait again.
    pub fn put_back(&self, resident: Box<Resident>) {
        let id = resident.id;
        let place = waiting(resident);
        if let Some(record) = self.lock().peers.get_mut(&id) {
            record.place = place;
        }
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

    /// Gives a peer that waits here its plan. That of any other comes back.
    pub fn plan(&self, id: PeerId, plan: Revision) -> Result<(), Revision> {
        match (self.lock().peers.get_mut(&id)).map(|record| &mut record.place) {
            Some(Place::Waiting { resident, .. }) => {
                // It is only noted: the peer follows it once it is on a shard.
                resident.set_plan(plan);
                Ok(())
            }
            Some(Place::Shard(_)) | None => Err(plan),
        }
    }

    /// Looks a user name fragment up. A peer that waits becomes the asking shard's.
    pub fn find(&self, ufrag: &str, shard: usize) -> Option<Found> {
        let tables = &mut *self.lock();
        let id = *tables.by_ufrag.get(ufrag)?;
        let place = &mut tables.peers.get_mut(&id)?.place;
        if let Place::Shard(at) = place {
            return Some(Found::At(*at, id));
        }
        place.claim(shard).map(Found::Claimed)
    }

    /// Takes a peer out, if it waits here, for a shard.
    pub fn claim(&self, id: PeerId, shard: usize) -> Option<Box<Resident>> {
        self.lock().peers.get_mut(&id)?.place.claim(shard)
    }

    /// Takes out those that wait and have something to do by now, for a shard.
    pub fn claim_due(&self, now: Instant, shard: usize) -> Vec<Box<Resident>> {
        let tables = &mut *self.lock();
        let places = tables.peers.values_mut().map(|record| &mut record.place);
        let is_due = |place: &&mut Place| matches!(place, Place::Waiting { due: Some(due), .. } if *due <= now);
        let due = places.filter(is_due);
        due.filter_map(|place| place.claim(shard)).collect()
    }

    /// The shard that has a peer. One that waits is with none.
    pub fn shard_of(&self, id: PeerId) -> Option<usize> {
        match self.lock().peers.get(&id)?.place {
            Place::Shard(at) => Some(at),
            Place::Waiting { .. } => None,
        }
    }

    /// Whether there is such a peer.
    pub fn knows(&self, id: PeerId) -> bool {
        self.lock().peers.contains_key(&id)
    }

    /// The peers of a shard, and those on their way to it.
    pub fn of_shard(&self, shard: usize) -> Vec<PeerId> {
        let tables = self.lock();
        let here = |record: &Record| matches!(record.place, Place::Shard(at) if at == shard);
        let peers = tables.peers.iter().filter(|(_, record)| here(record));
        peers.map(|(id, _)| *id).collect()
    }

    /// Notes that a peer's so manieth move takes it to this shard. Word of an earlier one that comes
    /// later changes nothing: the peer may have gone on before whoever sent it says so.
    pub fn moved(&self, id: PeerId, shard: usize, moves: u64) {
        if let Some(record) = self.lock().peers.get_mut(&id)
            && moves > record.moves
        {
            record.place = Place::Shard(shard);
            record.moves = moves;
        }
    }

    /// Forgets a peer that a shard has, and its user name fragments.
    pub fn remove(&self, id: PeerId) {
        let tables = &mut *self.lock();
        let removed = tables.peers.remove(&id);
        for ufrag in removed.iter().flat_map(|record| &record.ufrags) {
            tables.by_ufrag.remove(ufrag);
        }
    }

    /// Forgets a peer that waits, which nobody then can claim, and gives it to the caller to end.
    pub fn remove_waiting(&self, id: PeerId) -> Option<Box<Resident>> {
        let claimed = self.claim(id, usize::MAX)?;
        self.remove(id);
        Some(claimed)
    }

    /// The number of peers, for metrics and tests.
    pub fn len(&self) -> usize {
        self.lock().peers.len()
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the table holds.
    pub fn gauges(&self) -> MediaGauges {
        let tables = self.lock();
        MediaGauges {
            peers: tables.peers.len(),
            ufrags: tables.by_ufrag.len(),
            ..MediaGauges::default()
        }
    }
}

fn waiting(resident: Box<Resident>) -> Place {
    let due = resident.peer.poll_timeout();
    Place::Waiting { resident, due }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Echo;
    use crate::media::shard::resident::tests::resident;

    /// A peer that waits, in a table.
    fn table() -> (Directory, PeerId) {
        let (directory, id) = (Directory::default(), PeerId(1));
        directory.insert(resident(Instant::now(), id, "ours", Box::new(Echo)));
        (directory, id)
    }

    #[test]
    fn a_peer_is_found_by_its_newest_two_names_and_no_table_grows_with_its_restarts() {
        let (directory, id) = table();
        for n in 0..1000 {
            directory.register(&format!("ufrag{n}"), id);
        }
        assert!(directory.find("ufrag997", 3).is_none());
        let first = directory.find("ufrag998", 3);
        assert!(matches!(first, Some(Found::Claimed(_))));
        let second = directory.find("ufrag999", 4);
        assert!(matches!(second, Some(Found::At(3, found)) if found == id));
        let tables = directory.lock();
        let kept = tables.peers.values().map(|record| record.ufrags.len());
        assert_eq!((tables.by_ufrag.len(), kept.sum()), (2, 2));
    }

    #[test]
    fn word_of_a_move_that_comes_after_word_of_the_next_changes_nothing() {
        let (directory, id) = table();
        assert!(directory.claim(id, 0).is_some());
        directory.moved(id, 2, 2);
        directory.moved(id, 1, 1);
        assert_eq!(directory.shard_of(id), Some(2));
    }
}
