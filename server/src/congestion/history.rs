//! What was sent under which transport-wide number, and whether that was answered: a ring, so that a
//! packet costs one write, and memory for as many as are on their way.

use std::time::{Duration, Instant};

use crate::prefetch::prefetch;

/// Packets remembered, at most: those of twenty-five pictures, with their keyframes, over a long way. They are 8 bytes
/// each.
pub const MAX_SENT: usize = 2048;

/// What the ring is to reach back, where there are so many: a long round trip, and the report's time.
const SPAN: Duration = Duration::from_millis(400);

/// Packets remembered at first. Sound alone needs no more.
const FIRST_SENT: usize = 64;

/// An answer that comes later than this says nothing of the path now.
pub const MAX_AGE: Duration = Duration::from_secs(10);

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// In microseconds since the history began, wrapping after 71 minutes.
    at: u32,
    /// As it was sent, but for the headers below SRTP.
    bytes: u16,
    /// The probe cluster that it was sent with; 0 is none.
    cluster: u8,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unknown,
    Lost,
    Arrived,
}

/// What is known of a packet that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// When it was sent, in microseconds since the history began.
    pub(super) at: i64,
    /// How long it was.
    pub(super) bytes: u16,
    /// The probe cluster that it was sent with; 0 is none.
    pub(super) cluster: u8,
    /// It was said to be lost before.
    pub(super) was_lost: bool,
}

/// The packets last sent, by number.
#[derive(Debug)]
pub(super) struct History {
    began: Instant,
    ring: Vec<Entry>,
    /// The number that the next packet gets.
    next: u16,
    /// How many there are, as far as they are remembered.
    count: usize,
}

