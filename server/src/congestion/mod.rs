//! Congestion control for what one end is sent: how much its path carries, by what it says of the
//! packets that arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01), after
//! draft-ietf-rmcat-gcc-02 and what libwebrtc makes of it.
//!
//! Sans-IO: packets are lengths and numbers here, and time is an argument. Knows nothing of the media
//! plane, which imports it. Whatever the other end says, work and memory have a bound, and it is
//! that end's own pictures that it is about.
//!
//! | module | what lives there |
//! |---|---|
//! | `estimate` | what an estimator is told of packets, and says of their path |
//! | `history` | what was sent under which number |
//! | `groups` | how much farther apart packets arrived than they were sent |
//! | `trend` | whether the queue on the path grows |
//! | `acknowledged` | how much arrives |
//! | `rate` | the rate that delay allows |
//! | `receiver` | what the other end itself makes of its path |
//! | `loss` | the rate that losses allow |
//! | `probes` | a moment's worth of more, to see whether that arrives |
//! | `allocation` | who gets what of it |
//! | `point` | what there is to be given: a layer, and how much of it |
//! | `patience` | how long something waits before it is raised again |
//! | `limits` | between what an estimate is |
//! | `limit` | whether the path has shown how much it carries |
//! | `pacer` | when what is sent leaves where it has |
//! | `idleness` | whether less is sent than could be |
//! | `arrival_clock` | the other end's clock |
//! | `path` | when an estimator begins |
//! | `trace` | what all this was told and decided, written down, and decided again |

mod acknowledged;
mod allocation;
mod arrival_clock;
mod estimate;
mod groups;
mod history;
mod idleness;
mod limit;
mod limits;
mod loss;
mod pacer;
mod path;
mod patience;
mod point;
mod probes;
mod rate;
mod receiver;
#[cfg(test)]
mod tests;
pub mod trace;
mod trend;

use std::time::{Duration, Instant};

use crate::prefetch::prefetch;

use acknowledged::Acknowledged;
pub use allocation::{Allocation, Demand};
use arrival_clock::ArrivalClock;
pub use estimate::{Estimate, Purpose};
use groups::Groups;
use history::{Answered, History};
pub use history::{MAX_AGE, MAX_SENT};
use idleness::Idleness;
use limit::Limit;
use limits::BETA;
pub use limits::{MAX_RATE, MIN_RATE};
use loss::Loss;
pub use pacer::{MAX_BYTES, MAX_DELAY, MAX_PACKETS, Pacer, Urgency, Waits};
pub use path::{PathEstimator, ReceiverPath};
pub use patience::{MAX_HOLD, MAX_PAUSED_HOLD};
pub use point::{ALL_TEMPORAL, OperatingPoint};
pub use probes::{CLUSTER_TIME, MAX_CLUSTER_TIME, MAX_WAIT};
use probes::{Probed, Probes};
use rate::{Rate, Seen};
pub use receiver::{
    FILL_INTERVAL, FILL_PATIENCE, MAX_BURST, MAX_FILL_INTERVAL, MAX_SILENCE, ReceiverEstimator,
};
pub use trace::Sink;
use trace::Trace;
use trend::{Trend, Usage};

/// What is taken to be there before anything is known.
const START_RATE: f64 = 300_000.0;
/// The rate of the first probe, in bits per second: a path that carries it is no narrow one.
const FIRST_PROBE: f64 = 1_500_000.0;
/// No probe has a higher rate.
pub const MAX_PROBE: f64 = 8_000_000.0;
/// A probe's rate, by what is known to be there.
const PROBE_GAIN: f64 = 2.0;
/// A probe shows that there is more than it asked for where it arrives at this share of its rate.
const PROBE_FILLS: f64 = 0.7;
/// After a probe that showed so much more there is another at once: what it began with is not there yet.
const WORTH_ANOTHER: f64 = 1.1;
/// What is wanted and a little more: so much is probed for.
const PROBE_MARGIN: f64 = 1.3;
/// The time between probes while more is wanted than is known to be there; and after failures, at most.
const PROBE_INTERVAL: Duration = Duration::from_millis(1500);
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(3);
/// For how long nothing is probed for after the rate was lowered: the queue is to empty first.
const PROBE_AFTER_DECREASE: Duration = Duration::from_secs(1);
/// The estimate is told after this long at the latest, whatever became of the first probe.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// Nothing heard of what is sent for this long: it may not arrive. Each second after that less is
/// sent.
const SILENCE: Duration = Duration::from_secs(2);
const SILENT_SHARE: f64 = 0.8;

