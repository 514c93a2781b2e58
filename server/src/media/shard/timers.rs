//! When which peer has to be looked at. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::media::shard::peers::PeerKey;

/// Timers are rounded up to multiples of this, so that those of many peers share a wake-up.
const TIMER_GRAIN: Duration = Duration::from_millis(4);

/// The timers. One that is set earlier leaves the one it replaces behind, and so does a peer that
/// ends: whoever is told of one asks the peer.
pub(super) struct Timers {
    began: Instant,
    heap: BinaryHeap<Reverse<(Instant, PeerKey)>>,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            heap: BinaryHeap::new(),
        }
    }

    pub(super) fn set(&mut self, at: Instant, key: PeerKey) {
        self.heap.push(Reverse((at, key)));
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out one that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, PeerKey)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    /// Keeps only those that somebody still waits for.
    pub(super) fn retain(&mut self, mut is_set: impl FnMut(Instant, PeerKey) -> bool) {
        self.heap.retain(|Reverse((at, key))| is_set(*at, *key));
    }

    /// The next whole [`TIMER_GRAIN`] after `at`.
    pub(super) fn round_up(&self, at: Instant) -> Instant {
        // 64 bits of nanoseconds are 584 years.
        let grain = TIMER_GRAIN.as_nanos() as u64;
        let since = at.saturating_duration_since(self.began).as_nanos() as u64;
        self.began + Duration::from_nanos((since / grain + 1) * grain)
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}
