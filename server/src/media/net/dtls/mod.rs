//! DTLS 1.2 (RFC 6347). Handshakes and records are `rtc::dtls`'s.
//!
//! | module | what lives there |
//! |---|---|
//! | `association` | one association |
//! | `gate` | which records may reach the library |

pub mod association;
pub mod gate;
