//! How much arrives: the rate of what the other end said it got, by when it got it. One window's rate
//! counts the less the farther it is from what was known, as libwebrtc's estimator has it.

/// The window at first, and later, in microseconds.
const FIRST_WINDOW: i64 = 500_000;
const WINDOW: i64 = 150_000;
/// A pause longer than this is no part of a rate.
const MAX_PAUSE: i64 = 1_000_000;
/// How unsure a window's rate is, by how far it is off.
const UNCERTAINTY: f64 = 10.0;
/// How much less sure what is known becomes with each window.
const FORGETTING: f64 = 5.0;
/// And where there is a reason to think that it changed.
const DOUBT: f64 = 200.0;

/// The rate.
#[derive(Debug)]
pub(super) struct Acknowledged {
    bytes: u64,
    window_began: Option<i64>,
    /// In kbit/s.
    rate: Option<f64>,
    variance: f64,
}

impl Default for Acknowledged {
    fn default() -> Self {
        Self {
            bytes: 0,
            window_began: None,
            rate: None,
            variance: 50.0,
        }
    }
}

impl Acknowledged {
    /// In bits per second, once it is known.
    pub(super) fn bits(&self) -> Option<f64> {
        self.rate.map(|kbits| kbits * 1000.0)
    }

    /// Takes a packet that arrived then, in microseconds.
    pub(super) fn add(&mut self, arrived: i64, bytes: u16) {
        let began = *self.window_began.get_or_insert(arrived);
        let window = self.rate.map_or(FIRST_WINDOW, |_| WINDOW);
        let elapsed = arrived - began;
        if elapsed < -MAX_PAUSE || elapsed > window + MAX_PAUSE {
            (self.bytes, self.window_began) = (0, Some(arrived));
        } else if elapsed >= window {
            let kbits = (8 * self.bytes) as f64 / (elapsed as f64 / 1000.0);
            self.learn(kbits);
            (self.bytes, self.window_began) = (0, Some(arrived));
        }
        self.bytes += u64::from(bytes);
    }

    /// It may have changed: what comes next counts for more.
    pub(super) fn doubt(&mut self) {
        self.variance = self.variance.max(DOUBT);
    }

    fn learn(&mut self, sample: f64) {
        let Some(rate) = self.rate else {
            self.rate = Some(sample);
            return;
        };
        let off = UNCERTAINTY * (rate - sample).abs() / rate.max(1.0);
        let (sample_variance, variance) = (off * off, self.variance + FORGETTING);
        let all = sample_variance + variance;
        self.rate = Some((sample_variance * rate + variance * sample) / all);
        self.variance = sample_variance * variance / all;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_arrives() {
        let mut acknowledged = Acknowledged::default();
        let mut at = 0;
        let mut feed = |bytes: u16, millis: i64, acknowledged: &mut Acknowledged| {
            for _ in 0..millis / 10 {
                at += 10_000;
                acknowledged.add(at, bytes);
            }
        };
        feed(1250, 400, &mut acknowledged);
        assert_eq!(acknowledged.bits(), None);
        feed(1250, 600, &mut acknowledged);
        assert!((acknowledged.bits().unwrap() - 1e6).abs() < 5e4);
        feed(625, 1500, &mut acknowledged);
        assert!((acknowledged.bits().unwrap() - 5e5).abs() < 1e5);
    }

    #[test]
    fn a_pause_is_no_rate() {
        let mut acknowledged = Acknowledged::default();
        (0..100).for_each(|n| acknowledged.add(n * 10_000, 1250));
        (0..10).for_each(|n| acknowledged.add(60_000_000 + n * 10_000, 1250));
        assert!((acknowledged.bits().unwrap() - 1e6).abs() < 5e4);
    }
}
