//! What of a request its answer needs, also where that comes later.

use super::credentials::Key;
use crate::media::net::stun::Message;
use crate::media::net::stun::attribute::{MESSAGE_INTEGRITY_SHA256, TransactionId};

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) transaction: TransactionId,
    /// The answer is sealed as the request was,
    pub(super) is_sha256: bool,
    /// and has a fingerprint if that had one.
    pub(super) has_fingerprint: bool,
}

/// One whose answer comes later, and what that is sealed with: not always what the relay was asked for with.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) asked: Asked,
    pub(super) key: Key,
}

impl From<&Message<'_>> for Asked {
    fn from(message: &Message<'_>) -> Self {
        Self {
            transaction: message.transaction(),
            is_sha256: message.has(MESSAGE_INTEGRITY_SHA256),
            has_fingerprint: message.has_fingerprint(),
        }
    }
}
