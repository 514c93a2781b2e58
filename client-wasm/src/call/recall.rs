//! When a call may be made anew for its data channel: an SCTP association that was aborted begins again only on another
//! peer connection, which costs media a moment. Knows nothing of either.

use std::time::Duration;

/// No more often than this. A channel that was open for so long stayed open.
const ONCE_IN: Duration = Duration::from_secs(60);
/// Nor more seldom, where the channel never stays open.
const AT_MOST: Duration = Duration::from_secs(16 * 60);

#[derive(Debug, Default)]
pub(super) struct Recall {
    last: Option<Duration>,
    /// From then on.
    wait: Duration,
    /// Since when the channel is open.
    opened: Option<Duration>,
}

impl Recall {
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.last
            .is_none_or(|last| now.saturating_sub(last) >= self.wait)
    }

    /// It is made anew. Each time that did not help, it is twice as long to the next.
    pub(super) fn begins(&mut self, now: Duration) {
        self.wait = (2 * self.wait).clamp(ONCE_IN, AT_MOST);
        self.last = Some(now);
    }

    /// There is another peer connection, whose channel is not open.
    pub(super) fn replaced(&mut self) {
        self.opened = None;
    }

    pub(super) fn opened(&mut self, now: Duration) {
        self.opened = Some(now);
    }

    /// After a channel that stayed open, this one is as good as the first.
    pub(super) fn closed(&mut self, now: Duration) {
        let opened = self.opened.take();
        if opened.is_some_and(|at| now.saturating_sub(at) >= ONCE_IN) {
            *self = Self::default();
        }
    }
}
