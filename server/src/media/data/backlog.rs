//! What a channel has sent and the other end has not acknowledged: bytes, and how many messages they make.
//!
//! Messages count besides bytes because a small one costs far more memory than its length.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    lengths: VecDeque<u32>,
    /// How much of the first message was released.
    released: usize,
    bytes: usize,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn messages(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn push(&mut self, length: usize) {
        self.lengths.push_back(length as u32);
        self.bytes += length;
    }

    /// Releases `bytes` from the front. Messages may be acknowledged in another order, but in all they are as many.
    pub(super) fn release(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.released += bytes;
        while let Some(&length) = self.lengths.front()
            && self.released >= length as usize
        {
            self.released -= length as usize;
            self.lengths.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_as_their_bytes_do() {
        let mut backlog = Backlog::default();
        backlog.push(10);
        backlog.push(1);
        backlog.push(5);
        backlog.release(9);
        assert_eq!((backlog.bytes(), backlog.messages()), (7, 3));
        backlog.release(2);
        assert_eq!((backlog.bytes(), backlog.messages()), (5, 1));
        backlog.release(5);
        assert!(backlog.is_empty());
        assert_eq!(backlog.messages(), 0);
    }
}
