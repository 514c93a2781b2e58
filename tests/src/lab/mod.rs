//! The laboratory of networks: what lies between a client and a server, made of network namespaces and of a link that
//! is a program, and calls over it by the real client in a real browser.
//!
//! | file | what it is |
//! |---|---|
//! | `rows` | the networks by name, and what must come of a call in each |
//! | `place` | one of them, built: a client, its router or two, and a server |
//! | `link` | what happens to packets on the link, as rules |
//! | `nat64` | the translator between IPv6 and IPv4, where a client has only the one and its server the other |
//! | `tunnel` | the link at work, between two TUN devices |
//! | `calls` | calls over it, and what they say of it |
//!
//! ```text
//!            lan                 wan                  uplink
//!  client ───────── router ────────────── carrier ═══════════ server
//!           veth    NAT, firewall  veth     NAT     link, TUN
//! ```
//!
//! Where there is one NAT, the carrier is not there, and the router has the link.

mod calls;
mod link;
mod nat64;
mod place;
mod rows;
mod tunnel;

pub use calls::{Call, Caller, Outcome, run, scene_over};
pub use link::{Direction, Shape};
pub use place::Place;
pub use rows::{Expected, Firewall, Nat, ROWS, Row, Site};
