//! What a peer agreed on, and what its sections are for, as rooms say it. Plain data: what becomes of it is
//! the shard's matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ferrite_protocol::Pressure;

use crate::congestion::ALL_TEMPORAL;
use crate::media::id::TrackId;
use crate::media::rtp::spatial::Spatial;
use crate::media::sdp::Agreed;
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
        /// Who it is to the others, for messages; `None` outside of a room.
        talk: Option<Arc<Talk>>,
        /// Whether its end keeps up with what is shown.
        pressure: Pressure,
    },
}

impl Plan {
    /// The participant's place in a room, within one.
    pub fn place(&self) -> Option<(&Gathering, &str)> {
        match self {
            Self::Room { talk, .. } => talk.as_deref().map(Talk::place),
            Self::Echo => None,
        }
    }
}

/// The priority of a screen, but for what is wished: in the lower three bytes. No picture has it.
pub const SCREEN: u32 = 0xFF_FFFF;

/// A layer this much larger than it is shown still fits it: what is shown is seldom exactly a layer's size.
const SLACK: f32 = 1.25;

/// Whether a picture of a size is not too large where it is shown so.
pub fn fits(own: (f32, f32), shown: (Option<u16>, Option<u16>)) -> bool {
    let within =
        |own: f32, shown: Option<u16>| shown.is_none_or(|shown| own <= f32::from(shown) * SLACK);
    within(own.0, shown.0) && within(own.1, shown.1)
}

/// A picture in one stream is halved no oftener: no more spatial layers are told apart by their modes.
pub const MAX_HALVINGS: u8 = 2;

/// What is shown on a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The track.
    pub track: TrackId,
    /// The best simulcast layer to be sent, by index (0 is the best there is).
    pub best_layer: u8,
    /// The best that is watched, for who publishes it: a simulcast layer, or of one stream how many times its width and
    /// height may be halved for that ([`MAX_HALVINGS`]).
    pub watched: u8,
    /// Of that layer, the highest temporal layer to be sent; [`ALL_TEMPORAL`] is all there are.
    pub temporal: u8,
    /// The path has no room for a better layer: of one that goes out until this begins the lowest temporal layer is all.
    pub is_pressed: bool,
    /// Of a picture with spatial layers in one stream, the width and height it is watched at, where that is said: none
    /// that is larger is sent.
    pub size: (Option<u16>, Option<u16>),
    /// What is greater gets its layer first, where not all fits.
    pub priority: u32,
    /// It need not begin with a keyframe: whoever is sent it is there from its first packet on.
    pub from_the_start: bool,
}

impl Shown {
    /// A track as good as it comes.
    pub fn at_best(track: TrackId) -> Self {
        Self {
            track,
            best_layer: 0,
            watched: 0,
            temporal: ALL_TEMPORAL,
            is_pressed: false,
            size: (None, None),
            priority: 0,
            from_the_start: false,
        }
    }

    /// The best layer of a stream with spatial layers that is to be sent, by its name.
    pub fn best_spatial(&self, spatial: &Spatial) -> u8 {
        self.best_layer.max(self.watched_layer(spatial))
    }

    /// The one of such a stream for the size that it is watched at.
    pub fn watched_layer(&self, spatial: &Spatial) -> u8 {
        spatial.best(|(width, height)| fits((width.into(), height.into()), self.size))
    }

    /// The same, with all temporal layers of what goes out.
    pub fn whole(self) -> Self {
        Self {
            temporal: ALL_TEMPORAL,
            is_pressed: false,
            ..self
        }
    }

    /// Whether it is a screen: less of that is of no use.
    pub fn is_screen(&self) -> bool {
        self.priority & SCREEN == SCREEN
    }

    /// A track as it comes, whether or not a decoder could begin with it.
    pub fn echoed(track: TrackId) -> Self {
        Self {
            from_the_start: true,
            ..Self::at_best(track)
        }
    }
}

/// What a peer agreed on, whole, and its place in the order of such, as a [`Revision`] has one: what was
/// agreed on later says all that is to be known of what was before.
#[derive(Clone)]
pub struct Agreement {
    /// Its number; a greater one replaces it.
    pub number: u64,
    /// What was agreed.
    pub agreed: Arc<Agreed>,
    /// Our credentials. Others than before are those of a new ICE generation.
    pub local: Credentials,
}

/// Who a peer is to the others in its room, as far as messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// The room.
    pub gathering: Gathering,
    /// The participant.
    pub participant: Arc<str>,
    /// It may send messages.
    pub may_send: bool,
}

impl Talk {
    /// The participant's place, whatever they may do.
    pub fn place(&self) -> (&Gathering, &str) {
        (&self.gathering, &self.participant)
    }
}

/// A room as the media plane knows it: a name, on which shards its members are, and how many those are. Each
/// shard says so of its own, so that whoever has something for the room knows where to send it, and what that costs.
#[derive(Clone, Debug, Default)]
pub struct Gathering(Arc<Whereabouts>);

#[derive(Debug, Default)]
struct Whereabouts {
    /// A bit for each shard.
    shards: AtomicU64,
    members: AtomicUsize,
    /// Of them, those who publish pictures.
    publishers: AtomicUsize,
}

/// Shards from this one on share a bit, which nobody takes back.
const SHARED_BIT: usize = 63;

impl Gathering {
    /// Nobody else has it while there is a copy of this one.
    pub fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Some of its members are on this shard.
    pub fn enter(&self, shard: usize) {
        let bit = 1 << shard.min(SHARED_BIT);
        self.0.shards.fetch_or(bit, Ordering::Relaxed);
    }

    /// None of them is any more.
    pub fn leave(&self, shard: usize) {
        if shard < SHARED_BIT {
            self.0.shards.fetch_and(!(1 << shard), Ordering::Relaxed);
        }
    }

    /// Whether some of them may be on this shard.
    pub fn is_at(&self, shard: usize) -> bool {
        self.0.shards.load(Ordering::Relaxed) & 1 << shard.min(SHARED_BIT) != 0
    }

    /// There is one more member.
    pub fn add_member(&self) {
        self.0.members.fetch_add(1, Ordering::Relaxed);
    }

    /// So many are no more.
    pub fn remove_members(&self, count: usize) {
        self.0.members.fetch_sub(count, Ordering::Relaxed);
    }

    /// One more publishes pictures.
    pub fn add_publisher(&self) {
        self.0.publishers.fetch_add(1, Ordering::Relaxed);
    }

    /// One publishes none any more.
    pub fn remove_publisher(&self) {
        self.0.publishers.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many publish pictures, about.
    pub fn publishers(&self) -> usize {
        self.0.publishers.load(Ordering::Relaxed)
    }

    /// How many members there are, about.
    pub fn members(&self) -> usize {
        self.0.members.load(Ordering::Relaxed)
    }
}

impl PartialEq for Gathering {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gathering {}

/// A plan and its place in the order of those of its peer. A command that waits for a full mailbox can be
/// overtaken by the next, on the way to a peer that moved.
#[derive(Clone, Debug, Default)]
pub struct Revision {
    /// The number of the plan; a greater one replaces it.
    pub number: u64,
    /// The plan.
    pub plan: Arc<Plan>,
}
