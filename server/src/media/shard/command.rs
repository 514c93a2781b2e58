//! What a shard's core can be told: by the control plane, and by the cores of other shards.

use std::sync::Arc;

use bytes::Bytes;

use crate::media::forward::track::{Layers, Watched};
use crate::media::id::{PeerId, TrackId};
use crate::media::net::path::FourTuple;
use crate::media::plan::{Agreement, Revision};
use crate::media::rtp::packet::MediaPacket;
use crate::media::shard::gatherings::Lossy;
use crate::media::shard::resident::Resident;

/// Something for a core to do.
pub enum Command {
    /// Take a peer in: it begins here, or its packets land here now.
    Adopt {
        /// The peer.
        resident: Box<Resident>,
        /// The paths known to be its own.
        paths: Vec<FourTuple>,
    },
    /// Something else is agreed on with a peer.
    Agree {
        /// The peer.
        id: PeerId,
        /// What was agreed.
        agreement: Agreement,
    },
    /// What a peer's sections are for changed.
    SetPlan {
        /// The peer.
        id: PeerId,
        /// What they are for.
        plan: Revision,
    },
    /// Send a peer reliable messages of its room. Its session sends more when it hears that these were.
    Send {
        /// The peer.
        id: PeerId,
        /// The messages.
        messages: Vec<Bytes>,
    },
    /// A peer's session heard the messages that it was told last.
    Heard {
        /// The peer.
        id: PeerId,
    },
    /// Tell a peer's session what tells why it is not connected.
    Testify {
        /// The peer.
        id: PeerId,
    },
    /// Close a peer.
    Close {
        /// The peer.
        id: PeerId,
    },
    /// A datagram for one of your peers landed on another shard.
    Landed {
        /// That shard.
        on: usize,
        /// Its path.
        path: FourTuple,
        /// Its bytes.
        datagram: Vec<u8>,
    },
    /// What another shard wants of yours.
    Interest {
        /// That shard.
        from: usize,
        /// Nothing that it wanted before counts any more.
        anew: bool,
        /// The tracks of which it wants something else from now on, and those that it wants no more.
        changes: Vec<(TrackId, Watched)>,
    },
    /// Media that you want, some of it.
    Media {
        /// The shard that it comes from.
        from: usize,
        /// The packets of a turn.
        packets: Arc<[MediaPacket]>,
    },
    /// Lossy messages for rooms of which you have members.
    Lossy {
        /// The messages of a turn.
        messages: Arc<[Lossy]>,
    },
    /// Somebody elsewhere wishes for a keyframe.
    Wish {
        /// Of this track.
        track: TrackId,
        /// Of these layers.
        layers: Layers,
    },
    /// Another shard has forgotten everything.
    StartedOver {
        /// That shard.
        from: usize,
    },
}
