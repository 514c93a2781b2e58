//! The Ferrite server.
//!
//! | module | what lives there |
//! |---|---|
//! | [`auth`] | who may do what: tokens, and the keys they are signed with |
//! | [`config`] | what the server is told from outside |
//! | [`server`] | starting and stopping everything in order |
//! | `check` | whether what was started can be reached, and has what it needs |
//! | `external` | which addresses a NAT gives this machine |
//! | `provider` | which ICE servers a provider hands out |
//! | `http` | the app, `/ws`, health |
//! | [`origin`] | which web pages may open a session |
//! | `interface` | which interfaces clients are told of |
//! | `network` | whom an address stands for |
//! | `shares` | how much each address may have |
//! | `rate` | how often something may happen |
//! | `clock` | what time it is |
//! | `random` | text that nobody can guess |
//! | `prefetch` | memory that is needed soon |
//! | `seldom` | when to write a log line that anybody can cause |
//! | `behaviour` | what answers a peer's media and data: an echo |
//! | `signalling` | one task per client: its WebSocket, its seat, its peer |
//! | [`room`] | who is where: plain data |
//! | `ledger` | stored TURN credentials, and what each relayed |
//! | `turn` | STUN and TURN on the media port |
//! | `webhook` | who is told that a quota runs out |
//! | `asking` | STUN as a client speaks it |
//! | `calling` | HTTP as a client speaks it |
//! | `tls` | the server's certificate |
//! | `media` | the sans-IO media plane, and the threads that run it |
//! | `traces` | files of what was known of paths, and decided |
//! | `congestion` | how much the path to a subscriber carries |
//!
//! Of these, what a program needs that has the server as a library is documented here: [`Server`], its settings and its
//! rooms. The rest changes as it has to; what of it is public is so for this crate's own tests and benchmarks.
//!
//! Imports point one way: `http` to `signalling` to `room`, `behaviour` and `media` to the protocol
//! crate. `docs/design.md` beside the sources says why it is cut so.
//!
//! # Start one
//!
//! ```
//! use ferrite_server::{Config, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), ferrite_server::StartError> {
//! let mut config = Config::default();
//! config.http.listen = ([127, 0, 0, 1], 0).into();
//! config.media.port = 0;
//! let server = Server::start(config).await?;
//! println!("open {}", server.url());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Moderate its rooms
//!
//! A program sees and does what a member who moderates does, without being in the room:
//! [`Server::rooms`]. What is done is told to those whom it concerns, with its reason.
//!
//! ```
//! # use ferrite_server::{Config, Server};
//! # #[tokio::main]
//! # async fn main() -> Result<(), ferrite_server::StartError> {
//! # let mut config = Config::default();
//! # config.http.listen = ([127, 0, 0, 1], 0).into();
//! # config.media.port = 0;
//! let server = Server::start(config).await?;
//! let rooms = server.rooms().clone();
//! for name in rooms.names() {
//!     let Some(room) = rooms.snapshot(&name) else {
//!         continue;
//!     };
//!     for participant in &room.participants {
//!         for publication in &participant.publications {
//!             let _ = rooms.mute_publication(&name, &publication.id, Some("there is an echo"));
//!         }
//!         if participant.name.as_deref() == Some("Mallory") {
//!             let _ = rooms.kick(&name, &participant.id, Some("not here"));
//!         }
//!     }
//! }
//! // Nobody is in it: a room that is not there cannot end.
//! assert!(rooms.end(&"kitchen".into(), Some("time is up")).is_err());
//! # server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # A packet's way
//!
//! 1. [`shard::thread`](../src/ferrite_server/media/shard/thread.rs.html) reads it with others.
//! 2. [`ShardCore`](../src/ferrite_server/media/shard/core.rs.html) finds the peer that it is for.
//! 3. [`Peer`](../src/ferrite_server/media/peer/mod.rs.html) opens it, and its ingest reads it, once for everybody.
//! 4. [`Router`](../src/ferrite_server/media/forward/router.rs.html) shows it to every section that shows its track: to
//!    the same peer's, where an echo sits opposite.
//! 5. [`egress`](../src/ferrite_server/media/egress/mod.rs.html) rewrites it for one of them, and seals it.
//! 6. [`outbox`](../src/ferrite_server/media/net/outbox.rs.html) sends it with others.
//!
//! # Threads and channels
//!
//! ```text
//!  tokio's workers                              a thread for each core
//! ┌─────────────────────────────┐   commands   ┌──────────────────────────┐
//! │ task of a client            │ ───────────▶ │ shard                    │
//! │  socket ⇄ session ── handle │ ◀─────────── │  mailbox ▶ core ▶ outbox │
//! └─────────────────────────────┘    events    └──────────────────────────┘
//!    │ watch: snapshots of rooms                  ⇅ datagrams, moving peers
//!    ▼ tasks of the others                       other shards
//! ```
// Tests may expect.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::wildcard_enum_match_arm))]

mod asking;
pub mod auth;
#[doc(hidden)]
pub mod behaviour;
mod calling;
#[doc(hidden)]
pub mod check;
mod clock;
pub mod config;
#[doc(hidden)]
pub mod congestion;
#[cfg(test)]
mod documented_limits;
mod external;
mod http;
mod interface;
#[doc(hidden)]
pub mod ledger;
#[doc(hidden)]
pub mod media;
mod network;
pub mod origin;
mod prefetch;
mod provider;
mod random;
mod rate;
pub mod room;
mod seldom;
pub mod server;
mod shares;
mod signalling;
#[doc(hidden)]
pub mod tls;
mod traces;
#[doc(hidden)]
pub mod turn;
mod webhook;

pub use config::{Config, ConfigError};
pub use http::assets::embedded;
#[doc(hidden)]
pub use http::turn_api::inputs as turn_api_inputs;
pub use server::{Security, Server, StartError};
