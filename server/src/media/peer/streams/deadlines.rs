//! When a peer's RTCP is due.

use std::time::{Duration, Instant};

/// How often sender and receiver reports go out.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// When something is due, and wishes that were not looked at yet.
pub(super) struct Due {
    pub(super) next_report: Instant,
    /// No stream has anything due before; one need not have then.
    pub(super) streams: Option<Instant>,
    /// The sections of which a keyframe is wanted: one bit each.
    pub(super) keyframes: u128,
}

impl Due {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_report: now + REPORT_INTERVAL,
            streams: None,
            keyframes: 0,
        }
    }

    /// Something is due then, if anything is.
    pub(super) fn by(&mut self, at: Option<Instant>) {
        self.streams = self.streams.into_iter().chain(at).min();
    }
}
