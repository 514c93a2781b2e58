//! Gives the packets of a received stream the sequence numbers of the stream it goes out as.
//!
//! Two packets never get the same number, whatever order they come in: under SRTP that would also
//! give away what protects them (RFC 3711 §9.1, RFC 7714 §8.3). Pure: numbers in, numbers out.

use std::collections::VecDeque;

use crate::media::rtp::header::sequence_diff;
use crate::prefetch::prefetch;

/// How far behind the newest a packet may come. Anything older is of no use to a receiver.
pub const MAX_BEHIND: u16 = 4096;

/// How far before the first packet of all an earlier one may come.
const BEFORE_FIRST: u16 = 128;

/// Runs of left-out packets remembered. Packets from before a forgotten one cannot be told from it.
const MAX_RUNS: usize = 64;

/// Packets left out, one after the other.
#[derive(Clone, Copy)]
struct Run {
    first: u16,
    last: u16,
    /// How many pictures they were that take no number of their own either,
    pictures: u16,
    /// and the first and the last of those: of pictures between them nothing is missing.
    ends: Option<(u16, u16)>,
}

impl Run {
    fn len(self) -> u16 {
        self.last.wrapping_sub(self.first).wrapping_add(1)
    }
}

/// Which of our newest numbers were given. A source may send a whole round of numbers that reach us
/// and do not go out, and then the same numbers again.
struct Used {
    newest: Option<u16>,
    bits: Box<[u64; MAX_BEHIND as usize / 64]>,
}

impl Used {
    /// Whether a number was still free. It no longer is.
    fn take(&mut self, ours: u16) -> bool {
        let ahead = sequence_diff(ours, *self.newest.get_or_insert(ours.wrapping_sub(1)));
        if i32::from(ahead) <= -i32::from(MAX_BEHIND) {
            return false;
        }
        if ahead > 0 {
            let skipped = (0..MAX_BEHIND.min(ahead as u16)).map(|back| ours.wrapping_sub(back));
            for number in skipped {
                let (word, bit) = self.bit(number);
                *word &= !bit;
            }
            self.newest = Some(ours);
        }
        let (word, bit) = self.bit(ours);
        let is_free = *word & bit == 0;
        *word |= bit;
        is_free
    }

    /// Whether a number is taken, of those that do not come after the newest.
    fn has(&self, ours: u16) -> bool {
        let ahead = self.newest.map_or(1, |newest| sequence_diff(ours, newest));
        let at = usize::from(ours % MAX_BEHIND);
        ahead <= 0 && self.bits[at / 64] & 1 << (at % 64) != 0
    }

    fn bit(&mut self, number: u16) -> (&mut u64, u64) {
        let at = usize::from(number % MAX_BEHIND);
        (&mut self.bits[at / 64], 1 << (at % 64))
    }
}

/// How one source's numbers become ours.
pub struct Numbering {
    /// What turns the newest packet's number into ours.
    offset: u16,
    newest: u16,
    /// Packets before this one have no number any more.
    oldest: u16,
    /// Of the packets since `oldest`, those that were left out.
    left_out: VecDeque<Run>,
    /// How many pictures were, ever, and which was the last.
    pictures: u16,
    picture: Option<u16>,
    given: Used,
}

impl Numbering {
    /// `theirs`, the first packet of all, becomes `ours`. A few may turn out to come before it.
    pub fn new(theirs: u16, ours: u16) -> Self {
        Self {
            oldest: theirs.wrapping_sub(BEFORE_FIRST),
            ..Self::after_another(theirs, ours)
        }
    }

    /// `theirs` becomes `ours`, the number after another source's last.
    pub fn after_another(theirs: u16, ours: u16) -> Self {
        Self {
            offset: ours.wrapping_sub(theirs),
            newest: theirs,
            oldest: theirs,
            left_out: VecDeque::new(),
            pictures: 0,
            picture: None,
            given: Used {
                newest: None,
                bits: Box::new([0; MAX_BEHIND as usize / 64]),
            },
        }
    }

    /// Has memory fetched that tells whether the next number was given.
    pub fn prefetch(&self) {
        let at = usize::from(self.next() % MAX_BEHIND) / 64;
        self.given.bits.get(at).inspect(|word| prefetch(*word));
    }

    /// Whether no packet with a later number was seen.
    pub fn is_newest(&self, theirs: u16) -> bool {
        sequence_diff(theirs, self.newest) >= 0
    }

    /// How far a packet's number is ahead of the newest that was seen.
    pub fn ahead(&self, theirs: u16) -> i16 {
        sequence_diff(theirs, self.newest)
    }

    /// The number that follows all given.
    pub fn next(&self) -> u16 {
        self.newest.wrapping_add(self.offset).wrapping_add(1)
    }

    /// Our number for a packet, once. `None` is one too old to have one, or one left out.
    pub fn number(&mut self, theirs: u16) -> Option<u16> {
        if self.is_newest(theirs) {
            self.advance(theirs);
        }
        let ours = self.ours(theirs)?;
        self.given.take(ours).then_some(ours)
    }

    /// Whether there is a number for a packet that it was not given.
    pub fn misses(&self, theirs: u16) -> bool {
        self.ours(theirs).is_some_and(|ours| !self.given.has(ours))
    }

    /// The number that a packet has, or would have.
    fn ours(&self, theirs: u16) -> Option<u16> {
        if sequence_diff(theirs, self.oldest) < 0 {
            return None;
        }
        let mut offset = self.offset;
        for run in self.left_out.iter().rev() {
            if sequence_diff(theirs, run.last) > 0 {
                break;
            }
            if sequence_diff(theirs, run.first) >= 0 {
                return None;
            }
            offset = offset.wrapping_add(run.len());
        }
        Some(theirs.wrapping_add(offset))
    }

