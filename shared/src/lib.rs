//! The signalling protocol of Ferrite, version 1.
//!
//! JSON text frames over a WebSocket at `GET /ws`, subprotocol [`SUBPROTOCOL`]. Each frame is one
//! [`ClientMessage`] or [`ServerMessage`]: an object tagged by `type`, with camelCase fields named
//! as in the W3C dictionaries, so that a browser's `RTCSessionDescription` and `RTCIceCandidate`
//! pass through untouched.
//!
//! The crate does no IO and reads no clock. It builds for wasm32 and native, and both ends of the
//! connection use it.
#![forbid(unsafe_code)]

pub mod candidate;
pub mod description;
pub mod error;
pub mod id;
pub mod message;
pub mod room;

pub use candidate::{IceCandidate, IceServer};
pub use description::{SdpType, SessionDescription};
pub use error::{CloseCode, ErrorCode};
pub use id::{ParticipantId, RequestId, ResumeToken, RoomId, SessionId};
pub use message::{ClientMessage, ServerMessage};

/// The version of the protocol this crate speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// The WebSocket subprotocol that names this version.
pub const SUBPROTOCOL: &str = "ferrite.v1";