/// The estimator of one path.
#[derive(Debug)]
pub struct Estimator {
    history: History,
    groups: Groups,
    trend: Trend,
    acknowledged: Acknowledged,
    rate: Rate,
    loss: Loss,
    limit: Limit,
    idleness: Idleness,
    probes: Probes,
    /// In bits per second: what would be sent if there was room for it.
    wanted: f64,
    /// Some of it is not sent at all.
    is_paused: bool,
    /// When the first packet was sent.
    began: Option<Instant>,
    /// Probes were or are sent: there is something to fill them with.
    can_probe: bool,
    next_probe: Option<Instant>,
    probe_interval: Duration,
    /// Something is known.
    is_known: bool,
    heard: Option<Instant>,
    last_sent: Option<Instant>,
    backed_off: Instant,
    round_trip: Duration,
    arrival: ArrivalClock,
    /// What becomes of it all, where somebody wants to know.
    trace: Option<Box<Trace>>,
}

impl Estimator {
    /// Knows nothing yet.
    pub fn new(now: Instant) -> Self {
        Self {
            history: History::new(now),
            groups: Groups::default(),
            trend: Trend::default(),
            acknowledged: Acknowledged::default(),
            rate: Rate::new(now, START_RATE),
            loss: Loss::new(now),
            limit: Limit::default(),
            idleness: Idleness::new(now),
            probes: Probes::default(),
            wanted: 0.0,
            is_paused: false,
            began: None,
            can_probe: false,
            next_probe: None,
            probe_interval: PROBE_INTERVAL,
            is_known: false,
            heard: None,
            last_sent: None,
            backed_off: now,
            round_trip: Duration::from_millis(100),
            arrival: ArrivalClock::default(),
            trace: None,
        }
    }

    /// The round trip of the newest feedback, which may have waited a moment for others: at most so long.
    pub fn round_trip(&self) -> Option<Duration> {
        self.heard.map(|_| self.round_trip)
    }

    /// Has a trace written of everything from now on, which is its own beginning.
    fn begin_trace(&mut self, now: Instant, mut trace: Box<Trace>) {
        trace.begins(now);
        self.trace = Some(trace);
    }

    /// The trace that is written, for what else is known and decided of the path.
    fn trace(&mut self) -> Option<&mut Trace> {
        self.trace.as_deref_mut()
    }

    /// Has memory fetched that [`Self::send`] needs: first what this holds, then what it holds elsewhere.
    pub fn prefetch(&self) {
        prefetch(&self.last_sent);
        prefetch(&self.probes);
        prefetch(&self.idleness);
        prefetch(&self.history);
    }

    /// The second half of [`Self::prefetch`], when the first is there.
    pub fn prefetch_next(&self) {
        self.history.prefetch_next();
    }

    /// Notes a packet, with everything that SRTP seals, and gives it its transport-wide number.
    #[inline]
    pub fn send(&mut self, now: Instant, bytes: usize, purpose: Purpose) -> u16 {
        let cluster = self.probes.current();
        if cluster != 0 {
            self.probes.sent(bytes);
        }
        if purpose == Purpose::Media {
            self.last_sent = Some(now);
            self.idleness.sent(bytes);
        }
        let number = self.history.send(now, bytes, cluster);
        if let Some(trace) = &mut self.trace {
            trace.sent(now, bytes, purpose, number);
        }
        number
    }

    /// What the path carries, in all. `None` until something is known: until the other end has said
    /// something of what arrived, and the first probe was tried.
    pub fn estimate(&self) -> Option<Estimate> {
        self.is_known.then(|| Estimate {
            bits_per_second: self.bits() as u64,
            acknowledged: self.acknowledged.bits().unwrap_or(0.0) as u64,
            loss: self.loss.share() as f32,
            round_trip: self.round_trip,
        })
    }

