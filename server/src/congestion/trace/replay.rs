//! A trace, decided again: the rules are told what they were told, and what they say is compared with what they said.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::super::{
    Allocation, ArrivalClock, Estimate, Estimator, OperatingPoint, Purpose, ReceiverEstimator,
};
use super::wire::{Event, HEADER, Known, MAGIC, MAGIC_BEFORE, Next, Reader, Word, next_block};

/// Differences that are told in words.
const TOLD: usize = 10;

/// This is none, or one of another version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no trace of this server's: it does not begin with `ferrite trace 3` or 2")]
pub struct NotATrace;

/// What became of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// What was known, each time that the other end said something or it was decided who gets what.
    pub moments: Vec<Moment>,
    /// What was decided: numbers, estimates, probes, filling up and layers.
    pub decisions: u64,
    /// How much of it is otherwise now.
    pub different: u64,
    /// The first of those.
    pub differences: Vec<Difference>,
    /// How it ends.
    pub ending: Ending,
}

impl Replay {
    /// Whether all of it is whole, and every decision the same.
    pub fn is_the_same(&self) -> bool {
        self.different == 0 && !matches!(self.ending, Ending::Changed { .. })
    }
}

/// How a trace ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With what it is of.
    Whole,
    /// It became as long as it may be.
    Full,
    /// In the middle, as of a server that was killed.
    Cut,
    /// From this byte on it is not what was written.
    Changed {
        /// Its number in the file.
        at: usize,
    },
}

/// What is known at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// Since the beginning.
    pub at: Duration,
    /// What the path carries, as far as is known.
    pub estimate: Option<Estimate>,
    /// What would be sent if there was room for it, in bits per second.
    pub wanted: u64,
    /// Bytes sent so far, and how many of them filled probes.
    pub sent: u64,
    /// See there.
    pub padding: u64,
    /// How much longer what was told of last was under way than what was quickest on this path. `None` of an end that
    /// says nothing of single packets.
    pub delay: Option<Duration>,
    /// What each section is given; within it `None` where it is paused.
    pub given: Arc<[(usize, Option<OperatingPoint>)]>,
}

/// A decision that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Since the beginning.
    pub at: Duration,
    /// What was decided, what it was and what it is.
    pub what: String,
}

/// Decides again what a trace tells of.
///
/// # Errors
/// When it is none.
pub fn replay(file: &[u8]) -> Result<Replay, NotATrace> {
    let rest = file
        .strip_prefix(MAGIC)
        .or_else(|| file.strip_prefix(MAGIC_BEFORE));
    let mut rest = rest.ok_or(NotATrace)?;
    let (mut stage, mut reader) = (Stage::new(), Reader::default());
    let ending = loop {
        let at = file.len() - rest.len();
        let mut events = match next_block(rest) {
            Next::Block(events, after) => {
                rest = after;
                events
            }
            Next::End => break Ending::Whole,
            Next::Cut => break Ending::Cut,
            Next::Changed => break Ending::Changed { at },
        };
        let len = events.len();
        let ended = loop {
            if events.is_empty() {
                break None;
            }
            let at = at + HEADER + len - events.len();
            match reader.read(&mut events) {
                Some((_, Event::Full)) => break Some(Ending::Full),
                Some((at, event)) => stage.play(at, event),
                None => break Some(Ending::Changed { at }),
            }
        };
        if let Some(ending) = ended {
            break ending;
        }
    };
    Ok(Replay {
        ending,
        ..stage.replay
    })
}

/// The rules, on their stage.
struct Stage {
    start: Instant,
    estimator: Estimator,
    told: Option<Estimate>,
    /// Once the other end said something itself.
    receiver: Option<ReceiverEstimator>,
    said: Option<Estimate>,
    /// What was sent by then, ever, as its estimator was told.
    bytes: u64,
    allocation: Allocation,
    delays: Delays,
    now: Moment,
    replay: Replay,
}

