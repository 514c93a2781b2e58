//! What one shows of a call, drawn from its parts. Changes none of them.

use super::flow::Flow;
use super::link::Link;
use super::path::Path;
use super::status::{LinkState, Phase, Problem, Status};

/// The parts of a call that one sees.
pub(super) struct Summary<'a> {
    pub(super) link: &'a Link,
    pub(super) path: &'a Path,
    pub(super) flow: &'a Flow,
    pub(super) closed: bool,
    pub(super) wanted: bool,
    pub(super) has_peer: bool,
    pub(super) failure: Option<&'a Problem>,
}

impl Summary<'_> {
    pub(super) fn status(&self) -> Status {
        Status {
            phase: self.phase(),
            link: self.link.state(),
            reached: self.link.is_reached(),
            problem: self.problem(),
        }
    }

    fn phase(&self) -> Phase {
        let stopped = self.link.state() == LinkState::Stopped;
        if self.closed {
            Phase::Closed
        } else if !self.wanted {
            Phase::Idle
        } else if self.failure.is_some() {
            Phase::Failed
        } else if self.has_peer && self.path.is_connected() && !self.is_cut() {
            Phase::Connected
        } else if stopped {
            Phase::Failed
        } else if self.path.was_connected() {
            Phase::Reconnecting
        } else if self.has_peer {
            Phase::Negotiating
        } else {
            Phase::Connecting
        }
    }

    /// Nothing comes from the server, neither media nor a word.
    fn is_cut(&self) -> bool {
        !self.link.is_ready() && (self.flow.is_silent() || self.link.is_offline())
    }

    fn problem(&self) -> Option<Problem> {
        let slow = || {
            let slow = self.has_peer && self.path.is_slow();
            slow.then(|| Problem::SlowPath(self.path.reason()))
        };
        let offline = || {
            let cut = self.has_peer && !self.path.is_connected();
            (cut && self.link.is_offline()).then_some(Problem::Offline)
        };
        let failure = self.failure.cloned();
        failure
            .or_else(|| self.link.problem().cloned())
            .or_else(offline)
            .or_else(slow)
    }
}
