//! Which shard has which peer: the one table shards and the control plane share.
//!
//! Only names and numbers are in it. It is locked for one look-up or change at a time, and nobody
//! else's code runs under the lock. No packet of a known path looks here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::media::id::PeerId;
use crate::media::shard::gauges::MediaGauges;

/// ICE answers to the present generation's name and to the one before (RFC 8445 §9).
const GENERATIONS: usize = 2;

/// A peer's entry.
struct Record {
    /// The shard that has it, or that it is on its way to.
    shard: usize,
    /// How often it has moved.
    moves: u64,
    /// What leads to it, the newest last: no more than [`GENERATIONS`].
    ufrags: VecDeque<String>,
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

    /// Enters a peer that begins on this shard.
    pub fn insert(&self, id: PeerId, shard: usize) {
        let record = Record {
            shard,
            moves: 0,
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

    /// The peer that a user name fragment leads to, and its shard.
    pub fn find(&self, ufrag: &str) -> Option<(PeerId, usize)> {
        let tables = self.lock();
        let id = *tables.by_ufrag.get(ufrag)?;
        Some((id, tables.peers.get(&id)?.shard))
    }

    /// The shard that has a peer.
    pub fn shard_of(&self, id: PeerId) -> Option<usize> {
        self.lock().peers.get(&id).map(|record| record.shard)
    }

    /// The peers of a shard, and those on their way to it.
    pub fn of_shard(&self, shard: usize) -> Vec<PeerId> {
        let tables = self.lock();
        let peers = tables.peers.iter();
        let here = peers.filter(|(_, record)| record.shard == shard);
        here.map(|(id, _)| *id).collect()
    }

    /// Notes that a peer's so manieth move takes it to this shard. Word of an earlier one that comes
    /// later changes nothing: the peer may have gone on before whoever sent it says so.
    pub fn moved(&self, id: PeerId, shard: usize, moves: u64) {
        if let Some(record) = self.lock().peers.get_mut(&id)
            && moves > record.moves
        {
            record.shard = shard;
            record.moves = moves;
        }
    }

    /// Forgets a peer and its user name fragments.
    pub fn remove(&self, id: PeerId) {
        let tables = &mut *self.lock();
        let ufrags = tables.peers.remove(&id).map(|record| record.ufrags);
        for ufrag in ufrags.into_iter().flatten() {
            tables.by_ufrag.remove(&ufrag);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_by_its_newest_two_names_and_no_table_grows_with_its_restarts() {
        let directory = Directory::default();
        let id = PeerId(1);
        directory.insert(id, 3);
        for n in 0..1000 {
            directory.register(&format!("ufrag{n}"), id);
        }
        assert_eq!(directory.find("ufrag997"), None);
        assert_eq!(directory.find("ufrag998"), Some((id, 3)));
        assert_eq!(directory.find("ufrag999"), Some((id, 3)));
        let tables = directory.lock();
        let kept = tables.peers.values().map(|record| record.ufrags.len());
        assert_eq!((tables.by_ufrag.len(), kept.sum()), (2, 2));
    }

    #[test]
    fn word_of_a_move_that_comes_after_word_of_the_next_changes_nothing() {
        let directory = Directory::default();
        let id = PeerId(1);
        directory.insert(id, 0);
        directory.moved(id, 2, 2);
        directory.moved(id, 1, 1);
        assert_eq!(directory.shard_of(id), Some(2));
    }
}
