//! Who may resume which session: the one map from a session's id to its secret.
//!
//! A token is the id and the secret. The id finds the session; the secret is compared in constant
//! time, so that how long a refusal takes says nothing. It is good for one use.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferrite_protocol::{ResumeToken, SessionId};
use rand::Rng as _;
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;

use super::socket::Socket;

/// A client that comes back: what its session goes on with.
#[derive(Debug)]
pub(super) struct Resumption {
    pub(super) socket: Socket,
    pub(super) loopback: bool,
}

/// Where a session finds the client that comes back. There is at most one: so is the token.
pub(super) type Mailbox = mpsc::Receiver<Box<Resumption>>;

/// A used token: the right to leave one client in one mailbox.
pub(super) type Claim = mpsc::OwnedPermit<Box<Resumption>>;

/// Sessions whose token has not been used.
#[derive(Debug, Default)]
pub(super) struct Resumable(Mutex<HashMap<SessionId, Entry>>);

#[derive(Debug)]
struct Entry {
    secret: Secret,
    letterbox: mpsc::Sender<Box<Resumption>>,
}

/// 256 random bits, in hexadecimal digits.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// From the thread's generator: a cryptographic one, seeded by the system.
    fn random() -> Self {
        let bytes: [u8; 32] = rand::rng().random();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn is(&self, claimed: &str) -> bool {
        self.0.as_bytes().ct_eq(claimed.as_bytes()).into()
    }
}

impl Resumable {
    /// Makes a session resumable, with a token that was never used. An earlier one is void.
    pub(super) fn offer(&self, id: &SessionId) -> (ResumeToken, Mailbox) {
        let (letterbox, mailbox) = mpsc::channel(1);
        let secret = Secret::random();
        let token = ResumeToken(format!("{id}.{}", secret.0));
        self.lock().insert(id.clone(), Entry { secret, letterbox });
        (token, mailbox)
    }

    /// Uses a token. None if it is not good, or no more.
    pub(super) fn claim(&self, token: &ResumeToken) -> Option<Claim> {
        let (id, secret) = token.0.split_once('.')?;
        let id = SessionId::from(id);
        let mut entries = self.lock();
        // A wrong secret leaves the entry: who merely knows an id must not be able to void it.
        if !entries.get(&id)?.secret.is(secret) {
            return None;
        }
        let entry = entries.remove(&id)?;
        // Still under the lock: a session that withdraws knows that no claim comes after that.
        entry.letterbox.try_reserve_owned().ok()
    }

    /// Makes a session's token void.
    pub(super) fn withdraw(&self, id: &SessionId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        // No step under this lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
