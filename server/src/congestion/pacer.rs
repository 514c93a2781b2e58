//! When what is sent leaves, over a path that has shown how much it carries: not much faster than that, so that what comes
//! at once, as a keyframe does, waits here and not in the path's queue, where sound would wait behind it (after
//! draft-ietf-rmcat-gcc-02 §4, which lets all media wait). What fits goes at once, and so does everything while nothing
//! is known of the path. What is sent again goes before what is new. Nothing waits for long: what would, goes faster.
//!
//! Pure: knows lengths and times, and not what it holds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How much faster than what is known to be there, as browsers have it. With less, sound waits less on the path; but an estimate
/// that finds no queue takes more to be there, and larger layers are tried too often.
const GAIN: f64 = 2.5;
/// So much goes at once: most frames of a picture, in one system call.
const BURST: Duration = Duration::from_millis(30);
/// Nothing waits for longer. Where that takes more than the rate, it is more.
pub const MAX_DELAY: Duration = Duration::from_millis(250);
/// No more waits for one subscriber, in bytes of memory and in packets: what was first goes at once.
pub const MAX_BYTES: usize = 256 << 10;
pub const MAX_PACKETS: usize = 512;

/// Which goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It was sent before, and somebody waits for it.
    Again,
    /// It was not.
    New,
}

/// What waited until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How many packets.
    pub packets: u64,
    /// For how long, all of them together,
    pub total: Duration,
    /// and the one that waited for longest.
    pub longest: Duration,
}

#[derive(Debug)]
struct Waiting<T> {
    since: Instant,
    bytes: usize,
    /// With what it holds elsewhere.
    memory: usize,
    thing: T,
}

/// What is to leave over one path.
#[derive(Debug)]
pub struct Pacer<T> {
    /// What the path carries, in bits per second, where nothing is to go faster than that.
    limit: Option<f64>,
    /// When what was sent has passed.
    passed: Option<Instant>,
    again: VecDeque<Waiting<T>>,
    new: VecDeque<Waiting<T>>,
    bytes: usize,
    memory: usize,
    /// When something left last that had waited.
    left: Option<Instant>,
    is_active: bool,
    waits: Waits,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self {
            limit: None,
            passed: None,
            again: VecDeque::new(),
            new: VecDeque::new(),
            bytes: 0,
            memory: 0,
            left: None,
            is_active: false,
            waits: Waits::default(),
        }
    }
}

impl<T> Pacer<T> {
    /// The path carries so much, in bits per second. `None` where it has not shown that: then nothing waits.
    pub fn follow(&mut self, limit: Option<f64>) {
        self.limit = limit;
        if limit.is_none() {
            self.passed = None;
        }
        self.look();
    }

