//! How much is too much: a token bucket.

use std::time::{Duration, Instant};

/// Lets so many of something through a second, and a burst of more at once.
///
/// It keeps the moment at which the bucket would be full again (a virtual scheduling clock), so
/// that nothing has to run to refill it.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    each: Duration,
    burst: Duration,
    full_at: Instant,
}

impl Rate {
    /// So many a second, and `at_once` after a quiet time.
    pub(super) fn new(per_second: u32, at_once: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self {
            each,
            burst: each * at_once,
            full_at: now,
        }
    }

    /// Whether one more is within the limit.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.each;
        let admitted = full_at <= now + self.burst;
        if admitted {
            self.full_at = full_at;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 40, start);
        assert!((0..40).all(|_| rate.admit(start)));
        assert!(!rate.admit(start));
        // A tenth of a second is one frame.
        let later = start + Duration::from_millis(100);
        assert!(rate.admit(later));
        assert!(!rate.admit(later));
    }

    #[test]
    fn quiet_time_is_saved_up_to_one_burst() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 40, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| rate.admit(later)).count(), 40);
    }
}
