//! The sans-IO media plane. Imports neither tokio's IO nor axum; only `shard` does IO.

pub mod clock;
pub mod demux;
pub mod dtls;
pub mod egress;
pub mod ice;
pub mod ingest;
pub mod loss;
pub mod peer;
pub mod plane;
pub mod rtcp;
pub mod rtp;
pub mod sctp;
pub mod sdp;
pub mod srtp;
pub mod streams;
pub mod transport_cc;

pub use plane::*;
