//! A relayed address of this server's own: where nobody reaches it, it has an allocation at somebody else's TURN
//! server (RFC 8656), as a browser would. Knows no peer's media, and no clock.
//!
//! | module | what lives there |
//! |---|---|
//! | `account` | a TURN server, and the long-term credentials that it asks for |
//! | `request` | a request that is asked again until it is answered |
//! | `permissions` | the addresses that peers may come from |
//! | `channels` | peers that are named by a number |
//! | `allocation` | an allocation at one server |
//! | `stream` | the connection to a server over TCP or TLS |
//! | `client` | at which of the servers there is one, and at which the next is |

pub mod account;
pub mod allocation;
pub mod channels;
pub mod client;
pub mod permissions;
pub mod request;
pub mod stream;
