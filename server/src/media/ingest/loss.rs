//! Finds the packets a received stream lost, and when to ask for them again (RFC 4585 §6.2.1).
//!
//! Pure: sequence numbers and times in, sequence numbers out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::rtp::header::sequence_diff;
use crate::media::rtp::work;

/// Packets asked for at one time. A larger gap is a new beginning, not a loss.
pub const MAX_MISSING: usize = 256;

/// What is missing after a silence of this length is a new beginning, too. Senders keep packets for a
/// second, and while they send all those again nobody sees what they send now.
const HOLE: Duration = Duration::from_millis(500);
/// It takes so many packets. Fewer are sent again in no time, and may be all of a still picture.
const HOLE_PACKETS: usize = 16;
/// How long a packet may be merely late before it is asked for.
const REORDER_TOLERANCE: Duration = Duration::from_millis(8);
/// The least time between two requests for the same packet; else the round-trip time.
const MIN_RETRY: Duration = Duration::from_millis(40);
/// The most, whatever the other end makes of the round trip.
const MAX_RETRY: Duration = Duration::from_secs(1);
/// After this many requests a packet is given up.
const MAX_TRIES: u8 = 8;

/// Whether so many packets missing after such a silence are not worth being sent again.
pub fn is_hole(silence: Duration, missing: usize) -> bool {
    silence > HOLE && missing >= HOLE_PACKETS
}

struct Missing {
    sequence: u16,
    ask_at: Instant,
    tries: u8,
}

/// What became of a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before it.
    Newest,
    /// One that was missing.
    Recovered,
    /// Older than the newest, and not missed.
    Late,
    /// So far ahead, or so long after the last, that the stream begins anew.
    Restart,
}

/// The missing packets of one stream.
#[derive(Default)]
pub struct LossTracker {
    /// The newest packet, and when it came.
    newest: Option<(u16, Instant)>,
    /// What is missing before the next packet is not missed.
    goes_on: bool,
    /// Ascending.
    missing: VecDeque<Missing>,
    /// No request is due before; one need not be due then.
    due: Option<Instant>,
}

impl LossTracker {
    /// Nothing that is missing now, or before the next packet, is asked for any more.
    pub fn change_path(&mut self) {
        self.missing.clear();
        self.due = None;
        self.goes_on = true;
    }

    /// Notes a packet.
    pub fn record(&mut self, now: Instant, sequence: u16) -> Arrival {
        let arrival = self.note(now, sequence);
        match arrival {
            Arrival::Newest | Arrival::Restart => self.goes_on = false,
            Arrival::Recovered | Arrival::Late => {}
        }
        arrival
    }

    /// Notes a packet that came as a retransmission, asked for or not: after a silence, the stream
    /// itself goes on further ahead.
    pub fn record_retransmission(&mut self, now: Instant, sequence: u16) -> Arrival {
        self.note(now, sequence)
    }

    fn note(&mut self, now: Instant, sequence: u16) -> Arrival {
        let (newest, at) = *self.newest.get_or_insert((sequence.wrapping_sub(1), now));
        let ahead = sequence_diff(sequence, newest);
        if ahead <= 0 {
            return self.recover(sequence);
        }
        self.newest = Some((sequence, now));
        if ahead == 1 || self.goes_on {
            return Arrival::Newest;
        }
        let gap = ahead as usize - 1;
        if is_hole(now.saturating_duration_since(at), gap) || gap + self.missing.len() > MAX_MISSING
        {
            self.change_path();
            return Arrival::Restart;
        }
        let ask_at = now + REORDER_TOLERANCE;
        self.missing.extend((1..ahead as u16).map(|step| Missing {
            sequence: newest.wrapping_add(step),
            ask_at,
            tries: 0,
        }));
        self.due = Some(self.due.map_or(ask_at, |due| due.min(ask_at)));
        Arrival::Newest
    }

    fn recover(&mut self, sequence: u16) -> Arrival {
        let found = self.missing.binary_search_by(|missing| {
            work::count(1);
            sequence_diff(missing.sequence, sequence).cmp(&0)
        });
        let Ok(at) = found else {
            return Arrival::Late;
        };
        self.missing.remove(at);
        if self.missing.is_empty() {
            self.due = None;
        }
        Arrival::Recovered
    }

