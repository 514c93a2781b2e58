//! The credentials that checks are sealed with: those agreed on last, and after an ICE restart (RFC 8445 §9)
//! those from before, until the new ones have a pair. Knows no pairs.

use super::stun::{Binding, Refusal};

/// A user name fragment and password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

/// One generation of credentials: an ICE restart begins another (RFC 8445 §9).
pub(super) struct Generation {
    pub(super) local: Credentials,
    /// Empty before the first offer.
    pub(super) remote: Credentials,
}

/// The one that counts, and the one before.
pub(super) struct Generations {
    current: Generation,
    /// Still answered after a restart, so that media goes on until the new generation has a pair.
    previous: Option<Generation>,
}

impl Generations {
    /// The first, before the first offer.
    pub(super) fn new(local: Credentials) -> Self {
        let remote = Credentials {
            ufrag: String::new(),
            pwd: String::new(),
        };
        Self {
            current: Generation { local, remote },
            previous: None,
        }
    }

    /// The current generation's local credentials.
    pub(super) fn local(&self) -> &Credentials {
        &self.current.local
    }

    /// Whether the other end's are known.
    pub(super) fn is_agreed(&self) -> bool {
        !self.current.remote.ufrag.is_empty()
    }

    pub(super) fn set_remote(&mut self, remote: Credentials) {
        self.current.remote = remote;
    }

    /// Begins another.
    pub(super) fn restart(&mut self, local: Credentials, remote: Credentials) {
        let restarted = Generation { local, remote };
        self.previous = Some(std::mem::replace(&mut self.current, restarted));
    }

    /// The current one has its pair, or nobody has.
    pub(super) fn forget_previous(&mut self) {
        self.previous = None;
    }

    /// Whether a check was written with the current generation's credentials (`true`) or the previous
    /// one's (RFC 8489 §9.1.3).
    pub(super) fn authenticate(&self, request: &Binding<'_>) -> Result<bool, Refusal> {
        let username = request.username().filter(|_| request.has_integrity());
        let username = username.ok_or(Refusal::BadRequest)?;
        let is_current = self.named(username).ok_or(Refusal::Unauthorized)?;
        match request.is_by(&self.get(is_current).local.pwd) {
            true => Ok(is_current),
            false => Err(Refusal::Unauthorized),
        }
    }

    /// The current generation, or the previous one where there is one.
    pub(super) fn get(&self, is_current: bool) -> &Generation {
        match (is_current, &self.previous) {
            (false, Some(previous)) => previous,
            _ => &self.current,
        }
    }

    /// Whether a check's USERNAME (`ours:theirs`) names the current generation (`true`) or the previous one.
    fn named(&self, username: &[u8]) -> Option<bool> {
        let username = std::str::from_utf8(username).ok()?;
        let (ours, theirs) = username.split_once(':')?;
        let matches = |generation: &Generation| {
            generation.local.ufrag == ours && generation.remote.ufrag == theirs
        };
        if matches(&self.current) {
            return Some(true);
        }
        self.previous.as_ref().is_some_and(matches).then_some(false)
    }

    /// Whether an answer to a check of ours is the other end's.
    pub(super) fn answers(&self, response: &Binding<'_>) -> bool {
        let generations = [Some(&self.current), self.previous.as_ref()];
        let mut passwords = generations.iter().flatten().map(|known| &known.remote.pwd);
        passwords.any(|pwd| response.is_by(pwd))
    }
}
