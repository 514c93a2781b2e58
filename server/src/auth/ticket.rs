//! What a token comes down to: who somebody is, and what they may do. Knows nothing of how it was written.

use std::time::SystemTime;

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
    /// Create rooms.
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

/// Where a track comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A screen, or a part of it.
    ScreenShare,
    /// The sound of what the screen shows.
    ScreenShareAudio,
}

impl Source {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Camera,
        Self::Microphone,
        Self::ScreenShare,
        Self::ScreenShareAudio,
    ];

    /// As tokens write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::ScreenShare => "screen_share",
            Self::ScreenShareAudio => "screen_share_audio",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}
