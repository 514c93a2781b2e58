//! Whose a path is: one of this shard's peers', or one's that lives on another shard.

use std::time::{Duration, Instant};

use crate::media::net::path::FourTuple;
use crate::media::seeded::SeededMap;
use crate::media::shard::peers::PeerKey;
use crate::media::transport::ice::MAX_PAIRS;

/// How long a path is remembered as another shard's without a check.
pub(super) const ELSEWHERE_FOR: Duration = Duration::from_secs(30);

/// Paths remembered as other shards'. Whoever knows a peer's user name fragment can make some up, so
/// there is an end; without an entry, only packets on a path that is not nominated yet are lost.
pub(super) const MAX_ELSEWHERE: usize = 1 << 14;

/// Paths of one peer that are remembered.
pub(super) const MAX_PATHS: usize = 2 * MAX_PAIRS;

/// Whose a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// One of this shard's peers.
    Here(PeerKey),
    /// A peer of another shard, until the time given.
    At(usize, Instant),
}

/// The paths.
#[derive(Default)]
pub(super) struct Paths {
    owners: SeededMap<FourTuple, Owner>,
    /// TCP paths of this shard's peers whose connections other shards have.
    landed: SeededMap<FourTuple, (usize, Instant)>,
}

impl Paths {
    pub(super) fn owner(&self, path: &FourTuple) -> Option<Owner> {
        self.owners.get(path).copied()
    }

    /// An authentic check says that a path is this peer's.
    pub(super) fn own(&mut self, path: FourTuple, key: PeerKey) {
        self.owners.insert(path, Owner::Here(key));
    }

    /// A peer comes with its paths; those that another has taken since stay its.
    pub(super) fn own_unless_taken(&mut self, path: FourTuple, key: PeerKey) {
        if !matches!(self.owner(&path), Some(Owner::Here(_))) {
            self.own(path, key);
        }
    }

    /// Forgets a path of a peer's. Returns whether it still was its.
    pub(super) fn disown(&mut self, path: &FourTuple, key: PeerKey) -> bool {
        let was_its = self.owner(path) == Some(Owner::Here(key));
        if was_its {
            self.owners.remove(path);
            self.landed.remove(path);
        }
        was_its
    }

    /// A check came for a peer of another shard. Nobody has looked at its integrity yet, so it takes
    /// a path from none of this shard's.
    pub(super) fn note_elsewhere(
        &mut self,
        path: FourTuple,
        shard: usize,
        now: Instant,
        peers: usize,
    ) {
        let limit = MAX_ELSEWHERE + MAX_PATHS * peers;
        let may = match self.owners.get(&path) {
            Some(Owner::Here(_)) => false,
            Some(Owner::At(..)) => true,
            None => self.owners.len() < limit,
        };
        if may {
            let until = now + ELSEWHERE_FOR;
            self.owners.insert(path, Owner::At(shard, until));
        }
    }

    /// Remembers that another shard has the connection of a path. Of too many made up, the answers get
    /// lost.
    pub(super) fn note_landed(&mut self, path: FourTuple, shard: usize, now: Instant) {
        if self.landed.len() < MAX_ELSEWHERE || self.landed.contains_key(&path) {
            self.landed.insert(path, (shard, now + ELSEWHERE_FOR));
        }
    }

    /// The shard that has the connection of a path.
    pub(super) fn landed_on(&self, path: &FourTuple) -> Option<usize> {
        self.landed.get(path).map(|(shard, _)| *shard)
    }

    /// A connection of this shard's is no more. Returns the peer that it led to.
    pub(super) fn closed(&mut self, path: &FourTuple) -> Option<PeerKey> {
        match self.owners.remove(path)? {
            Owner::Here(key) => Some(key),
            Owner::At(..) => None,
        }
    }

    /// Forgets what was not confirmed in time.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.landed.retain(|_, (_, until)| now < *until);
        self.owners
            .retain(|_, owner| !matches!(owner, Owner::At(_, until) if *until <= now));
    }

    pub(super) fn clear(&mut self) {
        self.owners.clear();
        self.landed.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.owners.len() + self.landed.len()
    }

    #[cfg(test)]
    pub(super) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.values()
    }
}
