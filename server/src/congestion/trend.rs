//! Whether the queue on the path grows: the slope of the one-way delay over the last groups, against a
//! threshold that follows how much the path varies by itself (draft-ietf-rmcat-gcc-02 §5.4; the line is
//! fitted as libwebrtc's trendline estimator does, instead of the draft's Kalman filter).

use super::groups::Delta;

/// Groups that the line is fitted through.
const WINDOW: usize = 20;
/// How much of the smoothed delay stays with each group.
const SMOOTHING: f64 = 0.9;
/// What the slope counts, in milliseconds of delay for each group, up to so many groups.
const GAIN: f64 = 4.0;
const MAX_WEIGHT: u32 = 60;

const FIRST_THRESHOLD: f64 = 12.5;
const THRESHOLDS: std::ops::RangeInclusive<f64> = 6.0..=600.0;
/// How fast the threshold follows, by the millisecond: up slowly enough for a queue to be noticed, and
/// down as libwebrtc's does, which is faster than the draft has it.
const FOLLOW_UP: f64 = 0.0087;
const FOLLOW_DOWN: f64 = 0.039;
/// What is farther above the threshold is a spike, which it does not follow.
const SPIKE: f64 = 15.0;
/// How long the queue grows before it counts, in milliseconds.
const OVERUSE_TIME: f64 = 10.0;

/// How the path is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    /// The queue stays as it is.
    #[default]
    Normal,
    /// It grows.
    Over,
    /// It empties.
    Under,
}

/// The line, and the threshold.
#[derive(Debug)]
pub(super) struct Trend {
    /// When groups arrived and how late they were, smoothed, in milliseconds since the first.
    points: [(f32, f32); WINDOW],
    len: usize,
    next: usize,
    /// Since the first group, in milliseconds.
    arrived: f64,
    late: f64,
    smoothed: f64,
    groups: u32,
    slope: f64,
    threshold: f64,
    over_for: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            len: 0,
            next: 0,
            arrived: 0.0,
            late: 0.0,
            smoothed: 0.0,
            groups: 0,
            slope: 0.0,
            threshold: FIRST_THRESHOLD,
            over_for: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    /// How the path is used.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes how far apart two groups were.
    pub(super) fn add(&mut self, delta: Delta) -> Usage {
        self.arrived += delta.arrived;
        self.late += delta.arrived - delta.sent;
        self.groups = (self.groups + 1).min(1000);
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.late;
        // Small numbers are precise enough in half the space, and stay small.
        if self.arrived > 60_000.0 {
            self.rebase();
        }
        self.points[self.next] = (self.arrived as f32, self.smoothed as f32);
        self.next = (self.next + 1) % WINDOW;
        self.len = (self.len + 1).min(WINDOW);
        let before = self.slope;
        if self.len == WINDOW {
            self.slope = self.fit().unwrap_or(self.slope);
        }
        self.judge(delta, before);
        self.usage
    }

    /// Moves the beginning of time to now.
    fn rebase(&mut self) {
        let (arrived, late) = (self.arrived as f32, self.late as f32);
        for (x, y) in &mut self.points {
            *x -= arrived;
            *y -= late;
        }
        self.arrived = 0.0;
        self.smoothed -= self.late;
        self.late = 0.0;
    }

    /// The slope of the line of least squares.
    fn fit(&self) -> Option<f64> {
        let points = || {
            self.points
                .iter()
                .map(|(x, y)| (f64::from(*x), f64::from(*y)))
        };
        let (sum_x, sum_y) =
            points().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let (mean_x, mean_y) = (sum_x / WINDOW as f64, sum_y / WINDOW as f64);
        let (rise, run) = points().fold((0.0, 0.0), |sum, (x, y)| {
            let (x, y) = (x - mean_x, y - mean_y);
            (sum.0 + x * y, sum.1 + x * x)
        });
        (run > 0.0).then(|| rise / run)
    }

    fn judge(&mut self, delta: Delta, before: f64) {
        if self.groups < 2 {
            return;
        }
        let trend = f64::from(self.groups.min(MAX_WEIGHT)) * self.slope * GAIN;
        if trend > self.threshold {
            let over_for = self
                .over_for
                .map_or(delta.sent / 2.0, |time| time + delta.sent);
            self.over_for = Some(over_for);
            self.over_count += 1;
            if over_for > OVERUSE_TIME && self.over_count > 1 && self.slope >= before {
                (self.over_for, self.over_count) = (Some(0.0), 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_for, self.over_count) = (None, 0);
            self.usage = match trend < -self.threshold {
                true => Usage::Under,
                false => Usage::Normal,
            };
        }
        self.follow(trend.abs(), delta.arrived);
    }

    fn follow(&mut self, trend: f64, elapsed: f64) {
        if trend > self.threshold + SPIKE {
            return;
        }
        let speed = match trend < self.threshold {
            true => FOLLOW_DOWN,
            false => FOLLOW_UP,
        };
        let step = speed * (trend - self.threshold) * elapsed.clamp(0.0, 100.0);
        self.threshold = (self.threshold + step).clamp(*THRESHOLDS.start(), *THRESHOLDS.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(trend: &mut Trend, groups: usize, arrived: impl Fn(usize) -> f64) -> Vec<Usage> {
        let delta = |at| Delta {
            sent: 20.0,
            arrived: arrived(at),
        };
        (0..groups).map(|at| trend.add(delta(at))).collect()
    }

    #[test]
    fn a_queue_that_grows_is_noticed_within_a_second() {
        let mut trend = Trend::default();
        let steady = feed(&mut trend, 200, |_| 20.0);
        assert!(steady.iter().all(|usage| *usage == Usage::Normal));
        let growing = feed(&mut trend, 50, |_| 22.0);
        let noticed = growing.iter().position(|usage| *usage == Usage::Over);
        assert!(noticed.is_some_and(|at| at < 20), "{noticed:?}");
        let emptying = feed(&mut trend, 50, |_| 18.0);
        assert!(emptying.contains(&Usage::Under));
        let steady = feed(&mut trend, 200, |_| 20.0);
        assert_eq!(steady.last(), Some(&Usage::Normal));
    }

    #[test]
    fn jitter_is_no_queue_however_long_it_lasts() {
        let mut trend = Trend::default();
        // For hours, so that time begins anew on the way.
        let usages = feed(&mut trend, 100_000, |at| match at % 4 {
            0 => 32.0,
            1 => 8.0,
            2 => 26.0,
            _ => 14.0,
        });
        let over = usages.iter().filter(|usage| **usage == Usage::Over).count();
        assert_eq!(over, 0);
    }
}
