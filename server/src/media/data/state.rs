//! How far an association is, and for how long it stays there.

use bytes::Bytes;
use std::time::{Duration, Instant};

/// How long an end that the peer should initiate to waits before it initiates itself. Longer than a browser's first
/// repetition of a lost INIT takes to arrive, so that two ends seldom initiate at once.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);

/// How long an end whose INIT was answered has for its cookie, before this end initiates. A repetition of it that is
/// lost four times comes within.
pub(super) const COOKIE_PATIENCE: Duration = Duration::from_secs(20);

/// Who initiated the association, and how far it is.
#[derive(Debug)]
pub(super) enum State {
    /// For the peer's INIT, until this end loses patience.
    Waiting {
        until: Instant,
    },
    /// This end's INIT was sent.
    Initiating {
        since: Instant,
    },
    /// The peer's INIT was answered: its tag and first TSN, and the answer.
    Accepting {
        init: (u32, u32),
        answer: Vec<Bytes>,
        until: Instant,
    },
    Connected,
    /// Over for this reason, but for what is to be read.
    Ending {
        reason: String,
    },
    Closed,
}
