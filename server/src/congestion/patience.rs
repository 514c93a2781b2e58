//! How long something waits before it is raised again. Where a raise proved too much, the next one to as much waits twice
//! as long, so that a path just below what is better is not tried all the time; where one held, half as long.

use std::time::{Duration, Instant};

use super::point::OperatingPoint;

/// What was lowered is not raised for this long, at first
const HOLD: Duration = Duration::from_secs(2);
/// and at most.
pub const MAX_HOLD: Duration = Duration::from_secs(64);
/// The most where nothing is sent of it: nothing at all is worse than what comes and goes.
pub const MAX_PAUSED_HOLD: Duration = Duration::from_secs(8);
/// A raise that is too much shows within this time.
const SETTLED: Duration = Duration::from_secs(30);
/// So much more room than there was at a raise that failed is another path: nothing was tried there.
const OTHER: f64 = 1.5;

/// A raise: to what, and how much room there was.
#[derive(Clone, Copy, Debug)]
struct Raise {
    point: OperatingPoint,
    available: u64,
    /// Other things are watched since: it says nothing where it proves too much.
    is_excused: bool,
}

/// The patience with one thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    hold: Duration,
    lowered: Option<Instant>,
    /// When it was raised last since it was lowered.
    raised: Option<(Instant, Raise)>,
    /// What proved too much.
    failed: Option<Raise>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hold: HOLD,
            lowered: None,
            raised: None,
            failed: None,
        }
    }
}

impl Patience {
    /// It was raised, where so much was available.
    pub(super) fn raise(&mut self, now: Instant, available: u64, point: OperatingPoint) {
        let raise = Raise {
            point,
            available,
            is_excused: false,
        };
        self.raised = Some((now, raise));
    }

    /// Other things are watched beside it: there is more room for it, or less, whatever was tried.
    pub(super) fn excuse(&mut self) {
        self.failed = None;
        if let Some((_, raise)) = &mut self.raised {
            raise.is_excused = true;
        }
    }

    /// It was lowered.
    pub(super) fn lower(&mut self, now: Instant) {
        self.lowered = Some(now);
        let Some((at, raise)) = self.raised.take() else {
            return;
        };
        let held = now.saturating_duration_since(at).as_secs() / SETTLED.as_secs();
        if held == 0 && raise.is_excused {
            return;
        }
        if held == 0 {
            self.failed = Some(raise);
            self.hold = (2 * self.hold).min(MAX_HOLD);
        } else {
            self.hold = (self.hold / (1 << held.min(8))).max(HOLD);
        }
    }

    /// Whether it is not to be raised to this yet, where so much is available. What is less than what proved too much
    /// waits no longer than ever.
    pub(super) fn holds(
        &self,
        now: Instant,
        available: u64,
        point: OperatingPoint,
        is_paused: bool,
    ) -> bool {
        let is_like = |failed: &Raise| {
            point <= failed.point && available as f64 <= OTHER * failed.available as f64
        };
        let hold = match (self.failed.as_ref().is_some_and(is_like), is_paused) {
            (false, _) => HOLD,
            (true, true) => self.hold.min(MAX_PAUSED_HOLD),
            (true, false) => self.hold,
        };
        self.lowered.is_some_and(|at| now < at + hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: OperatingPoint = OperatingPoint {
        layer: 1,
        temporal: 1,
    };

    /// How long it waits, where each raise lasts so many seconds.
    fn waits(lasts: &[u64]) -> Vec<u64> {
        let (mut now, mut patience) = (Instant::now(), Patience::default());
        patience.lower(now);
        let wait = |lasts: &u64| {
            let began = now;
            while patience.holds(now, 500_000, POINT, false) {
                now += Duration::from_secs(1);
            }
            let waited = now - began;
            patience.raise(now, 500_000, POINT);
            now += Duration::from_secs(*lasts);
            patience.lower(now);
            waited.as_secs()
        };
        lasts.iter().map(wait).collect()
    }

    #[test]
    fn what_proves_too_much_waits_ever_longer_and_less_long_once_it_held() {
        assert_eq!(waits(&[5; 8]), [2, 4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(waits(&[5, 5, 5, 35, 5, 95, 5]), [2, 4, 8, 16, 8, 16, 2]);
    }

    #[test]
    fn what_fails_beside_other_things_says_nothing() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        patience.raise(start, 500_000, POINT);
        patience.excuse();
        patience.lower(start);
        assert!(!patience.holds(start + HOLD, 500_000, POINT, false));
        patience.raise(start, 500_000, POINT);
        patience.lower(start);
        assert!(patience.holds(start + HOLD, 500_000, POINT, false));
        // Nor what failed beside what is gone.
        patience.excuse();
        assert!(!patience.holds(start + HOLD, 500_000, POINT, false));
    }

    #[test]
    fn much_more_room_is_taken_and_nothing_at_all_does_not_last() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        for _ in 0..9 {
            patience.raise(start, 500_000, POINT);
            patience.lower(start);
        }
        let holds = |after, available, is_paused| {
            patience.holds(start + after, available, POINT, is_paused)
        };
        assert!(holds(MAX_HOLD / 2, 700_000, false));
        assert!(!holds(HOLD, 800_000, false) && holds(HOLD / 2, 800_000, false));
        assert!(!holds(MAX_PAUSED_HOLD, 500_000, true));
        // Nor what is less than what proved too much.
        let less = OperatingPoint {
            temporal: 0,
            ..POINT
        };
        assert!(!patience.holds(start + HOLD, 500_000, less, false));
    }
}
