//! What the peer gave up of streams on which nothing has come (RFC 3758 §3.2), and of which channel it was.
//!
//! A FORWARD-TSN names streams by number alone, and senders go on naming one that was reset until all that they gave up
//! is acknowledged. So it may be said of a channel that is gone when another has its number, whose first messages would
//! be lost with it. Owns what tells the one from the other: numbers of messages and streams. Knows no packets.

use super::packet::is_before;
use std::collections::{BTreeMap, BTreeSet};

/// That nothing up to a message is to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) stream: u16,
    /// The last message of the stream that is given up.
    pub(super) sequence: u16,
    /// Everything given up is not after this.
    pub(super) tsn: u32,
}

/// A message that came, or its first part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) stream: u16,
    /// None where order does not matter.
    pub(super) sequence: Option<u16>,
    pub(super) tsn: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Skips {
    /// Of streams on which none has come.
    unheard: BTreeMap<u16, Skip>,
    /// The streams that this end opened and on which none has come.
    awaited: BTreeSet<u16>,
}

impl Skips {
    /// Messages are skipped on a stream that is new.
    pub(super) fn begin(&mut self, skip: Skip) {
        self.unheard.insert(skip.stream, skip);
    }

    /// Messages are skipped, which only matters where none has come.
    pub(super) fn extend(&mut self, skip: Skip) {
        if let Some(known) = self.unheard.get_mut(&skip.stream) {
            *known = skip;
        }
    }

    /// Whether `stream` is what was opened by the peer, if by anybody. RFC 8832 §6: of one that this end opened, the
    /// peer confirms the opening first, and never gives that up. So what is skipped before was of another channel.
    pub(super) fn may_concern(&self, stream: u16) -> bool {
        !self.awaited.contains(&stream)
    }

    /// Whether messages were skipped on `stream` and none has come.
    pub(super) fn is_unheard(&self, stream: u16) -> bool {
        self.unheard.contains_key(&stream)
    }

    /// This end opens a channel on `stream`, which starts anew.
    pub(super) fn open(&mut self, stream: u16) {
        self.awaited.insert(stream);
    }

    /// A message came. Where messages were skipped before the first, whether those were of another channel: then what
    /// comes is numbered as if they were still to come.
    pub(super) fn arrived(&mut self, arrival: Arrival) -> Option<bool> {
        if self.unheard.is_empty() && self.awaited.is_empty() {
            return None;
        }
        self.awaited.remove(&arrival.stream);
        let skip = *self.unheard.get(&arrival.stream)?;
        // One that was given up, and comes all the same.
        if !is_before(skip.tsn, arrival.tsn) {
            return None;
        }
        self.unheard.remove(&arrival.stream);
        let is_anew = arrival
            .sequence
            .is_some_and(|sequence| !is_after(sequence, skip.sequence));
        Some(is_anew)
    }

    /// `stream` starts anew.
    pub(super) fn forget(&mut self, stream: u16) {
        self.unheard.remove(&stream);
        self.awaited.remove(&stream);
    }
}

// RFC 1982, as RFC 9260 §1.6 has it for stream sequence numbers.
fn is_after(left: u16, right: u16) -> bool {
    left != right && left.wrapping_sub(right) < 0x8000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKIP: Skip = Skip {
        stream: 7,
        sequence: 2,
        tsn: u32::MAX,
    };

    fn arrival(sequence: u16, tsn: u32) -> Arrival {
        Arrival {
            stream: 7,
            sequence: Some(sequence),
            tsn,
        }
    }

    #[test]
    fn the_number_of_the_first_message_tells_whose_the_skip_was() {
        for (sequence, is_anew) in [(0, true), (2, true), (3, false), (65535, true)] {
            let mut skips = Skips::default();
            skips.begin(SKIP);
            assert_eq!(skips.arrived(arrival(sequence, 0)), Some(is_anew));
            assert_eq!(skips.arrived(arrival(sequence, 1)), None, "known by now");
        }
    }

    #[test]
    fn a_message_that_was_given_up_tells_nothing() {
        let mut skips = Skips::default();
        skips.begin(SKIP);
        assert_eq!(skips.arrived(arrival(2, u32::MAX)), None);
        assert_eq!(skips.arrived(arrival(3, 0)), Some(false));
    }

    #[test]
    fn what_is_skipped_before_an_opening_is_answered_concerns_another_channel() {
        let mut skips = Skips::default();
        skips.open(7);
        assert!(!skips.may_concern(7));
        assert_eq!(skips.arrived(arrival(0, 0)), None);
        assert!(skips.may_concern(7));
    }
}
