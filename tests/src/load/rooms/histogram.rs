//! Counts times, as many as there are, in little memory: 64 steps for each doubling, so that what
//! is read off it is within 1.6 % of what it was.

use std::time::Duration;

/// Steps for each doubling.
const STEPS: u64 = 64;
const SHIFT: u32 = STEPS.trailing_zeros();

/// Times, counted.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts a time.
    pub fn note(&mut self, time: Duration) {
        let at = step(time.as_nanos() as u64);
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.total += 1;
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value below which this share lies, in milliseconds: the upper end of a step, so that it is never less
    /// than it was; 0 of none.
    #[must_use]
    pub fn ms(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return value(at + 1) as f64 / 1e6;
            }
        }
        0.0
    }
}

fn step(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let doublings = value.ilog2() - SHIFT;
    (u64::from(doublings + 1) * STEPS + ((value >> doublings) - STEPS)) as usize
}

fn value(step: usize) -> u64 {
    let (doublings, rest) = (step as u64 / STEPS, step as u64 % STEPS);
    match doublings.checked_sub(1) {
        None => rest,
        Some(doublings) => (STEPS + rest) << doublings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_off_it_is_near_what_it_was() {
        for nanoseconds in [0, 1, 63, 64, 65, 1000, 123_456, 1 << 40] {
            let mut histogram = Histogram::default();
            histogram.note(Duration::from_nanos(nanoseconds));
            let (read, was) = (histogram.ms(0.5) * 1e6, nanoseconds as f64);
            assert!((was..=was * 1.02 + 1.0).contains(&read), "{read} {was}");
        }
        let mut all = Histogram::default();
        (1..=1000).for_each(|at| all.note(Duration::from_micros(at)));
        assert!((0.5..=0.51).contains(&all.ms(0.5)), "{}", all.ms(0.5));
        assert!((0.99..=1.01).contains(&all.ms(0.99)), "{}", all.ms(0.99));
    }
}
