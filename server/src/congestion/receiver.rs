//! What the other end itself makes of its path, where it says nothing of single packets: its estimate
//! (REMB, draft-alvestrand-rmcat-remb-03), and the losses that its reports tell of (RFC 3550 §6.4.1).
//!
//! Such an estimate is hardly more than what arrives: libwebrtc allows one and a half times that. So while more is
//! wanted what is sent is filled up, now and then, with padding to what the estimate allows, and it grows for as
//! long as the path carries that.

use std::time::{Duration, Instant};

use super::limits::{BETA, MAX_RATE, MIN_RATE};
use super::loss::Loss;
use super::rate::{AHEAD_ALLOWANCE, MAX_AHEAD};
use super::{Estimate, MAX_PROBE, PROBE_MARGIN};

/// What the other end said last is over after this long: it says so again each second.
pub const MAX_SILENCE: Duration = Duration::from_secs(10);
/// A report that covers more packets than this says nothing, or lies.
const MAX_COVERED: u32 = 1 << 14;
/// The least time that what was sent is measured over.
const MIN_SPAN: Duration = Duration::from_millis(500);
/// Between two reports, for what is concluded no sooner than what was done can show.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// What is sent is filled up in steps of this.
const TICK: Duration = Duration::from_millis(10);
/// No more is made up for at once, in bytes.
pub const MAX_BURST: f64 = 4_000.0;
/// The time between two attempts.
pub const FILL_INTERVAL: Duration = Duration::from_secs(4);
/// And after failures, at most.
pub const MAX_FILL_INTERVAL: Duration = Duration::from_secs(32);
/// The estimate that fell to this share of its best shows that there is no more.
const FELL: f64 = 0.9;
/// Nor is there where it grew by less than this share in [`FILL_PATIENCE`].
const GREW: f64 = 1.05;
/// How long it is filled up without more being said.
pub const FILL_PATIENCE: Duration = Duration::from_secs(4);

/// What the other end says.
#[derive(Debug)]
pub struct ReceiverEstimator {
    /// In bits per second, and when.
    said: Option<(f64, Instant)>,
    loss: Loss,
    /// The highest sequence number reported of each section.
    reported: Vec<Option<u32>>,
    sent: Sent,
    /// In bits per second: what would be sent if there was room for it.
    wanted: f64,
    filling: Option<Filling>,
    next_filling: Option<Instant>,
    interval: Duration,
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    looked: Instant,
    bytes: u64,
    /// In bits per second.
    rate: Option<f64>,
}

/// What is sent is being filled up.
#[derive(Debug)]
struct Filling {
    /// The best that was said meanwhile, and when it last grew.
    best: f64,
    grew: Instant,
    looked: Instant,
    bytes: u64,
    /// How many bytes are missing.
    missing: f64,
}

impl ReceiverEstimator {
    /// Nothing was said yet; so many bytes were sent by now, ever.
    pub fn new(now: Instant, bytes: u64) -> Self {
        Self {
            said: None,
            loss: Loss::new(now),
            reported: Vec::new(),
            sent: Sent {
                looked: now,
                bytes,
                rate: None,
            },
            wanted: 0.0,
            filling: None,
            next_filling: None,
            interval: FILL_INTERVAL,
        }
    }

    /// The other end wants no more than this, in bits per second.
    pub fn hear(&mut self, now: Instant, bits_per_second: u64) {
        let bits = (bits_per_second as f64).clamp(MIN_RATE, MAX_RATE);
        self.said = Some((bits, now));
    }

    /// A report of what came on a section: of the packets since the last, so many 256ths were lost.
    pub fn report(&mut self, section: usize, fraction_lost: u8, highest_sequence: u32) {
        if self.reported.len() <= section {
            self.reported.resize(section + 1, None);
        }
        let before = self.reported[section].replace(highest_sequence);
        let covered = before.map_or(0, |before| highest_sequence.wrapping_sub(before));
        if covered <= MAX_COVERED {
            self.loss
                .count_many(covered, covered * u32::from(fraction_lost) / 256);
        }
    }