impl History {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            ring: vec![Entry::default(); FIRST_SENT],
            next: 0,
            count: 0,
        }
    }

    /// Notes a packet, and numbers it.
    #[inline]
    pub(super) fn send(&mut self, now: Instant, bytes: usize, cluster: u8) -> u16 {
        if self.count == self.ring.len() && self.count < MAX_SENT {
            self.grow(now);
        }
        let number = self.next;
        let at = self.at(number);
        self.ring[at] = Entry {
            at: self.micros(now) as u32,
            bytes: u16::try_from(bytes).unwrap_or(u16::MAX),
            cluster,
            fate: Fate::Unknown,
        };
        self.next = number.wrapping_add(1);
        self.count = (self.count + 1).min(self.ring.len());
        number
    }

    /// Has the memory fetched that the next packet is noted in.
    pub(super) fn prefetch_next(&self) {
        self.ring
            .get(self.at(self.next))
            .inspect(|entry| prefetch(*entry));
    }

    /// Goes on with the numbers of another.
    pub(super) fn number_after(&mut self, before: &Self) {
        self.next = before.next;
    }

    /// Makes room for more, where the oldest was sent of late: it may still be answered.
    #[cold]
    fn grow(&mut self, now: Instant) {
        let oldest = self.next.wrapping_sub(self.count as u16);
        let age = (self.micros(now) as u32).wrapping_sub(self.ring[self.at(oldest)].at);
        if u128::from(age) > SPAN.as_micros() {
            return;
        }
        let mut ring = vec![Entry::default(); 2 * self.ring.len()];
        for before in 1..=self.count as u16 {
            let number = self.next.wrapping_sub(before);
            let at = usize::from(number) & (ring.len() - 1);
            ring[at] = self.ring[self.at(number)];
        }
        self.ring = ring;
    }

    fn at(&self, number: u16) -> usize {
        // A power of two: it divides the space of numbers evenly.
        usize::from(number) & (self.ring.len() - 1)
    }

    /// A moment, in microseconds since the history began.
    pub(super) fn micros(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.began).as_micros() as i64
    }

    /// The other end says what became of a packet. `None` where that is no news, or it is not remembered.
    pub(super) fn answer(&mut self, now: Instant, number: u16, arrived: bool) -> Option<Answered> {
        let back = usize::from(self.next.wrapping_sub(1).wrapping_sub(number));
        if back >= self.count {
            return None;
        }
        let (now, at) = (self.micros(now), self.at(number));
        let entry = &mut self.ring[at];
        let age = i64::from((now as u32).wrapping_sub(entry.at));
        let fate = match arrived {
            true => Fate::Arrived,
            false => Fate::Lost,
        };
        let is_news = matches!(
            (entry.fate, fate),
            (Fate::Unknown, _) | (Fate::Lost, Fate::Arrived)
        );
        if !is_news || age > MAX_AGE.as_micros() as i64 {
            return None;
        }
        let was_lost = entry.fate == Fate::Lost;
        entry.fate = fate;
        Some(Answered {
            at: now - age,
            bytes: entry.bytes,
            cluster: entry.cluster,
            was_lost,
        })
    }

    /// What it holds.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.ring.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_eight_bytes() {
        assert_eq!(size_of::<Entry>(), 8);
    }

    #[test]
    fn each_is_answered_once_and_what_was_lost_may_still_arrive() {
        let start = Instant::now();
        let mut history = History::new(start);
        let later = start + Duration::from_millis(40);
        let number = history.send(later, 1200, 3);
        assert!(
            history
                .answer(later, number.wrapping_add(1), true)
                .is_none()
        );
        let lost = history.answer(later, number, false).unwrap();
        assert_eq!((lost.at, lost.bytes, lost.cluster), (40_000, 1200, 3));
        assert!(!lost.was_lost && history.answer(later, number, false).is_none());
        assert!(history.answer(later, number, true).unwrap().was_lost);
        assert!(history.answer(later, number, true).is_none());
        assert!(history.answer(later, number, false).is_none());
    }

    #[test]
    fn it_grows_with_what_is_on_its_way_and_no_further() {
        let start = Instant::now();
        let mut slow = History::new(start);
        let mut fast = History::new(start);
        for n in 0..70_000_u32 {
            slow.send(start + Duration::from_millis(20) * n, 100, 0);
            let now = start + Duration::from_micros(500) * n;
            let number = fast.send(now, 100, 0);
            assert_eq!(number, n as u16);
            let early = number.wrapping_sub(400);
            assert_eq!(fast.answer(now, early, true).is_some(), n >= 400, "{n}");
        }
        assert_eq!(slow.memory(), 8 * FIRST_SENT);
        assert_eq!(fast.memory(), 8 * 1024);
        let mut bursts = History::new(start);
        for n in 0..70_000_u32 {
            bursts.send(start + Duration::from_micros(50) * n, 100, 0);
        }
        assert_eq!(bursts.memory(), 8 * MAX_SENT);
    }

    /// Twenty-five pictures of a megabit each, whose keyframes come all at once, over a round trip of 200 ms.
    #[test]
    fn many_pictures_over_a_long_way_are_all_answered() {
        let start = Instant::now();
        let mut history = History::new(start);
        let each = Duration::from_secs(1) / 3000;
        let late = Duration::from_millis(300);
        let on_their_way = (late.as_micros() / each.as_micros()) as u32;
        for n in 0..20_000_u32 {
            let now = start + each * n;
            let number = history.send(now, 1100, 0);
            let early = number.wrapping_sub(on_their_way as u16);
            let is_known = history.answer(now, early, true).is_some();
            assert!(is_known || n < on_their_way, "{n}");
        }
    }

    #[test]
    fn what_is_forgotten_or_very_old_is_not_answered() {
        let start = Instant::now();
        let mut history = History::new(start);
        let first = history.send(start, 100, 0);
        assert!(history.answer(start + 2 * MAX_AGE, first, true).is_none());
        (0..2 * MAX_SENT).for_each(|_| _ = history.send(start, 100, 0));
        assert!(history.answer(start, first, true).is_none());
    }
}
