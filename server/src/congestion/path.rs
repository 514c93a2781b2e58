//! When the estimator of a path begins: with the first packet that gets a number, for where nothing has one nobody
//! will say what arrives; or, where the other end makes an estimate of its own, with the first word of that.

use std::time::{Duration, Instant};

use super::{Estimate, Estimator, ReceiverEstimator, Sink};

/// The estimator, once there is one.
#[derive(Default)]
pub struct PathEstimator {
    estimator: Option<Box<Estimator>>,
    /// Where its trace is to go.
    sink: Option<Box<dyn Sink>>,
}

impl PathEstimator {
    /// Has a trace written of what it does, unless it is at it already.
    pub fn trace(&mut self, sink: Box<dyn Sink>) {
        self.sink = self.estimator.is_none().then_some(sink);
    }

    /// What numbers a packet that is sent now.
    pub fn begun(&mut self, now: Instant) -> &mut Estimator {
        self.estimator.get_or_insert_with(|| {
            let mut estimator = Box::new(Estimator::new(now));
            if let Some(sink) = self.sink.take() {
                estimator.begin_trace(now, sink);
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

/// The estimator of a path that its other end makes an estimate of, once that said something.
#[derive(Default)]
pub struct ReceiverPath(Option<Box<ReceiverEstimator>>);

impl ReceiverPath {
    /// What takes the other end's word. So many bytes were sent by now, ever.
    pub fn begun(&mut self, now: Instant, bytes: u64) -> &mut ReceiverEstimator {
        (self.0).get_or_insert_with(|| Box::new(ReceiverEstimator::new(now, bytes)))
    }

    /// As it is.
    pub fn get(&self) -> Option<&ReceiverEstimator> {
        self.0.as_deref()
    }

    /// To be told something.
    pub fn get_mut(&mut self) -> Option<&mut ReceiverEstimator> {
        self.0.as_deref_mut()
    }

    /// What is known of the path.
    pub fn estimate(&self) -> Option<Estimate> {
        self.get()?.estimate()
    }

    /// Everything goes over another path: nothing was said of that.
    pub fn change_path(&mut self) {
        self.0 = None;
    }
}
