//! The rate that losses allow (draft-ietf-rmcat-gcc-02 §6): a queue that is short drops before its delay
//! shows. Below a tenth nothing is concluded: a radio link loses that much whatever is sent.

use std::time::{Duration, Instant};

use super::limits::MIN_RATE;

/// What of the packets may be lost.
const TOLERATED: f64 = 0.10;
/// Below this the rate grows again.
const HARMLESS: f64 = 0.05;
/// By how much in a second.
const GROWTH: f64 = 1.08;
/// Packets of which at least a share is taken, and for how long they are gathered.
const MIN_PACKETS: u32 = 20;
const MIN_TIME: Duration = Duration::from_millis(200);
/// The least time between two cuts, besides the round trip.
const BETWEEN_CUTS: Duration = Duration::from_millis(300);

/// What was lost, and the rate that allows.
#[derive(Debug)]
pub(super) struct Loss {
    /// Of the packets answered since.
    since: Instant,
    answered: u32,
    /// Below nothing where what was said to be lost before has arrived since.
    lost: i64,
    /// The share lost when it was last taken.
    share: f64,
    /// In bits per second. `None` where losses limit nothing.
    limit: Option<f64>,
    cut: Option<Instant>,
}

impl Loss {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            answered: 0,
            lost: 0,
            share: 0.0,
            limit: None,
            cut: None,
        }
    }

    /// The share that was lost of late.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Nothing was heard for long: what was lost before says nothing of now.
    pub(super) fn forget(&mut self, now: Instant) {
        (self.since, self.answered, self.lost, self.share) = (now, 0, 0, 0.0);
    }

    /// In bits per second.
    pub(super) fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// When it was last lowered.
    pub(super) fn cut(&self) -> Option<Instant> {
        self.cut
    }

    /// A packet arrived, or is said to be lost. One that `was_lost` was counted already.
    pub(super) fn count(&mut self, arrived: bool, was_lost: bool) {
        if was_lost {
            self.lost -= 1;
            return;
        }
        self.answered += 1;
        self.lost += i64::from(!arrived);
    }

    /// Of so many packets so many were lost.
    pub(super) fn count_many(&mut self, answered: u32, lost: u32) {
        self.answered = self.answered.saturating_add(answered);
        self.lost += i64::from(lost);
    }

    /// Whether more was lost of late than lets the rate grow.
    pub(super) fn is_harmful(&self) -> bool {
        self.share >= HARMLESS
    }

    /// A probe arrived at this rate.
    pub(super) fn raise(&mut self, bits: f64) {
        self.limit = self.limit.map(|limit| limit.max(bits));
    }

    /// Draws the conclusions; `bits` is what would be sent without this, and `least` what there is room for
    /// in any case: a little less than what arrives.
    pub(super) fn update(&mut self, now: Instant, round_trip: Duration, bits: f64, least: f64) {
        let elapsed = now.saturating_duration_since(self.since);
        if self.answered < MIN_PACKETS || elapsed < MIN_TIME {
            return;
        }
        self.share = self.lost.max(0) as f64 / f64::from(self.answered);
        (self.since, self.answered, self.lost) = (now, 0, 0);
        let limit = self.limit.unwrap_or(f64::INFINITY).min(bits);
        if self.share > TOLERATED {
            let interval = BETWEEN_CUTS + round_trip;
            if self.cut.is_none_or(|cut| now >= cut + interval) {
                self.cut = Some(now);
                let cut = limit * (1.0 - self.share / 2.0);
                self.limit = Some(cut.max(least).clamp(MIN_RATE, bits));
            }
        } else if self.share < HARMLESS {
            let seconds = elapsed.as_secs_f64().min(1.0);
            let grown = self.limit.map(|limit| limit * GROWTH.powf(seconds));
            self.limit = grown.filter(|limit| *limit < bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit after ten seconds of a hundred packets each, of which every so manieth is lost.
    fn limit(every: u32) -> Option<f64> {
        let start = Instant::now();
        let mut loss = Loss::new(start);
        for at in 1..=1000 {
            loss.count(at % every != 0, false);
            let now = start + Duration::from_millis(10) * at;
            loss.update(now, Duration::from_millis(50), 1e6, 0.0);
        }
        loss.limit()
    }

    #[test]
    fn a_few_lost_limit_nothing_and_many_do() {
        assert_eq!(limit(20), None);
        assert_eq!(limit(12), None);
        assert!(limit(5).is_some_and(|bits| bits < 5e5));
    }

    #[test]
    fn once_nothing_is_lost_the_limit_goes() {
        let start = Instant::now();
        let mut loss = Loss::new(start);
        let mut feed = |from: u32, to: u32, arrived| {
            for at in from..to {
                loss.count(arrived, false);
                let now = start + Duration::from_millis(10) * at;
                loss.update(now, Duration::from_millis(50), 1e6, 0.0);
            }
            loss.limit()
        };
        assert_eq!(feed(0, 100, false), Some(250_000.0));
        assert!(feed(100, 1000, true).is_some_and(|bits| bits > 2e5));
        assert_eq!(feed(1000, 4000, true), None);
    }

    #[test]
    fn what_arrives_after_all_was_not_lost() {
        let start = Instant::now();
        let mut loss = Loss::new(start);
        (0..40).for_each(|_| loss.count(false, false));
        (0..40).for_each(|_| loss.count(true, true));
        loss.update(start + MIN_TIME, Duration::ZERO, 1e6, 0.0);
        assert_eq!((loss.share(), loss.limit()), (0.0, None));
    }
}
