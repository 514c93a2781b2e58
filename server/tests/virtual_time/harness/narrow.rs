//! The narrowest place of a way: what does not fit waits in line, and is lost where the line is full.

use std::time::{Duration, Instant};

/// How long a datagram may wait for those before it.
const QUEUE: Duration = Duration::from_millis(300);

/// A narrow place.
#[derive(Default)]
pub struct Narrow {
    /// When the last datagram has passed.
    passed: Option<Instant>,
}

impl Narrow {
    /// When a datagram has passed, at so many bits per second; `None` where it is lost.
    pub fn pass(&mut self, now: Instant, rate: f64, bytes: usize) -> Option<Instant> {
        let begins = self.passed.map_or(now, |passed| passed.max(now));
        if begins > now + QUEUE {
            return None;
        }
        let passed = begins + Duration::from_secs_f64(8.0 * bytes as f64 / rate);
        self.passed = Some(passed);
        Some(passed)
    }
}
