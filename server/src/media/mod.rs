//! The sans-IO media plane, and the threads that run it. It imports neither axum nor tokio's runtime
//! and IO: of tokio only the channels, in `plane`, `resident` and `mailbox`, over which sessions are told
//! things and shards answer.
//!
//! | module | what lives there |
//! |---|---|
//! | `plane` | the door for the control plane: start, make peers, hear of their states |
//! | `shard` | one core's thread: its loop, its sockets, its peers |
//! | `directory`, `mailbox` | which shard has which peer; how a shard is told things |
//! | `holdings` | how many of everything there is |
//! | `resident` | a peer as a shard houses it: with a behaviour, and a line to its session |
//! | `sockets`, `tcp`, `outbox` | the IO that `shard` has done for it: opening, ICE-TCP, sending in batches |
//! | `framing`, `demux` | datagrams on a stream; what a datagram's first byte says |
//! | `buffers` | where packets are written that leave at once |
//! | `candidates`, `clock` | our addresses as candidates; the monotonic clock and the wall clock |
//! | `peer` | one remote endpoint, tied together from what follows |
//! | `ice` | the lite agent: paths, consent, restarts |
//! | `dtls`, `dtls_gate` | the handshake, and what of it may reach the library |
//! | `srtp`, `rtp`, `rtcp` | encryption; the packets' formats |
//! | `sctp` | data channels |
//! | `streams` | the RTP streams of one peer, both ways |
//! | `ingest`, `ingests`, `loss`, `transport_cc` | what arrives: reports, losses, feedback |
//! | `egress`, `numbering`, `keyframe` | what leaves: rewriting, retransmission, where to begin |
//! | `sdp` | offer in, answer out |
//!
//! Only `shard`, `sockets`, `tcp` and `outbox` do IO, and only they and `plane` read a clock;
//! everything else has datagrams and time come in as arguments.

use std::time::Instant;

pub mod buffers;
pub mod candidates;
pub mod clock;
pub mod demux;
pub mod directory;
pub mod dtls;
pub mod dtls_gate;
pub mod egress;
pub mod framing;
pub mod holdings;
pub mod ice;
pub mod ingest;
pub mod ingests;
pub mod keyframe;
pub mod loss;
pub mod mailbox;
pub mod numbering;
pub mod outbox;
pub mod peer;
pub mod plane;
pub mod resident;
pub mod rtcp;
pub mod rtp;
pub mod sctp;
pub mod sdp;
pub mod shard;
pub mod sockets;
pub mod srtp;
pub mod streams;
pub mod tcp;
pub mod transport_cc;

pub use peer::{Peer, PeerOutput};
pub use plane::*;

/// What answers a peer's media and data. It runs on the peer's shard: it must not block.
pub trait Behaviour: Send {
    /// Does something with what a peer gave out; usually makes a peer send it.
    fn handle(&mut self, now: Instant, peer: &mut Peer, output: PeerOutput);
}
