//! What one path's congestion control was told and what it decided, in few bytes: enough to have the same rules
//! decide again, and to see whether they decide the same. One trace has all of a path: what is known of its single
//! packets, what its other end makes of it, and who gets what of it.
//!
//! Sans-IO: what is written goes to a [`Sink`] in blocks. Without one nothing is written, and a packet costs one
//! comparison. With one it costs some ten bytes.
//!
//! | module | what lives there |
//! |---|---|
//! | `wire` | how numbers and events are written, and read again |
//! | `replay` | the same rules again, and what they decide otherwise |

mod replay;
pub(super) mod wire;

use std::fmt;
use std::time::{Duration, Instant};

use super::allocation::{Allocation, Demand};
use super::estimate::{Estimate, Purpose};
pub use replay::{Difference, Ending, Moment, NotATrace, Replay, replay};
use wire::{HEADER, MAGIC, Tag, seal};

/// A trace ends when it is so long, in bytes.
pub const MAX_TRACE: usize = 16 << 20;
/// A block is given away when it is so long, in bytes,
pub(crate) const BLOCK: usize = 32 << 10;
/// or so old.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// Where a trace goes.
pub trait Sink: Send {
    /// Takes what comes next. `false` where it cannot: the trace ends here.
    fn write(&mut self, block: Vec<u8>) -> bool;
}

/// A trace that is being written. It begins with the first event that has a time.
pub struct Trace {
    sink: Option<Box<dyn Sink>>,
    block: Vec<u8>,
    /// When the last block was given away.
    given: Option<Instant>,
    /// How many more bytes there may be.
    left: usize,
    /// When the last event was.
    last: Option<Instant>,
    /// An event is being written.
    is_open: bool,
    /// The last arrival that was written.
    arrival: i64,
    /// The estimates that were written last: by what is told of single packets, and by the other end's own.
    told: Option<Estimate>,
    said: Option<Estimate>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Trace {
    /// Of what is still to begin.
    pub(super) fn new(sink: Box<dyn Sink>) -> Self {
        Self {
            sink: Some(sink),
            block: MAGIC.iter().copied().chain([0; HEADER]).collect(),
            given: None,
            left: MAX_TRACE,
            last: None,
            is_open: false,
            arrival: 0,
            told: None,
            said: None,
        }
    }

    /// Packets are numbered from now on, and an estimator knows nothing of them yet.
    pub(super) fn begins(&mut self, now: Instant) {
        self.begin(Tag::Began, now);
        self.end();
    }

    /// A packet was sent, and given this number.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize, purpose: Purpose, number: u16) {
        let tag = match purpose {
            Purpose::Media => Tag::Media,
            Purpose::Padding => Tag::Padding,
        };
        self.begin(tag, now);
        self.put(bytes as u64);
        self.put(number.into());
        self.end();
    }

    /// The other end says what became of the packets from `base` on: each follows as an [`arrival`](Self::arrival).
    pub(super) fn hears(&mut self, now: Instant, base: u16) {
        self.begin(Tag::Heard, now);
        self.put(base.into());
    }

    /// Zero is the end, and one what was lost.
    pub(super) fn arrival(&mut self, arrived: Option<i64>) {
        let Some(arrived) = arrived else {
            return self.put(1);
        };
        let since = wire::zigzag(arrived.wrapping_sub(self.arrival));
        self.arrival = arrived;
        self.put(since.saturating_add(2));
    }

    /// That was all, and so much is known now.
    pub(super) fn heard(&mut self, estimate: Option<Estimate>) {
        self.put(0);
        self.put_told(estimate);
        self.end();
    }

    /// So much would be sent if there was room for it.
    pub fn wants(&mut self, bits_per_second: u64, is_paused: bool) {
        self.begin_at_once(Tag::Wanted);
        self.put(bits_per_second);
        self.put(is_paused.into());
        self.end();
    }

    /// Time passed, and so much is known now.
    pub(super) fn passed(&mut self, now: Instant, can_probe: bool, estimate: Option<Estimate>) {
        self.begin(Tag::Passed, now);
        self.put(can_probe.into());
        self.put_told(estimate);
        self.end();
    }

    /// Everything goes over another path from now on.
    pub(super) fn goes_on(&mut self, now: Instant) {
        self.begin(Tag::WentOn, now);
        self.end();
    }

    /// The other end says for the first time what it makes of the path; so many bytes were sent by now, ever.
    pub(super) fn listens(&mut self, now: Instant, bytes: u64) {
        self.begin(Tag::Listened, now);
        self.put(bytes);
        self.end();
    }

    /// It wants no more than this, in bits per second, and so much is known now.
    pub(super) fn says(&mut self, now: Instant, bits_per_second: u64, estimate: Option<Estimate>) {
        self.begin(Tag::Said, now);
        self.put(bits_per_second);
        self.put_said(estimate);
        self.end();
    }

