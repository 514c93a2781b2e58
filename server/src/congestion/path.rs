//! The estimator of a path, which begins with the first packet that gets a number: where nothing has one, nobody will
//! say what arrives.

use std::time::Instant;

use super::{Estimator, Sink};

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
        self.sink = Some(sink).filter(|_| self.estimator.is_none());
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

    /// To be told something.
    pub fn get_mut(&mut self) -> Option<&mut Estimator> {
        self.estimator.as_deref_mut()
    }
}