    /// Draws the conclusions from reports; so many bytes were sent by now, ever.
    pub fn conclude(&mut self, now: Instant, bytes: u64) {
        let elapsed = now.saturating_duration_since(self.sent.looked);
        match bytes.checked_sub(self.sent.bytes) {
            // Something is not sent any more, and so not counted: how much the rest was is not known.
            None => {
                self.sent = Sent {
                    looked: now,
                    bytes,
                    rate: None,
                };
            }
            Some(more) if elapsed >= MIN_SPAN => {
                self.sent = Sent {
                    looked: now,
                    bytes,
                    rate: Some(8.0 * more as f64 / elapsed.as_secs_f64()),
                };
            }
            Some(_) => {}
        }
        let Some(sent) = self.sent.rate else { return };
        // No more is known to be there.
        let known = MAX_AHEAD * sent + AHEAD_ALLOWANCE;
        let bits = self.said.map_or(known, |(said, _)| said.min(known));
        let least = BETA * sent * (1.0 - self.loss.share());
        self.loss
            .update(now, ROUND_TRIP, bits.max(MIN_RATE), least.min(bits));
    }

    /// So much would be sent if there was room, in bits per second.
    pub fn want(&mut self, bits_per_second: u64) {
        self.wanted = (bits_per_second as f64).min(MAX_RATE);
    }

    /// What the path carries, as far as the other end says so.
    pub fn estimate(&self) -> Option<Estimate> {
        let said = self.said.map(|(bits, _)| bits);
        let bits = said.into_iter().chain(self.loss.limit());
        Some(Estimate {
            bits_per_second: bits.reduce(f64::min)? as u64,
            acknowledged: self.arriving().unwrap_or(0.0) as u64,
            loss: self.loss.share() as f32,
            round_trip: ROUND_TRIP,
        })
    }

    fn arriving(&self) -> Option<f64> {
        Some(self.sent.rate? * (1.0 - self.loss.share()))
    }

    /// Lets time pass; so many bytes were sent by now, ever, without padding. `can_fill` where there is something to
    /// fill up with.
    pub fn handle_timeout(&mut self, now: Instant, bytes: u64, can_fill: bool) {
        self.said.take_if(|(_, at)| now >= *at + MAX_SILENCE);
        let said = self.said.map(|(bits, _)| bits);
        let wants_more = |said: &f64| *said < PROBE_MARGIN * self.wanted;
        let may_fill = can_fill && !self.loss.is_harmful();
        let Some(said) = said.filter(wants_more).filter(|_| may_fill) else {
            if self.filling.take().is_some() {
                self.interval = FILL_INTERVAL;
                self.next_filling = Some(now + self.interval);
            }
            return;
        };
        if let Some(filling) = &mut self.filling {
            filling.advance(now, said.min(MAX_PROBE), bytes);
            if filling.is_vain(now, said) {
                self.filling = None;
                self.next_filling = Some(now + self.interval);
                self.interval = (2 * self.interval).min(MAX_FILL_INTERVAL);
            }
        } else if self.next_filling.is_none_or(|at| now >= at) {
            self.filling = Some(Filling::new(now, said, bytes));
        }
    }

    /// Whether padding is to be sent now, of so many bytes: asked again after each packet.
    pub fn takes_padding(&mut self, bytes: usize) -> bool {
        let Some(filling) = &mut self.filling else {
            return false;
        };
        let takes = filling.missing >= bytes as f64;
        filling.missing -= if takes { bytes as f64 } else { 0.0 };
        takes
    }

    /// When [`Self::handle_timeout`] next has something to do, while what is sent is filled up. What else is due may
    /// wait for a second.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.filling.as_ref().map(|filling| filling.looked + TICK)
    }
}

impl Filling {
    fn new(now: Instant, said: f64, bytes: u64) -> Self {
        Self {
            best: said,
            grew: now,
            looked: now,
            bytes,
            missing: 0.0,
        }
    }

    /// Takes note of what was said. Whether there is no more than there was.
    fn is_vain(&mut self, now: Instant, said: f64) -> bool {
        if said >= GREW * self.best {
            (self.best, self.grew) = (said, now);
        }
        said < FELL * self.best || now >= self.grew + FILL_PATIENCE
    }

