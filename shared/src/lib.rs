//! The signalling protocol of Ferrite, version 1.
//!
//! JSON text frames over a WebSocket at `GET /ws`, subprotocol [`SUBPROTOCOL`]. Each frame is one
//! [`ClientMessage`] or [`ServerMessage`]: an object tagged by `type`, with camelCase fields named
//! as in the W3C dictionaries, so that a browser's `RTCSessionDescription` and `RTCIceCandidate`
//! pass through untouched.
//!
//! The crate does no IO and reads no clock. It builds for wasm32 and native, and both ends of the
//! connection use it. `PROTOCOL.md` beside its sources says in what order messages come, how a session is
//! kept, and what the close codes mean.
//!
//! # A client
//!
//! A [`ClientSession`](session::ClientSession) has the rules; the rest is IO:
//!
//! ```no_run
#![doc = include_str!("../examples/client.rs")]
//! ```
// Tests may expect.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::wildcard_enum_match_arm))]
#![forbid(unsafe_code)]

#[cfg(feature = "bindings")]
pub mod bindings;
pub mod candidate;
pub mod data;
pub mod decode;
pub mod description;
pub mod diagnosis;
pub mod error;
mod fields;
pub mod file;
pub mod id;
pub mod leaving;
pub mod limits;
pub mod message;
pub mod replay;
pub mod room;
pub mod session;
pub mod version;

pub use candidate::{IceCandidate, IceServer};
pub use data::{
    ClientData, Count, DataError, LOSSY_CHANNEL, RELIABLE_CHANNEL, REPLAYED_CHANNEL, ServerData,
};
pub use decode::{DecodeError, DecodeErrorKind};
pub use description::{SdpType, SessionDescription};
pub use diagnosis::{Cause, ClientEvidence};
pub use error::{CloseCode, ErrorCode, UnknownCloseCode};
pub use id::{JoinToken, ParticipantId, PublicationId, RequestId, ResumeToken, RoomId, SessionId};
pub use leaving::{DepartureCause, LeaveCause};
pub use message::{ClientMessage, PeerConnectionState, ServerMessage};
pub use room::{
    CHAT, Idle, Limit, MediaKind, Participant, ParticipantState, Pressure, Priority, Publication,
    Right, RoomMessage, RoomSnapshot, Slot, SlotQuality, Source, TrackUse, Tracks, Watch,
};
pub use version::{
    PROTOCOL_VERSION, SUBPROTOCOL, VersionMismatch, check_client_version, check_server_version,
};
