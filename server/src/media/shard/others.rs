//! The other shards as one of them sees them: what each is yet to be told for the sake of rooms. How it is told is
//! `across`'s matter.

use std::time::Instant;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::media::forward::track::Layers;
use crate::media::id::TrackId;

/// Changes kept for a shard that has no room for word of them. After more it is told everything.
const MAX_CHANGES: usize = 4096;

/// What another shard is yet to be told.
#[derive(Default)]
pub(super) struct Other {
    /// This shard has forgotten everything, what the other wants included.
    pub(super) started_over: bool,
    /// Everything that is wanted, not only what changed.
    pub(super) everything: bool,
    /// The tracks of which something else is wanted since, or nothing more.
    pub(super) changes: FxHashSet<TrackId>,
}

impl Other {
    fn note(&mut self, id: TrackId) {
        if self.changes.len() >= MAX_CHANGES {
            self.changes.clear();
            self.everything = true;
        }
        // Everything is told as it is by then.
        if !self.everything {
            self.changes.insert(id);
        }
    }

    pub(super) fn is_told(&self) -> bool {
        !self.started_over && !self.everything && self.changes.is_empty()
    }
}

/// The other shards, as far as rooms go.
pub(super) struct Others {
    index: usize,
    /// All, this one included, which is never told anything.
    pub(super) shards: Vec<Other>,
    /// One of them was not told something.
    pub(super) is_untold: bool,
    /// Wishes that somebody had no room for.
    pub(super) unasked: FxHashMap<TrackId, Layers>,
    /// When to try again.
    pub(super) retry: Option<Instant>,
    /// Packets and lossy messages that did not cross, because there was no room.
    pub(super) lost: usize,
}

impl Others {
    /// Of so many shards in all the others than this.
    pub(super) fn new(index: usize, shards: usize) -> Self {
        Self {
            index,
            shards: (0..shards).map(|_| Other::default()).collect(),
            is_untold: false,
            unasked: FxHashMap::default(),
            retry: None,
            lost: 0,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = usize> + use<> {
        let index = self.index;
        (0..self.shards.len()).filter(move |shard| *shard != index)
    }

    pub(super) fn note(&mut self, id: TrackId) {
        for shard in self.all() {
            self.shards[shard].note(id);
            self.is_untold = true;
        }
    }

    /// This shard has forgotten everything.
    pub(super) fn start_over(&mut self) {
        for shard in self.all() {
            self.shards[shard] = Other {
                started_over: true,
                ..Other::default()
            };
            self.is_untold = true;
        }
        self.unasked.clear();
        self.retry = None;
    }
}