    /// What the path carries, in bits per second, where it has shown that it is not much more than what is known of it.
    pub fn limit(&self) -> Option<f64> {
        (self.is_known && self.limit.is_shown()).then(|| self.bits())
    }

    fn bits(&self) -> f64 {
        self.rate
            .bits()
            .min(self.loss.limit().unwrap_or(f64::INFINITY))
    }

    /// So much would be sent if there was room, in bits per second. While that is more than is known
    /// to be there, more is probed for; where something `is_paused`, also while nothing else is sent.
    pub fn want(&mut self, bits_per_second: u64, is_paused: bool) {
        self.wanted = (bits_per_second as f64).min(MAX_RATE);
        self.is_paused = is_paused;
        if let Some(trace) = &mut self.trace {
            trace.wants(bits_per_second, is_paused);
        }
    }

    /// Takes what the other end says: of the packets from `base` on, each in turn, when it arrived, in
    /// microseconds on its clock, or that it did not. The caller bounds how many.
    pub fn hear(
        &mut self,
        now: Instant,
        base: u16,
        arrivals: impl IntoIterator<Item = Option<i64>>,
    ) {
        let Some(mut trace) = self.trace.take() else {
            return self.take_arrivals(now, base, arrivals);
        };
        trace.hears(now, base);
        let arrivals = arrivals.into_iter();
        self.take_arrivals(now, base, arrivals.inspect(|it| trace.arrival(*it)));
        trace.heard(self.estimate());
        self.trace = Some(trace);
    }

    fn take_arrivals(
        &mut self,
        now: Instant,
        base: u16,
        arrivals: impl IntoIterator<Item = Option<i64>>,
    ) {
        let mut newest = None;
        for (number, arrived) in (0..).map(|at| base.wrapping_add(at)).zip(arrivals) {
            let Some(packet) = self.history.answer(now, number, arrived.is_some()) else {
                continue;
            };
            match arrived {
                Some(arrived) => {
                    newest = newest.max(Some(packet.at));
                    self.note_arrival(&packet, arrived);
                }
                // What a probe loses is what it was for.
                None if packet.cluster != 0 => {}
                None => self.loss.count(false, false),
            }
        }
        let Some(newest) = newest else { return };
        let round_trip = self.history.micros(now) - newest;
        self.round_trip = Duration::from_micros(round_trip.max(0) as u64);
        self.heard = Some(now);
        self.conclude(now);
    }

    fn note_arrival(&mut self, packet: &Answered, arrived: i64) {
        let arrived = self.arrival.unwrap(arrived);
        self.acknowledged.add(arrived, packet.bytes);
        if packet.cluster != 0 {
            // It was sent faster than what is there, on purpose.
            return self.probes.arrived(packet, arrived);
        }
        self.loss.count(true, packet.was_lost);
        if let Some(delta) = self.groups.add(packet.at, arrived) {
            let before = self.trend.usage();
            if self.trend.add(delta) == Usage::Over && before != Usage::Over {
                self.acknowledged.doubt();
            }
        }
    }

    fn conclude(&mut self, now: Instant) {
        let seen = Seen {
            usage: self.trend.usage(),
            acknowledged: self.acknowledged.bits(),
            round_trip: self.round_trip,
            is_idle: self.idleness.look(now, self.bits()),
        };
        let before = self.bits();
        self.rate.update(now, &seen);
        let least = BETA * seen.acknowledged.unwrap_or(0.0);
        self.loss
            .update(now, self.round_trip, self.rate.bits(), least);
        if self.rate.decreased() == Some(now) || self.loss.cut() == Some(now) {
            self.limit.show(before);
        }
        self.limit.look(self.bits());
        if let Some(probed) = self.probes.take_result() {
            self.learn(now, probed);
        }
        let is_late = self
            .began
            .is_some_and(|began| now >= began + FIRST_PATIENCE);
        self.is_known |= is_late || !self.can_probe && seen.acknowledged.is_some();
    }