    /// It reports of what came on a section.
    pub(super) fn reports(&mut self, now: Instant, section: usize, lost: u8, highest: u32) {
        self.begin(Tag::Reported, now);
        self.put(section as u64);
        self.put(lost.into());
        self.put(highest.into());
        self.end();
    }

    /// Those were all reports, and so much is known now.
    pub(super) fn concludes(&mut self, now: Instant, bytes: u64, estimate: Option<Estimate>) {
        self.begin(Tag::Concluded, now);
        self.put(bytes);
        self.put_said(estimate);
        self.end();
    }

    /// Time passed for what the other end said. So much is known now, and what is sent is filled up or not.
    pub(super) fn lapses(
        &mut self,
        now: Instant,
        (bytes, can_fill): (u64, bool),
        fills: bool,
        estimate: Option<Estimate>,
    ) {
        self.begin(Tag::Lapsed, now);
        self.put(bytes);
        self.put(can_fill.into());
        self.put(fills.into());
        self.put_said(estimate);
        self.end();
    }

    /// There was padding of so many bytes to be had, and it was sent or not.
    pub(super) fn fills(&mut self, bytes: usize, takes: bool) {
        self.begin_at_once(Tag::Filled);
        self.put(bytes as u64);
        self.put(takes.into());
        self.end();
    }

    /// What the other end said is over.
    pub(super) fn unsays(&mut self) {
        self.begin_at_once(Tag::Unsaid);
        self.end();
    }

    /// It is decided anew who gets what.
    pub fn fits(&mut self, now: Instant, available: u64, is_strained: bool, demands: &[Demand]) {
        self.begin(Tag::Fitted, now);
        self.put(available);
        self.put(is_strained.into());
        self.put(demands.len() as u64);
        for demand in demands {
            self.put(demand.id as u64);
            self.put(demand.priority.into());
            self.put(demand.points.len() as u64);
            for (point, bits) in &demand.points {
                self.put(point.number());
                self.put(*bits);
            }
        }
    }

    /// That was decided.
    pub fn fitted(&mut self, has_changed: bool, allocation: &Allocation) {
        self.put(has_changed.into());
        if has_changed {
            self.put(allocation.all().count() as u64);
            for (id, point) in allocation.all() {
                self.put(id as u64);
                self.put(wire::point(point));
            }
        }
        self.end();
    }

    /// What was decided of one is over.
    pub fn forgets(&mut self, id: usize) {
        self.begin_at_once(Tag::Forgot);
        self.put(id as u64);
        self.end();
    }

    /// What was decided of all is.
    pub fn forgets_all(&mut self) {
        self.begin_at_once(Tag::ForgotAll);
        self.end();
    }

    fn begin(&mut self, tag: Tag, now: Instant) {
        self.is_open = self.sink.is_some();
        let last = self.last.replace(now).unwrap_or(now);
        let since = match now.checked_duration_since(last) {
            Some(since) => since.as_nanos() as i64,
            None => -((last - now).as_nanos() as i64),
        };
        self.given.get_or_insert(now);
        self.put(tag as u64);
        self.put(wire::zigzag(since));
    }

    /// What has no time of its own, and changes nothing before the beginning.
    fn begin_at_once(&mut self, tag: Tag) {
        if let Some(last) = self.last {
            self.begin(tag, last);
        }
    }

    fn put(&mut self, number: u64) {
        if self.is_open {
            wire::put(&mut self.block, number);
        }
    }

    fn put_told(&mut self, estimate: Option<Estimate>) {
        let before = std::mem::replace(&mut self.told, estimate);
        self.put_estimate(before, estimate);
    }

    fn put_said(&mut self, estimate: Option<Estimate>) {
        let before = std::mem::replace(&mut self.said, estimate);
        self.put_estimate(before, estimate);
    }

    /// What is known, where that is otherwise than was written before.
    fn put_estimate(&mut self, before: Option<Estimate>, estimate: Option<Estimate>) {
        if estimate == before {
            return self.put(0);
        }
        let Some(estimate) = estimate else {
            return self.put(1);
        };
        self.put(2);
        self.put(estimate.bits_per_second);
        self.put(estimate.acknowledged);
        self.put(estimate.loss.to_bits().into());
        self.put(estimate.round_trip.as_nanos() as u64);
    }

    fn end(&mut self) {
        if !self.is_open {
            return;
        }
        self.is_open = false;
        if self.left <= self.block.len() {
            wire::put(&mut self.block, Tag::Full as u64);
            self.give();
            self.sink = None;
        } else if self.block.len() >= BLOCK || self.last > self.given.map(|at| at + BLOCK_TIME) {
            self.give();
        }
    }

    /// Gives away what was written.
    fn give(&mut self) {
        let mut block = std::mem::replace(&mut self.block, vec![0; HEADER]);
        self.left = self.left.saturating_sub(block.len());
        self.given = self.last;
        seal(&mut block);
        self.sink.take_if(|sink| !sink.write(block));
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if self.sink.is_some() && self.last.is_some() {
            self.give();
        }
    }
}
