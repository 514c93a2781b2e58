//! What one is told of others in a room: who speaks, and how well their pictures do.

use std::collections::BTreeMap;

use ferrite_protocol::{ParticipantId, PublicationId, SlotQuality};

use crate::sorted::Map;

/// Who has the word, and all who speak right now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Speaking {
    pub(crate) active: Option<ParticipantId>,
    pub(crate) participants: Vec<ParticipantId>,
}

/// How well pictures do, as the server sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Quality {
    /// What the way to this client carries.
    pub(crate) bits_per_second: Option<u32>,
    /// By publication: those of others that are shown.
    pub(crate) shown: Map<PublicationId, SlotQuality>,
    /// What comes of each layer, by the key of what this client publishes.
    pub(crate) arrives: BTreeMap<String, Vec<u32>>,
}

impl Quality {
    pub(super) fn new(
        bits_per_second: Option<u32>,
        shown: Map<PublicationId, SlotQuality>,
        arrives: BTreeMap<String, Vec<u32>>,
    ) -> Self {
        Self {
            bits_per_second,
            shown,
            arrives,
        }
    }
}
