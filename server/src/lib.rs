//! The Ferrite server.

pub mod media;
