//! A link in virtual time, a receiver behind it that reports what arrives, and somebody who sends as much
//! as the estimator says. The same every time: randomness has a seed.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::congestion::trace::Trace;
use crate::congestion::{Estimator, Purpose, Sink};

const STEP: Duration = Duration::from_micros(500);
/// Timers are no finer than a shard's.
const TIMER: Duration = Duration::from_millis(4);
const FRAME: Duration = Duration::from_micros(33_333);
const PADDING: usize = 290;
const PACKET: usize = 1200;

/// What a link does.
#[derive(Clone)]
pub(super) struct Link {
    /// From these seconds on so many bits per second.
    pub(super) rates: Vec<(f64, f64)>,
    /// One way.
    pub(super) delay: Duration,
    /// As long as the queue may be.
    pub(super) queue: Duration,
    /// Each packet is up to so much later.
    pub(super) jitter: Duration,
    /// And may so overtake others.
    pub(super) overtakes: bool,
    /// The share of packets that is lost, and of reports.
    pub(super) loss: f64,
    pub(super) reports_lost: f64,
    /// Each report is up to so much later, and may so be overtaken.
    pub(super) reports_late: Duration,
    /// Others send so much over it, in bits per second, every other five seconds.
    pub(super) cross: f64,
    pub(super) seed: u64,
}

impl Link {
    pub(super) fn of(rate: f64) -> Self {
        Self {
            rates: vec![(0.0, rate)],
            delay: Duration::from_millis(25),
            queue: Duration::from_millis(300),
            jitter: Duration::ZERO,
            overtakes: false,
            loss: 0.0,
            reports_lost: 0.0,
            reports_late: Duration::ZERO,
            cross: 0.0,
            seed: 1,
        }
    }

    pub(super) fn rate(&self, seconds: f64) -> f64 {
        let steps = self.rates.iter().take_while(|(from, _)| *from <= seconds);
        steps.last().unwrap().1
    }
}

/// What is sent.
#[derive(Clone)]
pub(super) enum Source {
    /// As much as the estimate, and no more than this.
    Follows(f64),
    /// The best of these that the estimate carries.
    Layers(Vec<f64>),
}

/// What was seen in a tenth of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tenth {
    pub(super) estimate: f64,
    /// The media and padding that arrived, in bits per second.
    pub(super) arrived: f64,
    /// The longest a packet waited in the queue.
    pub(super) queued: Duration,
    /// The rate of what was sent, not counting what fills probes.
    pub(super) source: f64,
}

/// A run.
pub(super) struct Run {
    pub(super) tenths: Vec<Tenth>,
    waits: Vec<(f64, Duration)>,
}

impl Run {
    pub(super) fn between(&self, from: f64, to: f64) -> &[Tenth] {
        &self.tenths[(from * 10.0) as usize..(to * 10.0) as usize]
    }

    pub(super) fn mean(&self, from: f64, to: f64, of: impl Fn(&Tenth) -> f64) -> f64 {
        let tenths = self.between(from, to);
        tenths.iter().map(of).sum::<f64>() / tenths.len() as f64
    }

    /// The wait that of twenty packets one exceeds.
    pub(super) fn queue_p95(&self, from: f64, to: f64) -> Duration {
        let waits = self.waits.iter().filter(|(at, _)| (from..to).contains(at));
        let mut waits: Vec<_> = waits.map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        waits[waits.len() * 95 / 100]
    }

    /// How often another layer was sent.
    pub(super) fn switches(&self, from: f64, to: f64) -> usize {
        let tenths = self.between(from, to);
        (tenths
            .windows(2)
            .filter(|pair| pair[0].source != pair[1].source))
        .count()
    }

    /// When the estimate was first so much, after these seconds, in seconds from there.
    pub(super) fn reaches(&self, from: f64, bits: f64) -> Option<f64> {
        let tenths = &self.tenths[(from * 10.0) as usize..];
        let at = tenths.iter().position(|tenth| tenth.estimate >= bits)?;
        Some(at as f64 / 10.0)
    }
}

/// Runs a call over a link for so long.
pub(super) fn run(link: &Link, source: &Source, seconds: u32) -> Run {
    Call::new(link).run(source, seconds)
}

/// The same, and a trace is written of it.
pub(super) fn run_traced(link: &Link, source: &Source, seconds: u32, sink: Box<dyn Sink>) -> Run {
    let mut call = Call::new(link);
    let trace = Box::new(Trace::new(sink));
    call.estimator.begin_trace(call.start, trace);
    call.run(source, seconds)
}

struct Call<'a> {
    link: &'a Link,
    random: StdRng,
    start: Instant,
    now: Instant,
    estimator: Estimator,
    free_at: Instant,
    last_arrival: Instant,
    on_the_way: VecDeque<(Instant, u16, usize)>,
    arrived: BTreeMap<i64, i64>,
    newest: i64,
    next_base: i64,
    told: std::collections::HashSet<i64>,
    reports: Vec<(Instant, u16, Vec<Option<i64>>)>,
    tenth: Tenth,
    run: Run,
}

impl<'a> Call<'a> {
    fn new(link: &'a Link) -> Self {
        let start = Instant::now();
        Self {
            link,
            random: StdRng::seed_from_u64(link.seed),
            start,
            now: start,
            estimator: Estimator::new(start),
            free_at: start,
            last_arrival: start,
            on_the_way: VecDeque::new(),
            arrived: BTreeMap::new(),
            newest: 0,
            next_base: 0,
            told: std::collections::HashSet::new(),
            reports: Vec::new(),
            tenth: Tenth::default(),
            run: Run {
                tenths: Vec::new(),
                waits: Vec::new(),
            },
        }
    }

