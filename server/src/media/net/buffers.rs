//! Buffers for packets that are written, sealed and sent within one turn of a shard: a stack for each
//! thread, so that packets are written where the last ones were, into memory the processor has at hand.

use std::cell::RefCell;

use bytes::BytesMut;

/// What a buffer holds at least: a packet of any path (RFC 8200 §5 and what Ethernet takes).
const CAPACITY: usize = 1536;
/// Buffers kept on one thread: those that leave together, and some that are being written.
pub const MAX_SPARE: usize = 36;
/// What a buffer holds at most that is kept: twice what leaves in one system call.
const MAX_KEPT: usize = 1 << 17;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for so many bytes.
pub fn take(len: usize) -> BytesMut {
    let spare = match len <= CAPACITY {
        true => SPARE.with_borrow_mut(Vec::pop),
        false => None,
    };
    spare.unwrap_or_else(|| BytesMut::with_capacity(len.max(CAPACITY)))
}

/// Gives a buffer back that was sent. Any other is as welcome, if it is large enough.
pub fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    // Also one that was cut up has less room than it was made with.
    if (CAPACITY..=MAX_KEPT).contains(&buffer.capacity()) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MAX_SPARE {
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_given_back_is_taken_first() {
        let (mut first, second) = (take(100), take(100));
        first.extend_from_slice(&[1; 1200]);
        let (at, other) = (first.as_ptr(), second.as_ptr());
        give_back(second);
        give_back(first);
        let again = take(CAPACITY);
        assert!(again.is_empty() && again.capacity() >= CAPACITY);
        assert_eq!((again.as_ptr(), take(1).as_ptr()), (at, other));
    }

    #[test]
    fn few_are_kept_and_none_that_are_small() {
        assert!(take(9000).capacity() >= 9000);
        give_back(BytesMut::with_capacity(10));
        SPARE.with_borrow(|spare| assert!(spare.is_empty()));
        let many: Vec<_> = (0..2 * MAX_SPARE).map(|_| take(1)).collect();
        many.into_iter().for_each(give_back);
        SPARE.with_borrow(|spare| assert_eq!(spare.len(), MAX_SPARE));
    }
}
