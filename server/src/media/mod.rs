//! The sans-IO media plane, and the threads that run it. It imports neither axum nor tokio's runtime
//! and IO: of tokio only the channels, in `plane` and `shard`, over which sessions are told
//! things and shards answer.
//!
//! | module | what lives there |
//! |---|---|
//! | `plane` | the door for the control plane: start, make peers, hear of their states |
//! | `handle` | one peer connection, from there |
//! | `shard` | one core's peers without IO, and the thread around it; which shard has which peer |
//! | `event` | what a session hears of its peer |
//! | `ceilings` | how much members of rooms may send and be sent |
//! | `plan` | what a peer's sections are for |
//! | [`peer`] | one remote endpoint, tied together from what follows |
//! | `sdp` | offer in, answer out |
//! | `egress` | what leaves: rewriting, retransmission, where to begin |
//! | `forward` | from what arrives to those who want it |
//! | `ingest` | what arrives: streams, reports, losses, feedback |
//! | `data` | data channels |
//! | `transport` | ICE, DTLS, SRTP |
//! | `rtp` | RTP and RTCP as formats, numbers and clocks |
//! | `net` | sockets, streams and batches; our addresses |
//! | `resend` | when what begins a connection is sent again |
//! | `seeded` | tables keyed by what a remote chooses |
//! | `id` | names |
//!
//! Imports point down this list. Only the threads of `shard` and `net` do IO, and only they, `plane`
//! and `handle` read a clock; the cores of `shard` and everything else have datagrams and time come in as arguments.

use std::time::Instant;

pub mod ceilings;
pub mod data;
pub mod egress;
pub mod event;
pub mod forward;
pub mod handle;
pub mod id;
pub mod ingest;
pub mod net;
pub mod peer;
pub mod plan;
pub mod plane;
mod resend;
pub mod rtp;
pub mod sdp;
pub mod seeded;
pub mod shard;
pub mod transport;

pub use event::{PeerEvent, Reliable};
pub use forward::track::Watched;
pub use handle::{Answered, Busy, PeerHandle, SdpError};
pub use id::TrackId;
pub use ingest::voice::Voice;
pub use peer::{Peer, PeerOutput};
pub use plan::{Gathering, Plan, Shown, Talk};
pub use plane::*;
use rtp::packet::MediaPacket;
pub use sdp::{Agreed, MediaSection};

/// What sits opposite a peer besides people. Its media is routed as its plan says, and passes by. What
/// else a peer gives out it hears of. It runs on the peer's shard: it must not block.
pub trait Behaviour: Send {
    /// Sees a packet that arrives, on its way.
    fn tap(&mut self, now: Instant, media: &MediaPacket) {
        let _ = (now, media);
    }

    /// Does something with a message or a state; may make the peer send messages.
    fn handle(&mut self, now: Instant, peer: &mut Peer, output: PeerOutput);
}
