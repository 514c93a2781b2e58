//! How much an agent lets go out over a path: whatever one likes where the other end is proven to be there and
//! consents, and a multiple of what came everywhere else (RFC 9000 §8's rule). It looks at pairs, and changes no path.

use super::IceLite;
use super::pair::Pair;
use crate::media::net::path::FourTuple;

impl IceLite {
    /// Whether so many bytes may be sent over a path, and takes note of them if so: all over one
    /// whose other end is proven and consents, else no more than
    /// [`MAX_AMPLIFICATION`](super::MAX_AMPLIFICATION) times what came.
    pub fn admit(&mut self, path: &FourTuple, bytes: usize) -> bool {
        if self.is_open(path) {
            return true;
        }
        let admitted = self.has_room(path, bytes);
        if admitted && let Some(pair) = self.not_free(path) {
            pair.charge(bytes);
        }
        admitted
    }

    /// Whether this is the path in use, and as much as one likes may be sent over it.
    pub fn is_open(&self, path: &FourTuple) -> bool {
        self.open && self.selected == Some(*path)
    }

    /// Whether so many bytes may be sent over a path.
    pub fn has_room(&self, path: &FourTuple, bytes: usize) -> bool {
        if self.is_open(path) {
            return true;
        }
        let pair = self.pairs.get(path);
        pair.is_some_and(|pair| self.is_free(pair) || pair.has_room(bytes))
    }

    /// Whether as much as one likes may be sent over a pair. The one in use is looked at when time
    /// passes; over the others only answers are sent, each to what renewed their consent.
    fn is_free(&self, pair: &Pair) -> bool {
        match self.selected == Some(pair.tuple) {
            true => self.open,
            false => pair.is_proven(),
        }
    }

    fn not_free(&mut self, path: &FourTuple) -> Option<&mut Pair> {
        let is_free = self.is_free(self.pairs.get(path)?);
        self.pairs.get_mut(path).filter(|_| !is_free)
    }

    /// Takes note of a datagram that came over a path, other than a check.
    pub fn credit(&mut self, path: &FourTuple, bytes: usize) {
        if self.is_open(path) {
            return;
        }
        if let Some(pair) = self.not_free(path) {
            pair.credit(bytes);
        }
    }
}
