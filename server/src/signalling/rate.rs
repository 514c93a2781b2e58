//! How much is too much: a token bucket.

use std::time::{Duration, Instant};

/// How many seconds' worth of frames may come at once.
pub(super) const BURST_SECONDS: u32 = 4;

/// Lets so many frames a second through, and four times as many at once.
///
/// It keeps the moment at which the bucket would be full again (a virtual scheduling clock), so
/// that nothing has to run to refill it.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    per_frame: Duration,
    full_at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self {
            per_frame: Duration::from_secs(1) / per_second.max(1),
            full_at: now,
        }
    }

    /// Whether one more frame is within the limit.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.per_frame;
        let admitted = full_at <= now + Duration::from_secs(BURST_SECONDS.into());
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
        let mut rate = Rate::new(10, start);
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
        let mut rate = Rate::new(10, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| rate.admit(later)).count(), 40);
    }
}
