//! Who may do what: from a token, a JWT whose claims are LiveKit's, to what its bearer may do in a room.
//!
//! | file | what it owns |
//! |---|---|
//! | `keys` | the keys of a server by name, and the steps of a token through them |
//! | `key` | one key: a secret or a public key, and the one algorithm that goes with it |
//! | `claims` | what is written in a token, with LiveKit's defaults, and what is wrong with it |
//! | `ticket` | what a token comes down to: who somebody is, and what they may do |
//! | `mint` | tokens of our own |
//! | `crypto` | signatures, which `ring` makes and checks |
//! | `error` | why a token, or a key, is refused |
//!
//! All of it is pure: the time comes in, and keys come as text. Nothing here knows where keys are written,
//! what a room is but its name, or what happens to those who are refused.

use std::time::Duration;

mod claims;
mod crypto;
mod error;
mod key;
mod keys;
mod mint;
#[cfg(test)]
mod tests;
mod ticket;

pub use self::error::{KeyError, MintError, TokenError};
pub use self::key::Key;
pub use self::keys::Keys;
pub use self::mint::mint;
pub use self::ticket::{Grants, SOURCES, Ticket};

/// The longest token. LiveKit's clients send theirs in a URL, where no more has a chance to pass.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the clock of who minted a token may be from ours: so much later a token still opens, and so
/// much earlier already. NTP keeps clocks within a second.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// The shortest secret: as long as the digest of HS256, as RFC 7518 §3.2 requires, and LiveKit.
pub const MIN_SECRET_BYTES: usize = 32;
