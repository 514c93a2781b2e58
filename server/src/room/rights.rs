//! What a participant may do. Who says so, a token or an open room, it does not know.

use ferrite_protocol::Source;

/// What a participant may do in its room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a right of its own")]
pub struct Rights {
    /// Publish sound and pictures.
    pub publish: bool,
    /// Of these sources only.
    pub sources: Option<Vec<Source>>,
    /// See and hear what others publish.
    pub subscribe: bool,
    /// Say something.
    pub say: bool,
    /// Change its own name and metadata.
    pub update: bool,
    /// Remove and mute others, and end the room.
    pub moderate: bool,
    /// Nobody sees that it is there.
    pub hidden: bool,
}

impl Rights {
    /// What everybody may do where nobody asks for a token. A room's first participant may moderate it.
    #[must_use]
    pub fn open(is_first: bool) -> Self {
        Self {
            publish: true,
            sources: None,
            subscribe: true,
            say: true,
            update: true,
            moderate: is_first,
            hidden: false,
        }
    }

    /// Whether something of this source may be published.
    #[must_use]
    pub fn may_publish(&self, source: Source) -> bool {
        let listed = |sources: &Vec<Source>| sources.contains(&source);
        self.publish && self.sources.as_ref().is_none_or(listed)
    }
}
