//! What a token comes down to: who somebody is, and what they may do. Knows nothing of how it was written.

use std::num::NonZeroU32;
use std::time::SystemTime;

use ferrite_protocol::Source;

/// What a token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Who it is: one per room.
    pub identity: String,
    /// What others are to see.
    pub name: Option<String>,
    /// What an application says of them.
    pub metadata: Option<String>,
    /// What they may do.
    pub grants: Grants,
    /// How many may be in the room at a time, where they are the first in it.
    pub max_participants: Option<NonZeroU32>,
    /// When the token runs out.
    pub expires: SystemTime,
}

/// What somebody may do in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Publish tracks.
    pub publish: bool,
    /// Of these sources alone; of any if there are none.
    pub sources: Option<Vec<Source>>,
    /// Watch and listen to others.
    pub subscribe: bool,
    /// Send messages.
    pub publish_data: bool,
    /// Change their own name and metadata.
    pub update_own_metadata: bool,
    /// Mute and send away others, and end the room.
    pub admin: bool,
    /// Open rooms that nobody is in, where that takes a right.
    pub create: bool,
    /// Be seen by nobody.
    pub hidden: bool,
}

impl Grants {
    /// Everything, in the sight of all: for who is first in a room that needs no token.
    #[must_use]
    pub fn all() -> Self {
        Self {
            publish: true,
            sources: None,
            subscribe: true,
            publish_data: true,
            update_own_metadata: true,
            admin: true,
            create: true,
            hidden: false,
        }
    }

    /// Whether a track of this source may be published.
    #[must_use]
    pub fn may_publish(&self, source: Source) -> bool {
        let named = |sources: &Vec<Source>| sources.contains(&source);
        self.publish && self.sources.as_ref().is_none_or(named)
    }
}

/// Every source that a token can name, with its name there.
pub const SOURCES: [(Source, &str); 4] = [
    (Source::Camera, "camera"),
    (Source::Microphone, "microphone"),
    (Source::Screen, "screen_share"),
    (Source::ScreenAudio, "screen_share_audio"),
];
