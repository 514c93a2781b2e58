//! When the estimator of a path begins: with the first packet that gets a number, for where nothing has one nobody
//! will say what arrives; or, where the other end makes an estimate of its own, with the first word of that.

use std::time::{Duration, Instant};

use super::trace::Trace;
use super::{Estimate, Estimator, ReceiverEstimator, Sink};

/// The estimator, once there is one.
#[derive(Default)]
pub struct PathEstimator {
    estimator: Option<Box<Estimator>>,
    /// Of the path, until there is an estimator: then that has it.
    trace: Option<Box<Trace>>,
}

impl PathEstimator {
    /// Has a trace written of what is known of the path and decided, unless it is at it already.
    pub fn trace(&mut self, sink: Box<dyn Sink>) {
        if self.estimator.is_none() && self.trace.is_none() {
            self.trace = Some(Box::new(Trace::new(sink)));
        }
    }

    /// That trace, for what else is known and decided: what the other end makes of the path itself, and who gets what.
    pub fn traced(&mut self) -> Option<&mut Trace> {
        match &mut self.estimator {
            Some(estimator) => estimator.trace(),
            None => self.trace.as_deref_mut(),
        }
    }

    /// What numbers a packet that is sent now.
    pub fn begun(&mut self, now: Instant) -> &mut Estimator {
        self.estimator.get_or_insert_with(|| {
            let mut estimator = Box::new(Estimator::new(now));
            if let Some(trace) = self.trace.take() {
                estimator.begin_trace(now, trace);
            }
            estimator
        })
    }

    /// As it is.
    pub fn get(&self) -> Option<&Estimator> {
        self.estimator.as_deref()
    }

    /// The round trip, as far as feedback tells.
    pub fn round_trip(&self) -> Option<Duration> {
        self.get()?.round_trip()
    }

    /// To be told something.
    pub fn get_mut(&mut self) -> Option<&mut Estimator> {
        self.estimator.as_deref_mut()
    }
}

/// The estimator of a path that its other end makes an estimate of, once that said something. What it is told goes into
/// the trace of the path, and what it makes of that.
#[derive(Default)]
pub struct ReceiverPath(Option<Box<ReceiverEstimator>>);

impl ReceiverPath {
    /// The other end wants no more than this, in bits per second. So many bytes were sent by now, ever.
    pub fn hear(
        &mut self,
        now: Instant,
        bytes: u64,
        bits_per_second: u64,
        mut trace: Option<&mut Trace>,
    ) {
        let estimator = self.begun(now, bytes, trace.as_deref_mut());
        estimator.hear(now, bits_per_second);
        if let Some(trace) = trace {
            trace.says(now, bits_per_second, estimator.estimate());
        }
    }

    /// A report of what came on a section: of the packets since the last, so many 256ths were `lost`, and the `highest`
    /// sequence number is this. So many bytes were sent by now, ever.
    pub fn report(
        &mut self,
        now: Instant,
        bytes: u64,
        (section, lost, highest): (usize, u8, u32),
        mut trace: Option<&mut Trace>,
    ) {
        let estimator = self.begun(now, bytes, trace.as_deref_mut());
        estimator.report(section, lost, highest);
        if let Some(trace) = trace {
            trace.reports(now, section, lost, highest);
        }
    }

    /// What takes the other end's word.
    fn begun(
        &mut self,
        now: Instant,
        bytes: u64,
        trace: Option<&mut Trace>,
    ) -> &mut ReceiverEstimator {
        self.0.get_or_insert_with(|| {
            if let Some(trace) = trace {
                trace.listens(now, bytes);
            }
            Box::new(ReceiverEstimator::new(now, bytes))
        })
    }

    /// Those were all reports; so many bytes were sent by now, ever.
    pub fn conclude(&mut self, now: Instant, bytes: u64, trace: Option<&mut Trace>) {
        let Some(estimator) = &mut self.0 else { return };
        estimator.conclude(now, bytes);
        if let Some(trace) = trace {
            trace.concludes(now, bytes, estimator.estimate());
        }
    }

    /// So much would be sent if there was room, in bits per second.
    pub fn want(&mut self, bits_per_second: u64) {
        if let Some(estimator) = &mut self.0 {
            estimator.want(bits_per_second);
        }
    }

    /// Lets time pass; so many bytes were sent by now, ever, without padding. `can_fill` where there is something to
    /// fill up with.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        bytes: u64,
        can_fill: bool,
        trace: Option<&mut Trace>,
    ) {
        let Some(estimator) = &mut self.0 else { return };
        estimator.handle_timeout(now, bytes, can_fill);
        if let Some(trace) = trace {
            let fills = estimator.poll_timeout().is_some();
            trace.lapses(now, (bytes, can_fill), fills, estimator.estimate());
        }
    }

    /// Whether padding is to be sent now, of so many bytes: asked again after each packet.
    pub fn takes_padding(&mut self, bytes: usize, trace: Option<&mut Trace>) -> bool {
        let Some(estimator) = &mut self.0 else {
            return false;
        };
        let takes = estimator.takes_padding(bytes);
        // Whether anything is filled up at all was written as time passed.
        if let Some(trace) = trace.filter(|_| estimator.poll_timeout().is_some()) {
            trace.fills(bytes, takes);
        }
        takes
    }

    /// As it is.
    pub fn get(&self) -> Option<&ReceiverEstimator> {
        self.0.as_deref()
    }

    /// What is known of the path.
    pub fn estimate(&self) -> Option<Estimate> {
        self.get()?.estimate()
    }

    /// What was said holds no more: everything goes over another path, or nothing will be said any more.
    pub fn forget(&mut self, trace: Option<&mut Trace>) {
        if self.0.take().is_some()
            && let Some(trace) = trace
        {
            trace.unsays();
        }
    }
}
