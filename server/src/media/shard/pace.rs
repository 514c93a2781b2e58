//! How often a shard reads while a lot arrives. Every wake-up and every system call costs as much as
//! some packets do, so it then lets them gather for a moment: they are read together, and what goes
//! to one peer leaves together. While little arrives everything is read at once.
//!
//! Pure: counts and times in, a pause out.

use std::time::{Duration, Instant};

/// What packets wait at the most, while many come: a hundredth of what a conversation notices (ITU-T
/// G.114), and less than the frame that most of them are a part of takes to arrive.
const SPACING: Duration = Duration::from_millis(1);

/// Datagrams in a [`WINDOW`] that are many: two in a millisecond.
const MANY: usize = 16;
const WINDOW: Duration = Duration::from_millis(8);

/// Counts what arrives, and says when to read again.
pub(super) struct Pace {
    woke: Instant,
    window_began: Instant,
    arrived: usize,
    is_dense: bool,
}

impl Pace {
    /// Nothing has arrived.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            woke: now,
            window_began: now,
            arrived: 0,
            is_dense: false,
        }
    }

    /// Notes that the shard reads.
    pub(super) fn wake(&mut self, now: Instant) {
        self.woke = now;
        let span = now.saturating_duration_since(self.window_began);
        if span >= WINDOW {
            // As if it had come evenly: the last window may have ended long ago.
            self.is_dense =
                self.arrived as u128 * WINDOW.as_nanos() >= MANY as u128 * span.as_nanos();
            self.window_began = now;
            self.arrived = 0;
        }
    }

    /// Notes datagrams.
    pub(super) fn note(&mut self, datagrams: usize) {
        self.arrived += datagrams;
    }

    /// How long to let datagrams gather before reading again.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let next = self.woke + SPACING;
        (self.is_dense && now < next).then(|| next - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets datagrams arrive at this rate for a while; counts the wake-ups and the longest wait.
    fn play(pace: &mut Pace, start: Instant, per_second: u32, span: Duration) -> (usize, Duration) {
        let gap = Duration::from_secs(1) / per_second;
        let (mut wakes, mut longest) = (0, Duration::ZERO);
        let (mut now, mut next) = (start, start + gap);
        while now < start + span {
            // Waits for the next datagram, and then for as long as is asked.
            now = now.max(next);
            now += pace.pause(now).unwrap_or_default();
            longest = longest.max(now - next);
            pace.wake(now);
            wakes += 1;
            while next <= now {
                pace.note(1);
                next += gap;
            }
        }
        (wakes, longest)
    }

    #[test]
    fn few_are_read_at_once_and_many_once_in_a_while() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(start);
        let (wakes, longest) = play(&mut pace, start, 1000, second);
        assert!(wakes >= 999 && longest.is_zero(), "{wakes} {longest:?}");
        let (wakes, longest) = play(&mut pace, start + second, 20_000, second);
        assert!(
            (990..1300).contains(&wakes) && longest <= SPACING,
            "{wakes} {longest:?}"
        );
        let (wakes, _) = play(&mut pace, start + 3 * second, 1000, second);
        assert!(wakes >= 985, "{wakes}");
    }
}
