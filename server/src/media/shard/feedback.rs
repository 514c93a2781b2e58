//! How often a shard reads the congestion feedback that the kernel put aside for it (`net::steering`): at
//! once while little comes, and otherwise what gathered, without being woken for it.
//!
//! Pure: counts and times in, times out.

use std::time::{Duration, Instant};

/// What feedback waits at the most, while much comes. Senders say it every 50 to 100 milliseconds, so
/// what is decided by it is as old as that in any case.
const LONGEST: Duration = Duration::from_millis(10);

/// What it waits at the least. After that it is read with whatever else the shard is woken for.
const SHORTEST: Duration = Duration::from_millis(4);

/// So many in a [`WINDOW`] are much, and so many no longer: either is more than one while it waits.
const MUCH: usize = 15;
const LITTLE: usize = 8;
const WINDOW: Duration = Duration::from_millis(40);

/// When to read it.
pub(super) struct FeedbackPace {
    window_began: Instant,
    arrived: usize,
    /// When it was read last, where nothing wakes the shard for it.
    read: Option<Instant>,
}

impl FeedbackPace {
    /// None has come.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window_began: now,
            arrived: 0,
            read: None,
        }
    }

    /// Whether it gathers: the shard is not to be woken for it.
    pub(super) fn gathers(&self) -> bool {
        self.read.is_some()
    }

    /// Whether what gathered is to be read, now that the shard is awake.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.read.is_some_and(|read| read + SHORTEST <= now)
    }

    /// When the shard is to wake for it.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.read.map(|read| read + LONGEST)
    }

    /// Nothing wakes the shard for it, whatever comes: it gathers.
    pub(super) fn gather(&mut self, now: Instant) {
        self.read = Some(now);
    }

    /// So much was read.
    pub(super) fn note(&mut self, now: Instant, datagrams: usize) {
        self.arrived += datagrams;
        let span = now.saturating_duration_since(self.window_began);
        if span >= WINDOW {
            let bound = if self.gathers() { LITTLE } else { MUCH };
            // As if it had come evenly: the last window may have ended long ago.
            let is_much =
                self.arrived as u128 * WINDOW.as_nanos() >= bound as u128 * span.as_nanos();
            self.window_began = now;
            self.arrived = 0;
            self.read = is_much.then_some(now);
        }
        if let Some(read) = &mut self.read {
            *read = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets feedback come evenly; counts how often it is read, and returns the longest wait.
    fn play(
        pace: &mut FeedbackPace,
        start: Instant,
        per_second: u32,
        span: Duration,
    ) -> (usize, Duration) {
        let gap = Duration::from_secs(1) / per_second;
        let (mut reads, mut longest, mut next) = (0, Duration::ZERO, start + gap);
        loop {
            let now = pace.poll_timeout().unwrap_or(next);
            if now >= start + span {
                return (reads, longest);
            }
            reads += 1;
            let mut came = 0;
            while next <= now {
                longest = longest.max(now - next);
                came += 1;
                next += gap;
            }
            pace.note(now, came);
        }
    }

    #[test]
    fn little_is_read_at_once_and_much_as_it_gathered() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = FeedbackPace::new(start);
        let (reads, longest) = play(&mut pace, start, 100, second);
        assert!(reads >= 99 && longest.is_zero(), "{reads} {longest:?}");
        let (reads, longest) = play(&mut pace, start + second, 5000, second);
        assert!((95..400).contains(&reads), "{reads}");
        assert!(longest <= LONGEST, "{longest:?}");
        // Not back and forth: between the two bounds it stays as it is.
        let (reads, _) = play(&mut pace, start + 2 * second, 250, second);
        assert!((95..=105).contains(&reads), "{reads}");
        assert!(pace.gathers());
        let (reads, _) = play(&mut pace, start + 3 * second, 50, second);
        assert!(!pace.gathers() && reads < 80, "{reads}");
        let (reads, longest) = play(&mut pace, start + 4 * second, 250, second);
        assert!(reads >= 249 && longest.is_zero(), "{reads} {longest:?}");
    }

    #[test]
    fn what_gathers_is_read_early_by_who_is_awake() {
        let start = Instant::now();
        let mut pace = FeedbackPace::new(start);
        let now = start + WINDOW;
        pace.note(now, MUCH);
        assert!(!pace.is_due(now + SHORTEST - Duration::from_millis(1)));
        assert!(pace.is_due(now + SHORTEST));
        assert_eq!(pace.poll_timeout(), Some(now + LONGEST));
    }

    #[test]
    fn after_a_long_silence_one_is_not_much() {
        let start = Instant::now();
        let mut pace = FeedbackPace::new(start);
        (0..=20).for_each(|at| pace.note(start + at * Duration::from_millis(2), 10));
        assert!(pace.gathers());
        pace.note(start + Duration::from_secs(60), 20);
        assert!(!pace.gathers());
    }
}