    fn advance(&mut self, now: Instant, rate: f64, bytes: u64) {
        let elapsed = now.saturating_duration_since(self.looked).as_secs_f64();
        let sent = bytes.saturating_sub(self.bytes) as f64;
        let missing = self.missing + rate * elapsed / 8.0 - sent;
        self.missing = missing.clamp(-MAX_BURST, MAX_BURST);
        (self.looked, self.bytes) = (now, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bits(estimator: &ReceiverEstimator) -> Option<u64> {
        estimator.estimate().map(|it| it.bits_per_second)
    }

    #[test]
    fn what_is_said_holds_until_nothing_is_said_for_long() {
        let start = Instant::now();
        let mut estimator = ReceiverEstimator::new(start, 0);
        assert_eq!(bits(&estimator), None);
        estimator.hear(start, 500_000);
        estimator.handle_timeout(start + MAX_SILENCE - SECOND, 0, true);
        assert_eq!(bits(&estimator), Some(500_000));
        estimator.handle_timeout(start + MAX_SILENCE, 0, true);
        assert_eq!(bits(&estimator), None);
    }

    #[test]
    fn what_cannot_be_is_the_least_or_the_most() {
        let start = Instant::now();
        let mut estimator = ReceiverEstimator::new(start, 0);
        estimator.hear(start, 0);
        assert_eq!(bits(&estimator), Some(MIN_RATE as u64));
        estimator.hear(start, u64::MAX);
        assert_eq!(bits(&estimator), Some(MAX_RATE as u64));
    }

    /// What is known after so many seconds in which a megabit was sent each, and so many 256ths of it were lost.
    fn after(estimator: &mut ReceiverEstimator, start: Instant, seconds: u32, lost: u8) {
        for at in 1..=seconds {
            estimator.report(0, lost, 100 * at);
            estimator.conclude(start + SECOND * at, 125_000 * u64::from(at));
        }
    }

    #[test]
    fn what_was_sent_before_or_is_counted_no_more_is_no_rate() {
        let start = Instant::now();
        let mut estimator = ReceiverEstimator::new(start, 500_000_000);
        estimator.hear(start, 2_000_000);
        let mut sent = |seconds, bytes| {
            estimator.conclude(start + seconds * SECOND, bytes);
            estimator.estimate().unwrap().acknowledged
        };
        assert_eq!(sent(1, 500_125_000), 1_000_000);
        assert_eq!(sent(2, 40_000), 0);
        assert_eq!(sent(3, 165_000), 1_000_000);
    }

    #[test]
    fn many_losses_lower_what_was_said_and_few_do_not() {
        for (lost, is_less) in [(8, false), (80, true)] {
            let start = Instant::now();
            let mut estimator = ReceiverEstimator::new(start, 0);
            estimator.hear(start, 1_000_000);
            after(&mut estimator, start, 8, lost);
            let bits = bits(&estimator).unwrap();
            assert_eq!(bits < 900_000, is_less, "{bits}");
        }
    }

    #[test]
    fn who_says_nothing_but_what_was_lost_is_sent_less_until_nothing_is() {
        let start = Instant::now();
        let mut estimator = ReceiverEstimator::new(start, 0);
        after(&mut estimator, start, 5, 0);
        assert_eq!(bits(&estimator), None);
        after(&mut estimator, start + 5 * SECOND, 5, 128);
        assert!(bits(&estimator).is_some_and(|bits| bits < 800_000));
        after(&mut estimator, start + 10 * SECOND, 60, 0);
        assert_eq!(bits(&estimator), None);
    }

    #[test]
    fn reports_that_lie_are_not_counted() {
        let start = Instant::now();
        let mut estimator = ReceiverEstimator::new(start, 0);
        for (at, highest) in [7, u32::MAX, 0x8000_0000, 9, 100_000]
            .into_iter()
            .enumerate()
        {
            estimator.report(at % 2, 255, highest);
            estimator.conclude(start + SECOND * at as u32, 100_000 * at as u64);
        }
        assert_eq!(bits(&estimator), None);
    }

    /// Bytes of padding in a minute, while so many kbit/s are sent and said, as long as a path of so many carries it.
    fn padding(sent: u64, carries: f64) -> (u64, f64) {
        let start = Instant::now();
        let mut estimator = ReceiverEstimator::new(start, 0);
        estimator.want(2_000_000);
        let (mut padded, mut second, mut said) = (0, 0, 300_000.0_f64);
        for ms in 0..60_000_u64 {
            let now = start + Duration::from_millis(ms);
            if ms % 1000 == 0 {
                let arrived = (8 * (padded - second)) as f64 + 1000.0 * sent as f64;
                said = match arrived < carries {
                    true => (1.08 * said).min(1.5 * arrived),
                    false => 0.85 * carries,
                };
                second = padded;
                estimator.hear(now, said as u64);
            }
            estimator.handle_timeout(now, sent * ms / 8, true);
            while estimator.takes_padding(300) {
                padded += 300;
            }
        }
        (padded, said)
    }

    #[test]
    fn what_is_sent_is_filled_up_until_what_is_said_is_enough_or_grows_no_more() {
        let (_, said) = padding(200, 10e6);
        assert!(said > 2_000_000.0, "{said}");
        // Little of the time where there is no more.
        let (padded, said) = padding(200, 290_000.0);
        assert!(said <= 300_000.0 && padded < 300_000, "{said} {padded}");
    }
}
