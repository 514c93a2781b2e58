//! How long to wait before the next attempt. Owns the growth and the jitter; knows neither clock
//! nor what is attempted. Randomness comes in as an argument.

/// Exponential backoff with jitter, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: u32,
    longest: u32,
    attempts: u32,
}

impl Backoff {
    /// Waits about `first` at first and never more than `longest`.
    pub(crate) fn new(first: u32, longest: u32) -> Self {
        Self {
            first,
            longest,
            attempts: 0,
        }
    }

    /// The next delay. `random` lies in `0.0..1.0`.
    ///
    /// Half of the delay is fixed and half is random, so that the clients of a server that went
    /// away do not come back at the same moment, and none comes back at once.
    pub(crate) fn next(&mut self, random: f64) -> u32 {
        let doubled = self.first.saturating_mul(1 << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        spread(doubled.min(self.longest), random)
    }

    /// Starts over after a success.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Between half of `delay` and all of it.
fn spread(delay: u32, random: f64) -> u32 {
    let half = delay / 2;
    half + (f64::from(delay - half) * random.clamp(0.0, 1.0)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_longest_and_stays_there() {
        let mut backoff = Backoff::new(500, 8_000);
        let delays: Vec<u32> = (0..7).map(|_| backoff.next(1.0)).collect();
        assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        let mut backoff = Backoff::new(1_000, 8_000);
        assert_eq!(backoff.clone().next(0.0), 500);
        assert_eq!(backoff.clone().next(0.5), 750);
        assert_eq!(backoff.next(7.0), 1_000);
    }

    #[test]
    fn reset_starts_over() {
        let mut backoff = Backoff::new(500, 8_000);
        backoff.next(1.0);
        backoff.next(1.0);
        backoff.reset();
        assert_eq!(backoff.next(1.0), 500);
    }

    #[test]
    fn survives_more_attempts_than_bits() {
        let mut backoff = Backoff::new(500, 8_000);
        for _ in 0..100 {
            assert!(backoff.next(1.0) <= 8_000);
        }
    }
}
