//! DTLS 1.2 (RFC 6347): what WebRTC's associations and those of TURN have in common, and the server of the latter.
//! Handshakes and records are `rtc::dtls`'s.
//!
//! | module | what lives there |
//! |---|---|
//! | `association` | one association |
//! | `gate` | which records may reach the library |
//! | `hello` | a ClientHello as bytes, and the cookie that it is answered with |
//! | `certified` | the server's certificate as the library takes it |
//! | `server` | the associations of TURN's clients on one shard |

pub mod association;
pub mod certified;
pub mod gate;
pub mod hello;
pub mod server;

#[cfg(test)]
mod tests;
