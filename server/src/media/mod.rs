//! The sans-IO media plane. Imports neither tokio's IO nor axum; only `shard` does IO.

pub mod sctp;
pub mod sdp;
