//! STUN and TURN (RFC 8489, RFC 8656) on the media port: relays for clients that cannot be reached, and cannot
//! reach, otherwise.
//!
//! It uses `media/net`, and nothing else of media.
//!
//! | module | what lives there |
//! |---|---|
//! | `server` | a shard's server: its allocations, and what passes with time |
//! | `answer`, `serve`, `asked`, `refusal` | requests: who asks, what is done, what is said |
//! | `relay` | packets on their way |
//! | `allocation` | one relay |
//! | `connecting`, `connections`, `attempts` | relays of TCP: connections to peers and from them |
//! | `streams`, `carrying` | their sockets, and what these carry |
//! | `moving`, `mobility`, `ticket` | clients that change their address and keep it |
//! | `sharing`, `tenancy`, `tenant`, `names`, `neighbours`, `shared_port` | relays of datagrams that share one port: whose what comes there is, and its sockets |
//! | `permits` | which peers a relay reaches |
//! | `access` | whom relays may reach |
//! | `credentials`, `stored`, `account` | who may have one, and what it may do |
//! | `meter` | what was relayed for whom |
//! | `bandwidth` | how much one credential relays |
//! | `live` | the relays there are now, to be looked at |
//! | `discovery`, `places`, `second_port` | what a client is told of its address, and of its NAT |
//! | `guest`, `start` | the server on a shard's thread; all of them |
//! | `nonce`, `quota`, `ports` | what keeps strangers and users within bounds |

pub mod access;
pub mod account;
pub mod allocation;
mod answer;
mod asked;
pub(crate) mod attempts;
pub mod bandwidth;
pub mod carrying;
mod connecting;
pub mod connections;
pub mod credentials;
mod discovery;
pub mod guest;
pub mod live;
pub mod meter;
pub mod mobility;
mod moving;
pub mod names;
mod neighbours;
pub mod nonce;
mod permits;
pub mod places;
pub mod ports;
pub mod quota;
pub mod refusal;
mod relay;
pub mod second_port;
mod serve;
pub mod server;
pub mod shared_port;
pub mod sharing;
pub mod start;
pub mod stored;
pub mod streams;
pub mod tenancy;
mod tenant;
pub mod ticket;

#[cfg(test)]
pub(crate) use serve::MAX_TRIES;

#[cfg(test)]
mod tests;
