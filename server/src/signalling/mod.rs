//! Signalling: one task per client, from its WebSocket to its seat and its peer.
//!
//! | file | what it owns |
//! |---|---|
//! | `door` | from a request to a WebSocket |
//! | `socket` | bytes to messages, limits, pings, the closing handshake |
//! | `websocket` | frames, and no memory between them |
//! | `metered` | how many bytes may come before the first message |
//! | `greeting` | the first message: a new session, or an earlier one that goes on |
//! | `session` | what a client asked for and is told: the rules |
//! | `replies` | how it says no |
//! | `task` | the session's task: waits for whatever comes next, and sends |
//! | `membership` | the session's place in a room |
//! | `speaking` | what the client was told of who speaks |
//! | `relaying` | what the client may open relays with, and was told |
//! | `wanted` | which layers of what the client publishes it was told to send |
//! | `admission` | who may come into a room |
//! | `sections` | what the session's media is for |
//! | `peer` | the session's peer connection |
//! | `messages` | the session's messages on data channels, to and from its room |
//! | `resumption` | who may resume which session |
//! | `hub` | what all sessions share |
//! | `glimpse` | who is in a room, for somebody at its door |
//! | `askers` | how often an address may ask for that |
//! | `place` | who comes, and whether there is a place |
//! | `offers` | how many offers are too many |
//! | `vigil` | why a call is not connected |

mod admission;
mod askers;
mod door;
mod glimpse;
mod greeting;
mod hub;
mod membership;
mod messages;
pub(crate) mod metered;
mod offers;
mod peer;
mod place;
mod relaying;
mod replies;
mod resumption;
mod sections;
mod session;
mod socket;
mod speaking;
mod task;
mod vigil;
mod wanted;
mod websocket;

#[cfg(test)]
pub(crate) use askers::GLIMPSES;
pub(crate) use door::Arrival;
pub(crate) use hub::Signalling;
#[cfg(test)]
pub(crate) use hub::{SPARE_PLACES, WEBSOCKETS_PER_SESSION};
#[cfg(test)]
pub(crate) use messages::{BATCH_BYTES, COUNTED_BYTES, MESSAGES};
#[cfg(test)]
pub(crate) use offers::{OFFERS, offers_of_address};
pub(crate) use place::{Caller, Full, Refused};
#[cfg(test)]
pub(crate) use socket::{BURST_SECONDS, READ_LIMIT};
#[cfg(test)]
pub(crate) use speaking::INTERVAL as SPEAKING_INTERVAL;
#[cfg(test)]
pub(crate) use vigil::EXPLANATIONS;
