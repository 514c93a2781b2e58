//! The rules of a session on both ends: when to connect, greet, ping, give up and resume.
//!
//! A [`ClientSession`] stays with its client from start to stop, over as many WebSockets as that
//! takes; a [`ServerSession`] lasts as long as one WebSocket. Neither does IO, reads a clock or
//! draws a random number: inputs go in with the time, as [`Duration`](std::time::Duration) since
//! any fixed moment, and what is to be done comes out. What the messages are about besides the
//! session is for others to know.
//!
//! [`ResumeTokens`] says which tokens resume a session: a welcome brings the next, and the first
//! message after it, which a resumed client sends at once, ends the life of those before.
//!
//! What one end sent before a WebSocket broke may or may not have arrived, also when the session is
//! resumed. So both ends compare what is with what is wanted once the session goes on.

mod backoff;
mod client;
mod liveness;
mod server;
mod tokens;

pub use backoff::backoff;
pub use client::{Action, ClientSession, ClientState, Input, Why};
pub use liveness::{Due, Liveness};
pub use server::{Admission, Received, ServerSession};
pub use tokens::ResumeTokens;
