//! What a peer agreed on, and what its sections are for, as rooms say it. Plain data: what becomes of it is
//! the shard's matter.

use std::sync::Arc;

use crate::media::id::TrackId;
use crate::media::sdp::Session;
use crate::media::transport::ice::Credentials;

/// What a peer's sections are for, whole each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// What arrives on a section comes back on it.
    #[default]
    Echo,
    /// A place in a room.
    Room {
        /// By section: the track that comes on it.
        publishes: Vec<(usize, TrackId)>,
        /// By section: what is shown on it. A section that is not here shows nothing.
        shows: Vec<(usize, Shown)>,
    },
}

/// What is shown on a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The track.
    pub track: TrackId,
    /// The best simulcast layer to be sent, by index (0 is the best there is).
    pub best_layer: u8,
}

impl Shown {
    /// A track as good as it comes.
    pub fn at_best(track: TrackId) -> Self {
        let best_layer = 0;
        Self { track, best_layer }
    }
}

/// What a peer agreed on, whole, and its place in the order of such, as a [`Revision`] has one: what was
/// agreed on later says all that is to be known of what was before.
#[derive(Clone)]
pub struct Agreement {
    /// Its number; a greater one replaces it.
    pub number: u64,
    /// What was agreed.
    pub session: Arc<Session>,
    /// Our credentials. Others than before are those of a new ICE generation.
    pub local: Credentials,
}

/// A plan and its place in the order of those of its peer. A command that waits for a full mailbox can be
/// overtaken by the next, on the way to a peer that moved.
#[derive(Clone, Debug, Default)]
pub struct Revision {
    /// The number of the plan; a greater one replaces it.
    pub number: u64,
    /// The plan.
    pub plan: Arc<Plan>,
}
