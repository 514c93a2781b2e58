//! Who may resume which session: the one map from a session's id to its secrets.
//!
//! A token is the id and a secret. The id finds the session; the secret is compared in constant
//! time, so that how long a refusal takes says nothing. Which secrets are good when is for
//! [`ResumeTokens`] to say.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferrite_protocol::session::ResumeTokens;
use ferrite_protocol::{ResumeToken, SessionId};
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;

use crate::random::hex;

use super::place::Caller;
use super::socket::Socket;

/// Clients that came back and whose session has not noticed: one, and those that it was before.
const MAX_ARRIVALS: usize = 4;

/// A client that comes back: what its session goes on with.
#[derive(Debug)]
pub(super) struct Resumption {
    pub(super) socket: Box<Socket>,
    /// Where it is now.
    pub(super) caller: Caller,
    /// The number of the last room message that the client has.
    pub(super) last_message: Option<u64>,
}

/// Where a session finds the client that comes back.
pub(super) type Mailbox = mpsc::Receiver<Box<Resumption>>;

/// A good token was shown: the right to leave one client in one mailbox.
pub(super) type Claim = mpsc::OwnedPermit<Box<Resumption>>;

/// Sessions that can be resumed.
#[derive(Debug, Default)]
pub(super) struct Resumable(Mutex<HashMap<SessionId, Entry>>);

#[derive(Debug)]
struct Entry {
    secrets: ResumeTokens<Secret>,
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
        Self(hex(64))
    }

    fn is(&self, claimed: &str) -> bool {
        self.0.as_bytes().ct_eq(claimed.as_bytes()).into()
    }
}

impl Resumable {
    /// Makes a session resumable. Nobody has a token for it yet.
    pub(super) fn open(&self, id: &SessionId) -> Mailbox {
        let (letterbox, mailbox) = mpsc::channel(MAX_ARRIVALS);
        let secrets = ResumeTokens::default();
        let entry = Entry { secrets, letterbox };
        self.lock().insert(id.clone(), entry);
        mailbox
    }

    /// A token that was never used, for a welcome of a session that can be resumed.
    pub(super) fn issue(&self, id: &SessionId) -> ResumeToken {
        let secret = Secret::random();
        let token = ResumeToken(format!("{id}.{}", secret.0));
        if let Some(entry) = self.lock().get_mut(id) {
            entry.secrets.issue(secret);
        }
        token
    }

    /// The client spoke after its welcome: earlier tokens are void.
    pub(super) fn confirm(&self, id: &SessionId) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.secrets.confirm();
        }
    }

    /// Uses a token. None if it is not good, or no more.
    pub(super) fn claim(&self, token: &ResumeToken) -> Option<Claim> {
        let (id, shown) = token.0.split_once('.')?;
        let mut entries = self.lock();
        // A wrong secret leaves the entry: who merely knows an id must not be able to void it.
        let entry = entries.get_mut(&SessionId::from(id))?;
        if !entry.secrets.claim(|secret| secret.is(shown)) {
            return None;
        }
        // Still under the lock: a session that withdraws knows that no claim comes after that.
        entry.letterbox.clone().try_reserve_owned().ok()
    }

    /// Makes a session's tokens void.
    pub(super) fn withdraw(&self, id: &SessionId) {
        self.lock().remove(id);
    }

    /// How many sessions can be resumed.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        // No step under this lock can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumable() -> (Resumable, SessionId, Mailbox) {
        let (resumable, id) = (Resumable::default(), SessionId::from("5"));
        let mailbox = resumable.open(&id);
        (resumable, id, mailbox)
    }

    #[test]
    fn a_secret_is_256_bits_from_a_cryptographic_generator() {
        fn is_cryptographic(_: &impl rand::CryptoRng) {}
        is_cryptographic(&rand::rng());
        let (resumable, id, _mailbox) = resumable();
        let secret = |token: ResumeToken| token.0.split_once('.').unwrap().1.to_owned();
        let secrets: Vec<_> = (0..1000).map(|_| secret(resumable.issue(&id))).collect();
        let mut ones = [0_u32; 256];
        for secret in &secrets {
            assert_eq!(secret.len(), 64);
            let nibbles = secret.chars().map(|digit| digit.to_digit(16).unwrap());
            let bits = nibbles.flat_map(|nibble| (0..4).map(move |bit| nibble >> bit & 1));
            ones.iter_mut()
                .zip(bits)
                .for_each(|(ones, bit)| *ones += bit);
        }
        // Eight standard deviations: no bit is fixed or favoured.
        assert!(
            ones.iter().all(|ones| (373..=627).contains(ones)),
            "{ones:?}"
        );
    }

    #[test]
    fn a_token_is_good_until_its_successor_is_confirmed() {
        let (resumable, id, _mailbox) = resumable();
        let first = resumable.issue(&id);
        assert!(resumable.claim(&first).is_some());
        let second = resumable.issue(&id);
        assert!(resumable.claim(&first).is_some(), "the welcome got lost");
        let third = resumable.issue(&id);
        resumable.confirm(&id);
        assert!(resumable.claim(&first).is_none());
        assert!(resumable.claim(&second).is_none());
        assert!(resumable.claim(&third).is_some());
        resumable.withdraw(&id);
        assert!(resumable.claim(&third).is_none());
    }

    #[test]
    fn what_is_almost_a_token_is_none_and_voids_none() {
        let (resumable, id, _mailbox) = resumable();
        let token = resumable.issue(&id);
        for at in 0..token.0.len() {
            let mut wrong = token.0.clone().into_bytes();
            wrong[at] ^= 1;
            let wrong = ResumeToken(String::from_utf8(wrong).unwrap());
            assert!(resumable.claim(&wrong).is_none(), "{at}");
            let short = ResumeToken(token.0[..at].to_owned());
            assert!(resumable.claim(&short).is_none(), "{at}");
        }
        let long = ResumeToken(format!("{}0", token.0));
        assert!(resumable.claim(&long).is_none());
        assert!(resumable.claim(&token).is_some());
    }

    #[test]
    fn clients_that_come_back_faster_than_the_session_notices_are_few() {
        let (resumable, id, _mailbox) = resumable();
        let token = resumable.issue(&id);
        let claims: Vec<_> = (0..10).map_while(|_| resumable.claim(&token)).collect();
        assert_eq!(claims.len(), MAX_ARRIVALS);
    }
}
