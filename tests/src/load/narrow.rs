//! The narrowest place of a link: what comes faster than passes waits, and what waits too long is lost. Pure.

use std::time::{Duration, Instant};

/// How much passes, and what waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Bits per second.
    pub bits: u64,
    /// How long a queue may take to pass. What comes to a longer one is lost.
    pub queue: Duration,
}

/// Such a place.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    rate: Rate,
    /// When the queue will be empty.
    free_at: Option<Instant>,
}

impl Narrow {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            free_at: None,
        }
    }

    /// When what comes now will have passed; `None` if there is no room for it.
    pub fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let begins = self.free_at.map_or(now, |free| free.max(now));
        if begins - now > self.rate.queue {
            return None;
        }
        let takes = bytes as f64 * 8.0 / self.rate.bits as f64;
        let passes = begins + Duration::from_secs_f64(takes);
        self.free_at = Some(passes);
        Some(passes)
    }
}
