//! How long to wait before another attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// The wait before attempt number `attempt`, counted from 0. `random` lies in `0.0..1.0`.
///
/// It doubles from half a second to fifteen. One half of it is fixed and the other is random, so
/// that the clients of a server that went away come back neither at once nor together.
#[must_use]
pub fn backoff(attempt: u32, random: f64) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    let half = whole / 2;
    // The cast takes NaN for 0 and stops at the ends, where `mul_f64` would panic. Browsers' timers
    // know whole milliseconds only.
    let extra = Duration::from_millis((half.as_millis() as f64 * random) as u64);
    half + extra.min(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_stays_at_the_longest() {
        let waits = [0, 1, 2, 3, 4, 5, 6, 31, u32::MAX].map(|n| backoff(n, 1.0).as_millis());
        let expected = [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 15000];
        assert_eq!(waits, expected);
    }

    #[test]
    fn chance_takes_away_up_to_half() {
        let waits = [0.0, 0.5, 1.0, 7.0, -1.0, f64::NAN].map(|r| backoff(1, r).as_millis());
        assert_eq!(waits, [500, 750, 1000, 1000, 500, 500]);
    }
}
