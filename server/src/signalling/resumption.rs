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

/// Sessions whose token has not been used.
#[derive(Debug, Default)]
pub(super) struct Resumable(Mutex<HashMap<SessionId, Entry>>);

#[derive(Debug)]
struct Entry {
    secret: Secret,
    session: mpsc::Sender<Box<Resumption>>,
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
    pub(super) fn offer(
        &self,
        id: &SessionId,
        session: mpsc::Sender<Box<Resumption>>,
    ) -> ResumeToken {
        let secret = Secret::random();
        let token = ResumeToken(format!("{id}.{}", secret.0));
        self.lock().insert(id.clone(), Entry { secret, session });
        token
    }

    /// Passes a client on to its session. Gives it back if the token is not good, or no more.
    pub(super) fn claim(
        &self,
        token: &ResumeToken,
        resumption: Box<Resumption>,
    ) -> Result<(), Box<Resumption>> {
        let Some((id, secret)) = token.0.split_once('.') else {
            return Err(resumption);
        };
        let id = SessionId::from(id);
        let mut entries = self.lock();
        // A wrong secret leaves the entry: who merely knows an id must not be able to void it.
        if !entries
            .get(&id)
            .is_some_and(|entry| entry.secret.is(secret))
        {
            return Err(resumption);
        }
        let Some(entry) = entries.remove(&id) else {
            return Err(resumption);
        };
        // Still under the lock: after `withdraw`, nothing can come any more. There is room for
        // one, and there is only one token at a time.
        entry
            .session
            .try_send(resumption)
            .map_err(mpsc::error::TrySendError::into_inner)
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
