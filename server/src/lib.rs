//! The Ferrite server.
//!
//! | module | what lives there |
//! |---|---|
//! | [`config`] | what the server is told from outside |
//! | [`server`] | starting and stopping everything in order |
//! | `http` | the app, `/ws`, health |
//! | `origin` | which web pages may open a session |
//! | [`network`] | whom an address stands for |
//! | `shares` | how much each address may have |
//! | `seldom` | when to write a log line that anybody can cause |
//! | [`behaviour`] | what answers a peer's media and data: an echo |
//! | `signalling` | one task per client: its WebSocket, its seat, its peer |
//! | [`room`] | who is where: plain data |
//! | [`media`] | the sans-IO media plane, and the threads that run it |
//!
//! Imports point one way: `http` to `signalling` to `room`, `behaviour` and `media` to the protocol
//! crate.
// Tests may expect.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::wildcard_enum_match_arm))]

pub mod behaviour;
pub mod config;
#[cfg(test)]
mod documented_limits;
mod http;
pub mod media;
pub mod network;
pub mod origin;
pub mod room;
mod seldom;
pub mod server;
mod shares;
mod signalling;

pub use config::{Config, ConfigError};
pub use http::serve::MAX_CONNECTIONS as MAX_HTTP_CONNECTIONS;
pub use server::{Server, StartError};
