//! Streams that may have something to read, each once, in the order in which their turns come.

use crate::media::seeded::SeededSet;
use std::collections::VecDeque;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: VecDeque<u16>,
    members: SeededSet<u16>,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn contains(&self, stream: u16) -> bool {
        self.members.contains(&stream)
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<u16> {
        self.queue.front().copied()
    }

    /// `stream` comes last, unless it waits already.
    pub(super) fn push(&mut self, stream: u16) {
        if self.members.insert(stream) {
            self.queue.push_back(stream);
        }
    }

    /// The first had its turn, and waits for the next one.
    pub(super) fn next(&mut self) {
        self.queue.rotate_left(1.min(self.queue.len()));
    }

    /// The first waits no more.
    pub(super) fn pop(&mut self) {
        if let Some(stream) = self.queue.pop_front() {
            self.members.remove(&stream);
        }
    }

    pub(super) fn remove(&mut self, stream: u16) {
        if self.members.remove(&stream) {
            self.queue.retain(|&waiting| waiting != stream);
        }
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.members.clear();
    }
}