    fn seconds(&self) -> f64 {
        (self.now - self.start).as_secs_f64()
    }

    fn run(mut self, source: &Source, seconds: u32) -> Run {
        let end = self.start + Duration::from_secs(seconds.into());
        let (mut frame, mut sound, mut timer) = (self.start, self.start, self.start);
        let (mut report, mut tenth) = (self.start, self.start);
        let mut chosen = 0;
        while self.now < end {
            if self.now >= sound {
                sound += Duration::from_millis(20);
                self.send(100, Purpose::Media);
            }
            if self.now >= frame {
                frame += FRAME;
                self.send_frame(source, &mut chosen);
            }
            if self.now >= timer {
                timer += TIMER;
                self.estimator.handle_timeout(self.now, true);
                while self.estimator.padding(self.now).is_some() {
                    self.send(PADDING, Purpose::Padding);
                }
            }
            self.receive();
            if self.now >= report {
                report += Duration::from_millis(100);
                self.report();
            }
            self.hear();
            if self.now >= tenth {
                tenth += Duration::from_millis(100);
                let mut seen = std::mem::take(&mut self.tenth);
                seen.estimate = self.estimate();
                self.tenth.source = seen.source;
                self.run.tenths.push(seen);
            }
            self.now += STEP;
        }
        self.run
    }

    fn estimate(&self) -> f64 {
        let estimate = self.estimator.estimate();
        estimate.map_or(300_000.0, |estimate| estimate.bits_per_second as f64)
    }

    fn send_frame(&mut self, source: &Source, chosen: &mut usize) {
        // Sound takes 40 kbit/s of it.
        let room = self.estimate() - 40_000.0;
        let rate = match source {
            Source::Follows(most) => {
                self.estimator.want(*most as u64, false);
                room.min(*most)
            }
            Source::Layers(layers) => {
                self.estimator
                    .want(layers.iter().copied().fold(0.0, f64::max) as u64, false);
                // What goes out stays while it fits, what is better has to fit well.
                let fits = |at: &usize| match at.cmp(chosen) {
                    std::cmp::Ordering::Greater => layers[*at] * 1.15 <= room,
                    _ => layers[*at] <= room,
                };
                *chosen = (0..layers.len()).rev().find(fits).unwrap_or(0);
                layers[*chosen]
            }
        };
        self.tenth.source = rate;
        let mut bytes = (rate * FRAME.as_secs_f64() / 8.0) as usize;
        while bytes > 0 {
            let packet = bytes.min(PACKET);
            self.send(packet.max(60), Purpose::Media);
            bytes -= packet;
        }
    }

    fn send(&mut self, bytes: usize, purpose: Purpose) {
        let number = self.estimator.send(self.now, bytes, purpose);
        let seconds = self.seconds();
        let cross = match (seconds / 5.0) as u64 % 2 {
            1 => self.link.cross,
            _ => 0.0,
        };
        let rate = self.link.rate(seconds) - cross;
        let begins = self.free_at.max(self.now);
        let wait = begins - self.now;
        self.tenth.queued = self.tenth.queued.max(wait);
        if wait > self.link.queue {
            return;
        }
        self.run.waits.push((seconds, wait));
        self.free_at = begins + Duration::from_secs_f64(8.0 * bytes as f64 / rate);
        if self.random.random_bool(self.link.loss) {
            return;
        }
        let jitter = self.link.jitter.mul_f64(self.random.random());
        let at = self.free_at + self.link.delay + jitter;
        let at = match self.link.overtakes {
            true => at,
            false => at.max(self.last_arrival),
        };
        self.last_arrival = at;
        let behind = self.on_the_way.partition_point(|(other, ..)| *other <= at);
        self.on_the_way.insert(behind, (at, number, bytes));
    }

    fn receive(&mut self) {
        while let Some((at, number, bytes)) = self.on_the_way.front().copied()
            && at <= self.now
        {
            self.on_the_way.pop_front();
            self.tenth.arrived += 80.0 * bytes as f64;
            let ahead = number.wrapping_sub(self.newest as u16) as i16;
            let number = self.newest + i64::from(ahead);
            self.newest = self.newest.max(number);
            let micros = (at - self.start).as_micros() as i64 + 7_000_000_000;
            self.arrived.insert(number, micros / 250 * 250);
        }
    }

    fn report(&mut self) {
        let Some(last) = self.arrived.keys().next_back().copied() else {
            return;
        };
        // What comes late is told of as it comes, with all since (libwebrtc's RemoteEstimatorProxy).
        let first = self
            .arrived
            .keys()
            .find(|number| !self.told.contains(number));
        let base = first.map_or(self.next_base, |first| self.next_base.min(*first));
        let statuses = (base..=last).map(|number| self.arrived.get(&number).copied());
        let statuses: Vec<_> = statuses.collect();
        self.told.extend(self.arrived.keys());
        while self.arrived.len() > 500 {
            self.arrived.pop_first();
        }
        self.next_base = last + 1;
        if !self.random.random_bool(self.link.reports_lost) {
            let late = self.link.reports_late.mul_f64(self.random.random());
            let at = self.now + self.link.delay + late;
            self.reports.push((at, base as u16, statuses));
        }
    }

    fn hear(&mut self) {
        while let Some(at) = self.reports.iter().position(|(at, ..)| *at <= self.now) {
            let (_, base, statuses) = self.reports.remove(at);
            self.estimator.hear(self.now, base, statuses);
        }
    }
}
