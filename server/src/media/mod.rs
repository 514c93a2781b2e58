//! The sans-IO media plane. Imports neither tokio's IO nor axum; only `shard` does IO.
//!
//! `plane` is the door for the control plane. `shard` owns sockets and peers, `directory` says which
//! shard has which peer, `peer` ties one remote endpoint together from `ice`, `dtls`, `srtp`, `sctp`
//! and `streams`; `ingest` and `egress` are the two ends of a stream, `sdp` is offer in, answer out.

use std::time::Instant;

pub mod candidates;
pub mod clock;
pub mod demux;
pub mod directory;
pub mod dtls;
pub mod dtls_gate;
pub mod egress;
pub mod framing;
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
