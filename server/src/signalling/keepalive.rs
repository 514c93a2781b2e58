//! When to ask whether a client is still there, and when to stop asking.

use std::time::{Duration, Instant};

/// Silent intervals after which a client is given up.
const PATIENCE: u32 = 3;

/// Counts the silence since the client was last heard.
#[derive(Clone, Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    heard: Instant,
    asked: u32,
}

/// What the silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing yet.
    Short,
    /// A ping.
    Ask,
    /// The end.
    TooLong,
}

impl Keepalive {
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            heard: now,
            asked: 0,
        }
    }

    /// Anything at all came in.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = 0;
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.heard + self.interval * (self.asked + 1)
    }

    /// When the client is given up if nothing comes in.
    pub(super) fn end(&self) -> Instant {
        self.heard + self.interval * PATIENCE
    }

    pub(super) fn look(&mut self, now: Instant) -> Silence {
        if now < self.next() {
            Silence::Short
        } else if now >= self.end() {
            Silence::TooLong
        } else {
            self.asked += 1;
            Silence::Ask
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn a_silent_client_is_asked_twice_and_then_given_up() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, start);
        assert_eq!(keepalive.look(start + INTERVAL / 2), Silence::Short);
        assert_eq!(keepalive.next(), start + INTERVAL);
        assert_eq!(keepalive.look(start + INTERVAL), Silence::Ask);
        assert_eq!(keepalive.look(start + INTERVAL), Silence::Short);
        assert_eq!(keepalive.look(start + 2 * INTERVAL), Silence::Ask);
        assert_eq!(keepalive.next(), start + 3 * INTERVAL);
        assert_eq!(keepalive.look(start + 3 * INTERVAL), Silence::TooLong);
    }

    #[test]
    fn whoever_is_heard_starts_afresh() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(INTERVAL, start);
        assert_eq!(keepalive.look(start + 2 * INTERVAL), Silence::Ask);
        keepalive.heard(start + 2 * INTERVAL);
        assert_eq!(keepalive.next(), start + 3 * INTERVAL);
        assert_eq!(keepalive.look(start + 3 * INTERVAL), Silence::Ask);
        assert_eq!(keepalive.end(), start + 5 * INTERVAL);
    }
}