    /// When to look for requests that are due, if any packet is missing. What was found since may leave
    /// nothing to do then.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Collects the sequence numbers to ask for now, ascending. Returns whether one was given up.
    pub fn requests(&mut self, now: Instant, rtt: Duration, lost: &mut Vec<u16>) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        work::count(self.missing.len());
        let before = self.missing.len();
        self.missing
            .retain(|missing| missing.tries < MAX_TRIES || now < missing.ask_at);
        self.due = None;
        for missing in &mut self.missing {
            if missing.ask_at <= now {
                missing.tries += 1;
                missing.ask_at = now + rtt.clamp(MIN_RETRY, MAX_RETRY);
                lost.push(missing.sequence);
            }
            let due = self.due.get_or_insert(missing.ask_at);
            *due = missing.ask_at.min(*due);
        }
        self.missing.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(tracker: &mut LossTracker, now: Instant) -> (Vec<u16>, bool) {
        let mut lost = Vec::new();
        let gave_up = tracker.requests(now, Duration::from_millis(100), &mut lost);
        (lost, gave_up)
    }

    #[test]
    fn asks_for_gaps_over_the_wrap_until_they_are_filled() {
        let start = Instant::now();
        let mut tracker = LossTracker::default();
        assert_eq!(tracker.record(start, 65534), Arrival::Newest);
        assert_eq!(tracker.record(start, 2), Arrival::Newest);
        let (early, _) = ask(&mut tracker, start);
        assert!(early.is_empty(), "not before reordering is ruled out");
        let due = tracker.poll_timeout().unwrap();
        assert_eq!(ask(&mut tracker, due).0, [65535, 0, 1]);
        assert_eq!(tracker.record(due, 0), Arrival::Recovered);
        assert_eq!(tracker.record(due, 0), Arrival::Late);
        assert!(ask(&mut tracker, due).0.is_empty());
        let retry = tracker.poll_timeout().unwrap();
        assert_eq!(retry - due, Duration::from_millis(100));
        assert_eq!(ask(&mut tracker, retry).0, [65535, 1]);
    }

    #[test]
    fn gives_up_in_the_end() {
        let mut tracker = LossTracker::default();
        tracker.record(Instant::now(), 1);
        tracker.record(Instant::now(), 3);
        let mut asked = 0;
        while let Some(due) = tracker.poll_timeout() {
            let (lost, gave_up) = ask(&mut tracker, due);
            asked += lost.len();
            assert_eq!(gave_up, tracker.missing.is_empty());
        }
        assert_eq!(asked, usize::from(MAX_TRIES));
    }

    #[test]
    fn what_goes_on_misses_nothing_that_was_before() {
        let start = Instant::now();
        let mut tracker = LossTracker::default();
        tracker.record(start, 1);
        tracker.record(start, 3);
        tracker.change_path();
        // Sent again to probe the new path.
        let again = tracker.record_retransmission(start, 6);
        assert_eq!(again, Arrival::Newest);
        assert_eq!(tracker.record_retransmission(start, 6), Arrival::Late);
        assert_eq!(tracker.record(start, 9), Arrival::Newest);
        assert_eq!(tracker.poll_timeout(), None);
        tracker.record(start, 11);
        let due = tracker.poll_timeout().unwrap();
        assert_eq!(ask(&mut tracker, due).0, [10]);
    }

    #[test]
    fn many_packets_missing_after_a_silence_are_a_new_beginning() {
        let start = Instant::now();
        let mut tracker = LossTracker::default();
        tracker.record(start, 1);
        tracker.record(start + HOLE, 30);
        assert!(tracker.poll_timeout().is_some());
        let later = start + HOLE * 3;
        assert_eq!(tracker.record_retransmission(later, 60), Arrival::Restart);
        assert_eq!(tracker.record(later, 90), Arrival::Newest);
        assert_eq!(tracker.poll_timeout(), None);
    }

    #[test]
    fn few_packets_missing_after_a_silence_are_asked_for() {
        let start = Instant::now();
        let mut tracker = LossTracker::default();
        tracker.record(start, 1);
        assert_eq!(tracker.record(start + HOLE * 9, 3), Arrival::Newest);
        assert!(tracker.poll_timeout().is_some());
    }

    #[test]
    fn a_jump_is_a_new_beginning() {
        let mut tracker = LossTracker::default();
        tracker.record(Instant::now(), 1);
        assert_eq!(tracker.record(Instant::now(), 30_000), Arrival::Restart);
        assert_eq!(tracker.poll_timeout(), None);
    }
}
