//! Whether anything comes from the server while something goes there. A path that broke is missed
//! here long before ICE misses it: Chromium calls it disconnected after five seconds, and most
//! changes of the network tell the page nothing. Knows bytes and moments; decides no repair.

use std::time::Duration;

use super::strain::Frames;

/// Nothing for this long, where there was always something, is silence. Who is sent media sends
/// feedback several times as often.
const SILENCE: Duration = Duration::from_millis(400);
/// What was not steady for this long may be silent whenever it likes.
const STEADY: Duration = Duration::from_secs(1);
/// Samples further apart say nothing of silence: the page was hidden, or the machine slept.
const GAP: Duration = Duration::from_millis(900);
/// Something must have gone to the server in so many samples before an answer is missed.
const UNANSWERED: u32 = 2;

/// How much went each way since the peer connection began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    pub(crate) sent: f64,
    pub(crate) received: f64,
    /// What became of the pictures that came.
    pub(crate) frames: Frames,
}

/// The samples so far.
#[derive(Debug)]
pub(super) struct Flow {
    last: Option<(Duration, Traffic)>,
    /// Since when something came all the time.
    steady_since: Duration,
    /// When something came.
    heard: Duration,
    unanswered: u32,
    silent: bool,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self {
            last: None,
            steady_since: Duration::ZERO,
            heard: Duration::ZERO,
            unanswered: 0,
            silent: false,
        }
    }

    /// What came steadily does not come any more.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Takes a sample.
    pub(super) fn note(&mut self, traffic: Traffic, now: Duration) {
        let before = self.last.replace((now, traffic));
        match before {
            Some((at, before)) if now.saturating_sub(at) <= GAP => {
                self.compare(before, traffic, now);
            }
            Some(_) | None => self.begin(now),
        }
    }

    fn begin(&mut self, now: Duration) {
        self.steady_since = now;
        self.hear(now);
    }

    fn hear(&mut self, now: Duration) {
        self.heard = now;
        self.unanswered = 0;
        self.silent = false;
    }

    fn compare(&mut self, before: Traffic, traffic: Traffic, now: Duration) {
        let quiet = now.saturating_sub(self.heard);
        // Less than before: a pair was given up, and took its count with it.
        if traffic.received > before.received {
            return match quiet < SILENCE {
                true => self.hear(now),
                false => self.begin(now),
            };
        }
        self.unanswered += u32::from(traffic.sent != before.sent);
        let steady = self.heard.saturating_sub(self.steady_since) >= STEADY;
        self.silent |= steady && quiet >= SILENCE && self.unanswered >= UNANSWERED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flow that is sampled every `step` milliseconds.
    struct Samples {
        flow: Flow,
        now: Duration,
        traffic: Traffic,
        step: u64,
    }

    impl Samples {
        fn new(step: u64) -> Self {
            let traffic = Traffic::default();
            Self {
                flow: Flow::new(),
                now: Duration::from_secs(100),
                traffic,
                step,
            }
        }

        /// So many samples between which so much goes each way. Returns whether it is silent then.
        fn take(&mut self, samples: u32, sent: f64, received: f64) -> bool {
            for _ in 0..samples {
                self.now += Duration::from_millis(self.step);
                self.traffic.sent += sent;
                self.traffic.received += received;
                self.flow.note(self.traffic, self.now);
            }
            self.flow.is_silent()
        }
    }

    #[test]
    fn what_stops_is_missed_and_what_goes_on_is_not() {
        let mut samples = Samples::new(200);
        assert!(!samples.take(10, 100.0, 100.0));
        assert!(!samples.take(1, 100.0, 0.0));
        assert!(samples.take(1, 100.0, 0.0));
        assert!(samples.take(9, 100.0, 0.0));
        assert!(!samples.take(1, 100.0, 100.0));
    }

    #[test]
    fn a_pair_that_is_given_up_is_no_sign_of_life() {
        let mut samples = Samples::new(200);
        samples.take(10, 100.0, 100.0);
        assert!(samples.take(3, -50.0, -50.0));
    }

    #[test]
    fn nobody_answers_who_is_not_spoken_to() {
        let mut samples = Samples::new(200);
        samples.take(10, 100.0, 100.0);
        assert!(!samples.take(50, 0.0, 0.0));
    }

    #[test]
    fn what_comes_now_and_then_is_not_missed() {
        let mut samples = Samples::new(200);
        for _ in 0..50 {
            assert!(!samples.take(1, 100.0, 100.0));
            assert!(!samples.take(4, 100.0, 0.0));
        }
    }

    #[test]
    fn who_looks_seldom_or_slept_misses_nothing() {
        let mut samples = Samples::new(1_000);
        samples.take(50, 100.0, 100.0);
        assert!(!samples.take(50, 100.0, 0.0));
        let mut samples = Samples::new(200);
        samples.take(50, 100.0, 100.0);
        samples.now += Duration::from_secs(3_600);
        assert!(!samples.take(50, 100.0, 0.0));
    }
}
