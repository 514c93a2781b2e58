//! The rate that delay allows: up while the queue stays as it is, down to a little less than what
//! arrives once it grows (draft-ietf-rmcat-gcc-02 §5.5).

use std::time::{Duration, Instant};

use super::limits::{BETA, MAX_RATE, MIN_RATE};
use super::trend::Usage;

/// By how much it grows in a second, while nobody knows what the path carries.
const GROWTH: f64 = 1.08;
/// The least that it grows by in a second where that is known about, in bits per second.
const MIN_STEP: f64 = 4_000.0;
/// It is not more than so many times what arrives: what is not used is not known to be there.
pub(super) const MAX_AHEAD: f64 = 1.5;
pub(super) const AHEAD_ALLOWANCE: f64 = 10_000.0;
/// It then grows by a packet in each response: of a picture of thirty a second, in packets of at most so
/// many bits.
const PICTURES: f64 = 30.0;
const PACKET_BITS: f64 = 9_600.0;
/// How long what was done takes to show, besides the round trip.
const RESPONSE: Duration = Duration::from_millis(100);

/// What the path carried when its queue grew: a mean and how far it varies, in kbit/s.
#[derive(Clone, Copy, Debug)]
struct Capacity {
    mean: f64,
    deviation: f64,
}

impl Capacity {
    fn learn(known: Option<Self>, sample: f64, weight: f64) -> Self {
        let kbits = sample / 1000.0;
        let Some(known) = known else {
            return Self {
                mean: kbits,
                deviation: 0.4,
            };
        };
        let mean = (1.0 - weight) * known.mean + weight * kbits;
        let error = mean - kbits;
        let deviation = (1.0 - weight) * known.deviation + weight * error * error / mean.max(1.0);
        Self {
            mean,
            deviation: deviation.clamp(0.4, 2.5),
        }
    }

    /// Whether a rate is farther from it than it varies, in bits per second.
    fn excludes(&self, bits: f64) -> bool {
        let spread = 3.0 * (self.deviation * self.mean).sqrt();
        (bits / 1000.0 - self.mean).abs() > spread
    }
}

/// What is known as the rate is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// How the path is used.
    pub(super) usage: Usage,
    /// What arrives, in bits per second.
    pub(super) acknowledged: Option<f64>,
    /// The round trip.
    pub(super) round_trip: Duration,
    /// Less is sent than could be.
    pub(super) is_idle: bool,
}

/// The rate, in bits per second.
#[derive(Debug)]
pub(super) struct Rate {
    bits: f64,
    capacity: Option<Capacity>,
    changed: Instant,
    decreased: Option<Instant>,
    /// The queue grew, and is to empty before the rate grows again.
    holds: bool,
}

impl Rate {
    pub(super) fn new(now: Instant, bits: f64) -> Self {
        Self {
            bits,
            capacity: None,
            changed: now,
            decreased: None,
            holds: false,
        }
    }

    pub(super) fn bits(&self) -> f64 {
        self.bits
    }

    /// When it last was lowered.
    pub(super) fn decreased(&self) -> Option<Instant> {
        self.decreased
    }

    /// A probe arrived at this rate. It shows that there is so much, and never that there is less.
    pub(super) fn raise(&mut self, now: Instant, bits: f64) {
        if bits > self.bits {
            self.capacity = Some(Capacity::learn(self.capacity, bits, 0.5));
            self.set(now, bits);
        }
    }

    /// Nothing is heard of what is sent.
    pub(super) fn back_off(&mut self, now: Instant, share: f64) {
        self.set(now, self.bits * share);
    }

    /// Draws the conclusions.
    pub(super) fn update(&mut self, now: Instant, seen: &Seen) {
        match seen.usage {
            Usage::Over => {
                self.holds = true;
                if self.may_decrease(now, seen) {
                    self.decrease(now, seen.acknowledged);
                }
            }
            // The queue empties: what fills it anew is no news.
            Usage::Under => self.holds = true,
            Usage::Normal if self.holds => {
                self.holds = false;
                self.changed = now;
            }
            Usage::Normal => self.increase(now, seen),
        }
    }

    /// Once in a round trip: what was done does not show before. Sooner where it was far off.
    fn may_decrease(&self, now: Instant, seen: &Seen) -> bool {
        let interval = seen
            .round_trip
            .clamp(Duration::from_millis(10), Duration::from_millis(200));
        let is_far_off = seen.acknowledged.is_some_and(|bits| bits < self.bits / 2.0);
        is_far_off || self.decreased.is_none_or(|at| now >= at + interval)
    }

    fn decrease(&mut self, now: Instant, acknowledged: Option<f64>) {
        self.decreased = Some(now);
        let Some(acknowledged) = acknowledged else {
            return self.set(now, self.bits / 2.0);
        };
        self.capacity.take_if(|known| known.excludes(acknowledged));
        let capacity = Capacity::learn(self.capacity, acknowledged, 0.05);
        self.capacity = Some(capacity);
        let mut bits = BETA * acknowledged;
        if bits > self.bits {
            bits = BETA * capacity.mean * 1000.0;
        }
        self.set(now, bits.min(self.bits));
    }

    fn increase(&mut self, now: Instant, seen: &Seen) {
        let elapsed = now
            .saturating_duration_since(self.changed)
            .min(Duration::from_secs(1));
        if seen.is_idle {
            return self.changed = now;
        }
        let Some(acknowledged) = seen.acknowledged else {
            return self.set(now, self.bits * GROWTH.powf(elapsed.as_secs_f64()));
        };
        (self.capacity)
            .take_if(|known| acknowledged > known.mean * 1000.0 && known.excludes(acknowledged));
        let limit = MAX_AHEAD * acknowledged + AHEAD_ALLOWANCE;
        let grown = match self.capacity {
            Some(_) => {
                let response = (seen.round_trip + RESPONSE).as_secs_f64();
                let step = packet_bits(self.bits) / response;
                self.bits + step.max(MIN_STEP) * elapsed.as_secs_f64()
            }
            // What arrives is there, as long as there was never too much.
            None if self.decreased.is_none() => {
                (self.bits * GROWTH.powf(elapsed.as_secs_f64())).max(acknowledged)
            }
            None => self.bits * GROWTH.powf(elapsed.as_secs_f64()),
        };
        self.set(now, grown.min(limit).max(self.bits));
    }

    fn set(&mut self, now: Instant, bits: f64) {
        self.bits = bits.clamp(MIN_RATE, MAX_RATE);
        self.changed = now;
    }
}

fn packet_bits(rate: f64) -> f64 {
    let picture = rate / PICTURES;
    picture / (picture / PACKET_BITS).ceil()
}
