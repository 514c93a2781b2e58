//! Whatever bytes come in, nothing panics and what is held has a bound.
//!
//! The targets are the ones that `tests/fuzz` explores. Here they see its corpus, and changes of it
//! that are the same in every run; an input that fails is left in `tests/artefacts/fuzz`.
// Helpers are shared with other programs, and none but them sees them.
#![allow(unreachable_pub, dead_code, unused_imports, clippy::unwrap_used)]

mod corpus;
mod growth;
#[path = "../virtual_time/harness/mod.rs"]
mod harness;
mod mutation;
mod targets;
