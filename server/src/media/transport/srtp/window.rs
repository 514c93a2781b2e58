//! Which packets of one stream came already (RFC 3711 §3.3): the index of a packet from its sequence
//! number, and a replay list. Pure: numbers in, numbers out.

/// Half the space of sequence numbers.
const MEDIAN: u64 = 1 << 15;

/// The number of packets one key may protect in a stream (RFC 3711 §9.2).
pub(super) const MAX_INDEX: u64 = 1 << 48;

/// The index of the packet with this sequence number, given the highest index so far (RFC 3711
/// §3.3.1, appendix A). There is nothing before index 0: in the first half round every number is
/// taken for one of that round.
pub(super) fn index_of(highest: Option<u64>, sequence: u16) -> u64 {
    match highest {
        Some(highest) if highest > MEDIAN => {
            let ahead = sequence.wrapping_sub(highest as u16) as i16;
            highest.wrapping_add_signed(ahead.into())
        }
        _ => sequence.into(),
    }
}

/// A stream's highest index, and which of the `64 * WORDS` indices up to it were seen.
#[derive(Clone, Debug)]
pub(super) struct Window<const WORDS: usize> {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        Self {
            highest: None,
            seen: [0; WORDS],
        }
    }
}

impl<const WORDS: usize> Window<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    /// What a source comes back to whose highest index alone was kept: all up to it counts as seen.
    pub(super) fn after(highest: u64) -> Self {
        Self {
            highest: Some(highest),
            seen: [u64::MAX; WORDS],
        }
    }

    /// The highest index seen.
    pub(super) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether an index was not seen yet, and is not too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        let (word, bit) = Self::place(index);
        index > highest || (highest - index < Self::SIZE && self.seen[word] & bit == 0)
    }

    /// Notes an index that is new, once its packet is known to be authentic.
    pub(super) fn note(&mut self, index: u64) {
        let before = self.highest.unwrap_or(index);
        // The places of what was skipped held what is too old by now.
        for skipped in (before + 1..index).rev().take(Self::SIZE as usize - 1) {
            let (word, bit) = Self::place(skipped);
            self.seen[word] &= !bit;
        }
        let (word, bit) = Self::place(index);
        self.seen[word] |= bit;
        self.highest = Some(before.max(index));
    }

    fn place(index: u64) -> (usize, u64) {
        let at = index % Self::SIZE;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn indices_follow_sequence_numbers_round_after_round() {
        assert_eq!(index_of(None, 65_535), 65_535);
        assert_eq!(index_of(Some(100), 65_000), 65_000, "nothing is before 0");
        assert_eq!(index_of(Some(65_535), 0), 65_536);
        assert_eq!(index_of(Some(65_536), 65_535), 65_535);
        assert_eq!(index_of(Some(3 * 65_536 + 7), 65_530), 3 * 65_536 - 6);
        assert_eq!(index_of(Some(40_000), 7_300), 65_536 + 7_300 - 65_536);
    }

    proptest! {
        #[test]
        fn takes_each_once_and_nothing_too_old(steps in proptest::collection::vec(-80..90_i64, 1..400)) {
            let (mut window, mut seen) = (Window::<1>::default(), HashSet::new());
            let (mut at, mut highest) = (1000_i64, None);
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                let too_old = highest.is_some_and(|highest: u64| index + 64 <= highest);
                let expected = !too_old && !seen.contains(&index);
                prop_assert_eq!(window.is_new(index), expected, "{}", index);
                if expected {
                    window.note(index);
                    seen.insert(index);
                    highest = highest.max(Some(index));
                }
                prop_assert_eq!(window.highest(), highest);
            }
        }
    }
}