impl Stage {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            estimator: Estimator::new(start),
            told: None,
            receiver: None,
            said: None,
            bytes: 0,
            allocation: Allocation::default(),
            delays: Delays::default(),
            now: Moment::default(),
            replay: Replay {
                moments: Vec::new(),
                decisions: 0,
                different: 0,
                differences: Vec::new(),
                ending: Ending::Whole,
            },
        }
    }

    fn play(&mut self, at: Duration, event: Event) {
        let now = self.start + at;
        self.now.at = at;
        match event {
            Event::Sent {
                bytes,
                purpose,
                number,
            } => self.send(now, bytes, purpose, number),
            Event::Heard {
                base,
                arrivals,
                known,
            } => {
                self.now.delay = self.delays.hear(base, &arrivals).or(self.now.delay);
                self.estimator.hear(now, base, arrivals);
                self.compare_estimate(known);
                self.note();
            }
            Event::Wanted {
                bits_per_second,
                is_paused,
            } => {
                self.now.wanted = bits_per_second;
                self.estimator.want(bits_per_second, is_paused);
                if let Some(receiver) = &mut self.receiver {
                    receiver.want(bits_per_second);
                }
            }
            Event::Passed { can_probe, known } => {
                self.estimator.handle_timeout(now, can_probe);
                self.compare_estimate(known);
            }
            Event::WentOn => {
                self.estimator.change_path(now);
                self.delays = Delays::default();
            }
            Event::Fitted {
                available,
                is_strained,
                demands,
                given,
            } => {
                let changed = (self.allocation).update(now, available, is_strained, demands);
                self.give(changed, given.as_ref());
            }
            Event::Forgot(id) => self.allocation.forget(id),
            Event::ForgotAll => self.allocation = Allocation::default(),
            Event::Began => {
                self.estimator = Estimator::new(now);
                self.delays = Delays::default();
            }
            Event::Receiver(word) => self.listen(now, word),
            Event::Full => {}
        }
    }

    /// To what the other end makes of its path itself.
    fn listen(&mut self, now: Instant, word: Word) {
        // What is told to nobody is decided by nobody, and so found.
        let receiver = self.receiver.iter_mut();
        match word {
            Word::Listened { bytes } => {
                self.receiver = Some(ReceiverEstimator::new(now, bytes));
                self.bytes = bytes;
            }
            Word::Said {
                bits_per_second,
                known,
            } => {
                receiver.for_each(|it| it.hear(now, bits_per_second));
                self.compare_said(known);
                self.note();
            }
            Word::Reported {
                section,
                lost,
                highest,
            } => receiver.for_each(|it| it.report(section, lost, highest)),
            Word::Concluded { bytes, known } => {
                receiver.for_each(|it| it.conclude(now, bytes));
                self.count(bytes);
                self.compare_said(known);
                self.note();
            }
            Word::Lapsed {
                bytes,
                can_fill,
                fills,
                known,
            } => {
                receiver.for_each(|it| it.handle_timeout(now, bytes, can_fill));
                self.count(bytes);
                self.compare_said(known);
                let filling = self.receiver.iter().find_map(|it| it.poll_timeout());
                self.compare("filling up", &fills, &filling.is_some());
            }
            Word::Filled { bytes, takes } => {
                let taken = receiver.map(|it| it.takes_padding(bytes));
                let taken = taken.last().unwrap_or(false);
                self.compare("padding", &takes, &taken);
                if takes {
                    self.add(bytes as u64);
                    self.now.padding += bytes as u64;
                }
            }
            Word::Unsaid => self.receiver = None,
        }
    }

    /// Its estimator is told what was sent in all, numbered or not, and padding apart.
    fn count(&mut self, bytes: u64) {
        self.add(bytes.saturating_sub(self.bytes));
        self.bytes = bytes;
    }

    fn add(&mut self, sent: u64) {
        self.now.sent = self.now.sent.saturating_add(sent);
    }

    /// Compares who got what with who gets what now.
    fn give(&mut self, changed: bool, given: Option<&Vec<(usize, Option<OperatingPoint>)>>) {
        let all = self.allocation.all().collect::<Vec<_>>();
        // Moments share what is the same.
        if *self.now.given != *all {
            self.now.given = all.as_slice().into();
        }
        self.compare("layers", &given, &changed.then_some(&all));
        if changed {
            self.note();
        }
    }

    fn send(&mut self, now: Instant, bytes: usize, purpose: Purpose, number: u16) {
        if purpose == Purpose::Padding {
            let fills = self.estimator.padding(now).is_some();
            self.compare("a probe to be filled", &true, &fills);
            self.now.padding += bytes as u64;
        }
        if self.receiver.is_none() {
            self.add(bytes as u64);
        }
        self.delays.send(self.now.at, number);
        let numbered = self.estimator.send(now, bytes, purpose);
        self.compare("number", &number, &numbered);
    }

    fn compare_estimate(&mut self, known: Known) {
        if let Known::Now(estimate) = known {
            self.told = estimate;
        }
        let (told, estimate) = (self.told, self.estimator.estimate());
        self.compare("estimate", &told, &estimate);
    }

    fn compare_said(&mut self, known: Known) {
        if let Known::Now(estimate) = known {
            self.said = estimate;
        }
        let receiver = self.receiver.as_ref();
        let (said, estimate) = (self.said, receiver.and_then(|it| it.estimate()));
        self.compare("estimate of the other end's", &said, &estimate);
    }

    fn compare<T: PartialEq + Debug>(&mut self, what: &str, before: &T, now: &T) {
        self.replay.decisions += 1;
        if before == now {
            return;
        }
        self.replay.different += 1;
        if self.replay.differences.len() < TOLD {
            let what = format!("{what}: {before:?} was decided, and now {now:?}");
            let at = self.now.at;
            self.replay.differences.push(Difference { at, what });
        }
    }

    fn note(&mut self) {
        // Where the other end makes an estimate of its own that is the one that counts.
        self.now.estimate = match &self.receiver {
            Some(receiver) => receiver.estimate(),
            None => self.estimator.estimate(),
        };
        self.replay.moments.push(self.now.clone());
    }
}

/// How long packets were under way, compared with the quickest: two clocks, whose difference nobody knows.
#[derive(Default)]
struct Delays {
    /// When each number was last sent, in microseconds.
    sent: Vec<Option<i64>>,
    clock: ArrivalClock,
    quickest: Option<i64>,
}

impl Delays {
    fn send(&mut self, at: Duration, number: u16) {
        self.sent.resize(usize::from(u16::MAX) + 1, None);
        self.sent[usize::from(number)] = Some(at.as_micros() as i64);
    }

    /// Of the last of those that came.
    fn hear(&mut self, base: u16, arrivals: &[Option<i64>]) -> Option<Duration> {
        let numbers = (0..).map(|at| base.wrapping_add(at));
        let mut last = None;
        for (number, arrived) in numbers.zip(arrivals) {
            let sent = self
                .sent
                .get_mut(usize::from(number))
                .and_then(Option::take);
            if let (Some(sent), Some(arrived)) = (sent, arrived) {
                let way = self.clock.unwrap(*arrived) - sent;
                let quickest = self.quickest.map_or(way, |quickest| quickest.min(way));
                self.quickest = Some(quickest);
                last = Some(Duration::from_micros((way - quickest) as u64));
            }
        }
        last
    }
}