    /// What a probe showed. Where that was what it asked for there may be more.
    fn learn(&mut self, now: Instant, probed: Probed) {
        self.is_known = true;
        // Of what is not sent the delay is an old one.
        if self.sends(now) && self.trend.usage() == Usage::Over {
            return self.probe_later(now, false);
        }
        let is_more = probed.bits > self.bits();
        let is_much_more = probed.bits > WORTH_ANOTHER * self.bits();
        self.rate.raise(now, probed.bits);
        self.loss.raise(probed.bits);
        self.limit.look(self.bits());
        if probed.filled {
            self.limit.show(self.bits());
        }
        let fills = probed.bits >= PROBE_FILLS * probed.target;
        match fills && is_much_more && self.probe_target().is_some() {
            true => self.next_probe = Some(now),
            false => self.probe_later(now, is_more),
        }
    }

    /// After failures more rarely.
    fn probe_later(&mut self, now: Instant, worked: bool) {
        self.probe_interval = match worked {
            true => PROBE_INTERVAL,
            false => (self.probe_interval * 3 / 2).min(MAX_PROBE_INTERVAL),
        };
        self.next_probe = Some(now + self.probe_interval);
    }

    /// The rate to probe for, if any.
    fn probe_target(&self) -> Option<f64> {
        if !self.is_known {
            return Some(FIRST_PROBE);
        }
        let enough = (PROBE_MARGIN * self.wanted).min(MAX_PROBE);
        let bits = self.bits();
        (bits < enough).then(|| (PROBE_GAIN * bits).clamp(MIN_RATE, enough))
    }

    /// Bytes of padding to be sent now, to fill a probe. Asked for while there is something to fill it with,
    /// and again after each packet.
    pub fn padding(&self, now: Instant) -> Option<usize> {
        self.probes.due(now)
    }

    /// When [`Self::handle_timeout`] and [`Self::padding`] next have something to do: while a probe is sent.
    /// What else is due may wait for a second.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.probes.poll_timeout()
    }

    /// Lets time pass: begins probes, gives them up, and takes note of silence. `can_probe` where there is
    /// something to fill them with.
    pub fn handle_timeout(&mut self, now: Instant, can_probe: bool) {
        self.let_pass(now, can_probe);
        if let Some(mut trace) = self.trace.take() {
            trace.passed(now, can_probe, self.estimate());
            self.trace = Some(trace);
        }
    }

    fn let_pass(&mut self, now: Instant, can_probe: bool) {
        self.can_probe = can_probe;
        if self.probes.give_up(now) || !can_probe && self.probes.stop() {
            self.probe_later(now, false);
        }
        let is_deaf = self.heard.is_none_or(|at| now >= at + SILENCE);
        if is_deaf {
            self.loss.forget(now);
        }
        let sends = self.sends(now);
        if !sends && !self.is_paused {
            return;
        }
        self.began.get_or_insert(now);
        let silent = sends && is_deaf && self.heard.is_some();
        if silent && now >= self.backed_off + Duration::from_secs(1) {
            self.backed_off = now;
            self.rate.back_off(now, SILENT_SHARE);
        }
        let is_due = self.next_probe.is_none_or(|at| now >= at);
        let settled = |at: Instant| now >= at + PROBE_AFTER_DECREASE;
        // Who never says what came is not sent what is only for that.
        if can_probe
            && self.heard.is_some()
            && !silent
            && is_due
            && (!sends || self.trend.usage() == Usage::Normal)
            && self.rate.decreased().is_none_or(settled)
            && let Some(target) = self.probe_target()
            && self.probes.begin(now, target)
        {
            self.next_probe = Some(now + self.probe_interval);
        }
    }

    /// Whether something is sent besides padding, or was until a moment ago.
    fn sends(&self, now: Instant) -> bool {
        self.last_sent.is_some_and(|at| now < at + SILENCE)
    }

    /// The packets go over another path from now on: nothing is known of that. Numbers go on.
    pub fn change_path(&mut self, now: Instant) {
        let next = std::mem::replace(&mut self.history, History::new(now));
        let (wanted, mut trace) = (self.wanted, self.trace.take());
        if let Some(trace) = &mut trace {
            trace.goes_on(now);
        }
        *self = Self::new(now);
        self.history.number_after(&next);
        (self.wanted, self.trace) = (wanted, trace);
    }
}