    /// Leaves a packet out, so that its number goes to the next. Only the newest can be: later ones
    /// have theirs already. Returns whether it was.
    pub fn leave_out(&mut self, theirs: u16) -> bool {
        if sequence_diff(theirs, self.newest) <= 0 {
            return false;
        }
        self.advance(theirs);
        self.offset = self.offset.wrapping_sub(1);
        match self.left_out.back_mut() {
            Some(run) if run.last.wrapping_add(1) == theirs => run.last = theirs,
            _ => self.left_out.push_back(Run {
                first: theirs,
                last: theirs,
                pictures: 0,
                ends: None,
            }),
        }
        if self.left_out.len() > MAX_RUNS {
            self.forget_run();
        }
        true
    }

    /// The packet that was left out last was of this picture, whose number goes to the next.
    pub fn leave_out_picture(&mut self, picture: u16) {
        let is_next = self.picture.replace(picture) != Some(picture);
        self.pictures = self.pictures.wrapping_add(u16::from(is_next));
        if let Some(run) = self.left_out.back_mut() {
            run.pictures = run.pictures.saturating_add(u16::from(is_next));
            let first = run.ends.map_or(picture, |(first, _)| first);
            run.ends = Some((first, picture));
        }
    }

    /// Whether something of a picture was left out, of one that did not come whole.
    pub fn has_left_out(&self, picture: u16) -> bool {
        let mut ends = self.left_out.iter().filter_map(|run| run.ends);
        ends.any(|(first, last)| first == picture || last == picture)
    }

    /// How many pictures were left out before a packet.
    pub fn pictures_before(&self, theirs: u16) -> u16 {
        let later = self.left_out.iter().rev();
        let later = later.take_while(|run| sequence_diff(theirs, run.last) <= 0);
        later.fold(self.pictures, |before, run| {
            before.wrapping_sub(run.pictures)
        })
    }

    fn advance(&mut self, theirs: u16) {
        self.newest = theirs;
        let oldest = theirs.wrapping_sub(MAX_BEHIND);
        if sequence_diff(oldest, self.oldest) > 0 {
            self.oldest = oldest;
        }
        while let Some(run) = self.left_out.front()
            && sequence_diff(run.last, self.oldest) < 0
        {
            self.left_out.pop_front();
        }
    }

    fn forget_run(&mut self) {
        if let Some(run) = self.left_out.pop_front() {
            self.oldest = run.last.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn left_out_packets_leave_no_gap_and_late_ones_keep_their_place() {
        let mut numbering = Numbering::new(65534, 100);
        assert_eq!(numbering.number(65534), Some(100));
        assert!(numbering.leave_out(65535));
        // 0 and 1 are late.
        assert!(numbering.leave_out(2));
        assert!(numbering.leave_out(3));
        assert_eq!(numbering.number(4), Some(103));
        assert_eq!(numbering.next(), 104);
        assert_eq!(numbering.number(1), Some(102));
        assert_eq!(numbering.number(0), Some(101));
        assert_eq!(numbering.number(65533), Some(99));
        assert!(!numbering.leave_out(1), "it has its number");
        assert_eq!(numbering.number(2), None);
    }

    #[test]
    fn a_packet_is_missed_until_it_has_its_number_or_is_left_out() {
        let mut numbering = Numbering::after_another(65534, 100);
        assert!(numbering.misses(65534));
        numbering.number(65534).unwrap();
        assert!(numbering.leave_out(65535));
        numbering.number(2).unwrap();
        let missed = [65533, 65534, 65535, 0, 1, 2, 3].map(|theirs| numbering.misses(theirs));
        assert_eq!(missed, [false, false, false, true, true, false, true]);
        numbering.number(1).unwrap();
        assert!(numbering.misses(0) && !numbering.misses(1));
    }

    #[test]
    fn old_packets_have_no_number_another_source_may_have_used() {
        let mut numbering = Numbering::after_another(500, 31);
        assert_eq!(numbering.number(499), None);
        assert_eq!(numbering.number(500), Some(31));
        assert_eq!(numbering.number(500 + 5000), Some(5031));
        assert_eq!(numbering.number(600), None);
    }

    #[test]
    fn a_round_of_numbers_that_did_not_go_out_frees_none() {
        let mut numbering = Numbering::new(998, 100);
        assert_eq!(numbering.number(997), Some(99));
        assert_eq!(numbering.number(998), Some(100));
        assert_eq!(numbering.number(998), None);
        assert_eq!(numbering.number(997), None);
        assert_eq!(numbering.number(999), Some(101));
        assert_eq!(numbering.number(999 + 5000), Some(5101));
        assert_eq!(numbering.number(999 + 4000), Some(4101));
        assert_eq!(numbering.number(999 + 4000), None);
    }

    proptest! {
        #[test]
        fn no_number_is_given_twice_and_order_is_kept(
            first in any::<u16>(),
            steps in proptest::collection::vec((-40..40_i32, any::<bool>()), 1..600),
        ) {
            let mut numbering = Numbering::new(first, 1000);
            let (mut at, mut seen, mut given) = (0, HashSet::new(), Vec::new());
            for (step, leave_out) in steps {
                at += step + 3;
                if !seen.insert(at) {
                    continue;
                }
                let theirs = first.wrapping_add(at as u16);
                if leave_out && numbering.leave_out(theirs) {
                    continue;
                }
                if let Some(ours) = numbering.number(theirs) {
                    given.push((at, ours as i16));
                }
            }
            given.sort_unstable();
            prop_assert!(given.is_sorted_by(|a, b| a.1.wrapping_sub(b.1) < 0), "{given:?}");
        }
    }
}
