//! The sans-IO media plane. Imports neither tokio's IO nor axum; only `shard` does IO.

pub mod plane;
pub mod sctp;
pub mod sdp;

pub use plane::*;
