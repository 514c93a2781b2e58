//! The names of things in the media plane.

/// A peer's name in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// A publication's name in this process: what one participant sends as one thing, in however many
/// layers. It says nothing of the peer that sends it at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

/// Tells publications of rooms from what comes on a section.
const PUBLICATION: u64 = 1 << 63;

impl TrackId {
    /// The name of what comes on a section of a peer that publishes under no other.
    pub fn of_section(peer: PeerId, section: usize) -> Self {
        // More than there are sections, and room for a million peers a second for two thousand years.
        Self(peer.0 << 7 & !PUBLICATION | section as u64 & 0x7F)
    }

    /// The name of a room's publication. It is never that of a section.
    pub fn of_publication(number: u64) -> Self {
        Self(number | PUBLICATION)
    }
}
