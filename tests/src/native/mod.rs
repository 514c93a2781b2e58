//! A client that is no browser: `webrtc`'s peer connection and the protocol's own types. It joins a room,
//! publishes what a file has, keeps what others publish, reads and writes the chat, and sends and gets bytes.
//!
//! | file | what it owns |
//! |---|---|
//! | `room` | a place in a room: the WebSocket, and the peer connection beside it |
//! | `peer` | the peer connection: what goes out on it, and what comes in |
//! | `data` | its data channels |
//! | `replay` | reliable bytes, over one peer connection and the next |
//! | `incoming` | what comes over either |
//! | `clip` | sound or pictures as frames with times |
//! | `files` | a clip in a file: Ogg or IVF |
//! | `ivf` | VP8 in IVF |
//! | `ogg` | Opus in Ogg (RFC 3533, RFC 7845) |
//! | `packets` | frames to RTP packets, and back |
//!
//! It has one slot for sound and one for pictures. Whoever needs more offers more sections; the protocol
//! is the same. It does not resume: when its WebSocket is gone it has left.
//! `shared/examples/client.rs` shows how that is done.

mod clip;
mod data;
mod files;
mod incoming;
mod ivf;
mod ogg;
mod packets;
mod peer;
mod replay;
mod room;

pub use clip::{Clip, Frame};
pub use incoming::{Data, Delivery};
pub use packets::{Assembler, packets};
pub use room::{NativeRoom, News};