    /// Whether anything may have to wait, or did a moment ago.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    fn look(&mut self) {
        self.is_active = self.limit.is_some() || !self.is_empty() || self.left.is_some();
    }

    /// Whether something waits, or left no longer ago than this that had waited.
    pub fn waited_within(&self, now: Instant, span: Duration) -> bool {
        !self.is_empty() || self.left.is_some_and(|left| now < left + span)
    }

    /// What left longer ago than this is nothing to anybody.
    pub fn forget(&mut self, now: Instant, span: Duration) {
        if !self.waited_within(now, span) {
            self.left = None;
            self.look();
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.again.is_empty() && self.new.is_empty()
    }

    /// How many packets wait.
    pub fn len(&self) -> usize {
        self.again.len() + self.new.len()
    }

    /// Bytes of packets that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What that takes of memory, in bytes.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// What waited until now.
    pub fn waits(&self) -> Waits {
        self.waits
    }

    /// Whether a packet has to wait: behind others that do, or because what was sent has not passed.
    #[inline]
    pub fn must_wait(&self, now: Instant, urgency: Urgency) -> bool {
        let has_place = match urgency {
            Urgency::Again => self.again.is_empty(),
            Urgency::New => self.is_empty(),
        };
        !has_place || !self.has_passed(now)
    }

    fn has_passed(&self, now: Instant) -> bool {
        self.limit.is_none() || self.passed.is_none_or(|at| at <= now)
    }

    /// Has a packet wait that has to: of so many bytes, and which keeps so many elsewhere.
    pub fn push(&mut self, now: Instant, urgency: Urgency, bytes: usize, kept: usize, thing: T) {
        let memory = size_of::<Waiting<T>>() + kept;
        self.bytes += bytes;
        self.memory += memory;
        self.is_active = true;
        let queue = match urgency {
            Urgency::Again => &mut self.again,
            Urgency::New => &mut self.new,
        };
        queue.push_back(Waiting {
            since: now,
            bytes,
            memory,
            thing,
        });
    }

    /// A packet was sent, whether or not it had waited.
    #[inline]
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        let Some(limit) = self.limit else { return };
        let takes = Duration::from_secs_f64(8.0 * bytes as f64 / self.rate(now, limit));
        // A timer that is late, or nothing to send for a moment, leaves so much to catch up with.
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let before = self.passed.map_or(earliest, |at| at.max(earliest));
        self.passed = Some((before + takes).min(now + MAX_DELAY));
    }

    /// In bits per second: so that what came last has left when it has to.
    fn rate(&self, now: Instant, limit: f64) -> f64 {
        let newest = self.again.back().into_iter().chain(self.new.back());
        let Some(since) = newest.map(|waiting| waiting.since).max() else {
            return GAIN * limit;
        };
        let left = (since + MAX_DELAY).saturating_duration_since(now);
        let left = left.max(Duration::from_millis(1)).as_secs_f64();
        (GAIN * limit).max(8.0 * self.bytes as f64 / left)
    }

    /// Takes out what goes now, the one that goes first first; `at_once` whatever it is.
    pub fn pop(&mut self, now: Instant, at_once: bool) -> Option<T> {
        let goes = at_once || self.is_full() || self.has_passed(now);
        let is_due = |queue: &VecDeque<Waiting<T>>| {
            let first = queue.front();
            first.is_some_and(|first| goes || now >= first.since + MAX_DELAY)
        };
        let queue = match (is_due(&self.again), is_due(&self.new)) {
            (true, _) => &mut self.again,
            (false, true) => &mut self.new,
            (false, false) => return None,
        };
        let Waiting {
            since,
            bytes,
            memory,
            thing,
        } = queue.pop_front()?;
        if queue.is_empty() {
            *queue = VecDeque::new();
        }
        self.bytes -= bytes;
        self.memory -= memory;
        self.left = Some(now);
        let waited = now.saturating_duration_since(since);
        self.waits.packets += 1;
        self.waits.total += waited;
        self.waits.longest = self.waits.longest.max(waited);
        Some(thing)
    }

    fn is_full(&self) -> bool {
        self.memory > MAX_BYTES || self.len() > MAX_PACKETS
    }

    /// When [`Self::pop`] next has something.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let firsts = self.again.front().into_iter().chain(self.new.front());
        let oldest = firsts.map(|first| first.since).min()?;
        let latest = oldest + MAX_DELAY;
        Some(match self.passed.filter(|_| self.limit.is_some()) {
            Some(passed) if !self.is_full() => passed.min(latest),
            _ => oldest,
        })
    }

    /// What waits, in the order that it leaves in.
    pub fn waiting(&self) -> impl Iterator<Item = &T> {
        let waiting = self.again.iter().chain(&self.new);
        waiting.map(|waiting| &waiting.thing)
    }

    /// Takes out what is not to be sent any more.
    pub fn take_back(&mut self, mut is_over: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for queue in [&mut self.again, &mut self.new] {
            for waiting in std::mem::take(queue) {
                match is_over(&waiting.thing) {
                    true => {
                        self.bytes -= waiting.bytes;
                        self.memory -= waiting.memory;
                        taken.push(waiting.thing);
                    }
                    false => queue.push_back(waiting),
                }
            }
        }
        self.look();
        taken
    }
}

#[cfg(test)]
mod tests;
