//! Whether the other end is still there. Each end has one of these per WebSocket.

use std::time::Duration;

/// An end that was not heard from for this many ping intervals is gone.
const SILENT_INTERVALS: u32 = 3;

/// How long a probe waits, where three intervals are longer.
const PROBE: Duration = Duration::from_secs(3);

/// No probe waits less: the other end may be busy.
const SHORTEST_PROBE: Duration = Duration::from_millis(500);

/// A probe waits for so many round trips, where it is known how long one takes.
const PROBE_ROUND_TRIPS: u32 = 4;

/// A wake-up later than this was held back: the machine slept, or the tab was hidden. A browser
/// holds a hidden tab's timers back to one a second, and later to one a minute.
const LATE: Duration = Duration::from_secs(2);

/// No server's interval makes a client ping more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// What is to be done about the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Ping it.
    Ping,
    /// It is gone.
    Gone,
}

/// When to ping the other end, and when to take it for gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liveness {
    interval: Duration,
    next_ping: Duration,
    gone_at: Duration,
    probing: bool,
    patience: Duration,
}

impl Liveness {
    /// Starts with the other end heard just now.
    #[must_use]
    pub fn new(interval: Duration, now: Duration) -> Self {
        let interval = interval.max(SHORTEST_INTERVAL);
        Self {
            interval,
            next_ping: now + interval,
            gone_at: now + interval * SILENT_INTERVALS,
            probing: false,
            patience: PROBE.min(interval * SILENT_INTERVALS),
        }
    }

    /// Knows how long a round trip takes: who is this near is missed sooner.
    #[must_use]
    pub fn over(mut self, round_trip: Duration) -> Self {
        let enough = round_trip.saturating_mul(PROBE_ROUND_TRIPS);
        self.patience = self.patience.min(enough.max(SHORTEST_PROBE));
        self
    }

    /// Anything came from the other end.
    pub fn heard(&mut self, now: Duration) {
        self.gone_at = now + self.interval * SILENT_INTERVALS;
        self.probing = false;
    }

    /// There is reason to doubt the other end: ping it now, and do not wait long. Says whether to
    /// ping; doubting again changes nothing, or it would put the end off for ever.
    pub fn probe(&mut self, now: Duration) -> bool {
        if self.probing {
            return false;
        }
        self.probing = true;
        self.gone_at = now + self.patience;
        self.next_ping = now + self.interval;
        true
    }

    /// Whether a probe waits for its answer.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.probing
    }

    /// When to call [`tick`](Self::tick) next.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.next_ping.min(self.gone_at)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Option<Due> {
        let late = now.saturating_sub(self.deadline()) > LATE;
        if now >= self.gone_at {
            // Who slept through the pongs has no right to call the other end silent.
            let asked = late && self.probe(now);
            return Some(if asked { Due::Ping } else { Due::Gone });
        }
        if now < self.next_ping {
            return None;
        }
        self.next_ping = now + self.interval;
        Some(Due::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pings_each_interval_and_gives_up_after_three_silent_ones() {
        let mut liveness = Liveness::new(s(10), s(0));
        assert_eq!(liveness.tick(s(9)), None);
        assert_eq!(liveness.tick(s(10)), Some(Due::Ping));
        assert_eq!(liveness.tick(s(20)), Some(Due::Ping));
        assert_eq!(liveness.deadline(), s(30));
        assert_eq!(liveness.tick(s(30)), Some(Due::Gone));
    }

    #[test]
    fn anything_heard_starts_the_three_anew() {
        let mut liveness = Liveness::new(s(10), s(0));
        for now in 1..100 {
            assert_ne!(liveness.tick(s(now)), Some(Due::Gone));
            if now % 29 == 0 {
                liveness.heard(s(now));
            }
        }
    }

    #[test]
    fn who_slept_asks_before_it_gives_up() {
        let mut liveness = Liveness::new(s(10), s(0));
        assert_eq!(liveness.tick(s(600)), Some(Due::Ping));
        assert_eq!(liveness.deadline(), s(603));
        assert_eq!(liveness.clone().tick(s(603)), Some(Due::Gone));
        liveness.heard(s(601));
        assert_eq!(liveness.tick(s(603)), None);
    }

    #[test]
    fn timers_held_back_to_one_a_minute_end_nothing_that_answers() {
        let mut liveness = Liveness::new(s(10), s(0));
        for now in (60..6000).step_by(60) {
            assert_eq!(liveness.tick(s(now)), Some(Due::Ping));
            liveness.heard(s(now));
        }
    }

    #[test]
    fn doubting_twice_puts_nothing_off() {
        let mut liveness = Liveness::new(s(10), s(0));
        assert!(liveness.probe(s(1)));
        assert!(!liveness.probe(s(3)));
        assert_eq!(liveness.tick(s(4)), Some(Due::Gone));
    }

    #[test]
    fn a_near_end_is_missed_sooner_than_a_far_one() {
        let waits = [0, 200, 600, 5_000].map(|round_trip| {
            let liveness = Liveness::new(s(10), s(0));
            let mut liveness = liveness.over(Duration::from_millis(round_trip));
            liveness.probe(s(0));
            liveness.deadline().as_millis()
        });
        assert_eq!(waits, [500, 800, 2_400, 3_000]);
    }

    #[test]
    fn an_interval_of_nothing_is_a_second() {
        assert_eq!(Liveness::new(s(0), s(0)).deadline(), s(1));
    }
}
