//! The candidate pairs of one peer: those that authentic checks came over, as many as are remembered. Which of
//! them is in use is not known here.

use std::time::Instant;

use super::pair::Pair;
use crate::media::net::path::FourTuple;

/// Candidate pairs remembered for one peer. A seventeenth displaces the one longest unheard.
pub const MAX_PAIRS: usize = 16;

/// The pairs.
#[derive(Default)]
pub(super) struct Pairs(Vec<Pair>);

impl Pairs {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.0.iter_mut()
    }

    /// The pair of a path.
    pub(super) fn get(&self, path: &FourTuple) -> Option<&Pair> {
        self.0.iter().find(|pair| pair.tuple == *path)
    }

    /// The pair of a path.
    pub(super) fn get_mut(&mut self, path: &FourTuple) -> Option<&mut Pair> {
        self.0.iter_mut().find(|pair| pair.tuple == *path)
    }

    /// The pair of a path, from now on if it was not. Where there is no room for it another goes, but for those `kept`.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        path: FourTuple,
        kept: [Option<FourTuple>; 2],
    ) -> &mut Pair {
        let at = match self.0.iter().position(|pair| pair.tuple == path) {
            Some(at) => at,
            None => {
                if self.0.len() == MAX_PAIRS {
                    self.forget_oldest(kept);
                }
                // Most peers have one or two, and each takes some.
                self.0.reserve_exact(1);
                self.0.push(Pair::new(now, path));
                self.0.len() - 1
            }
        };
        &mut self.0[at]
    }

    fn forget_oldest(&mut self, kept: [Option<FourTuple>; 2]) {
        let oldest = (self.0.iter().enumerate())
            .filter(|(_, pair)| !kept.contains(&Some(pair.tuple)))
            .min_by_key(|(_, pair)| pair.heard)
            .map(|(at, _)| at);
        if let Some(at) = oldest {
            self.0.swap_remove(at);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
