//! Who may have a relay: sessions with the credentials that they were told, each for a while and none for longer than
//! they live; whoever has [stored](super::stored) ones; and whoever was given time-limited ones by somebody who shares
//! a secret with this server.
//!
//! Time-limited credentials are coturn's (`use-auth-secret`, draft-uberti-behave-turn-rest): the user name
//! begins with the second at which they expire, the password is its keyed hash. A session's are of the same make, by a
//! secret of its own that it never learns: so however often it is told others, nothing of them is kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::account::{Account, Password, Reach};
use super::bandwidth::{Allowance, Allowances, Bandwidth};
use super::meter::{Meter, Payer};
use super::stored::Stored;
use crate::media::net::stun::integrity::{md5_key, sha256_key};
use crate::random;

/// The realm of all credentials. It tells a browser's user nothing, and clients take any.
pub const REALM: &str = "ferrite";

/// The longest user name taken (RFC 8489 §14.3).
pub const MAX_USERNAME: usize = 508;

/// What makes a key of a password (RFC 8489 §18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// What everybody can.
    Md5,
    /// What is better.
    Sha256,
}

/// What seals a user's messages.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// [`Algorithm::Md5`]'s.
    Md5([u8; 16]),
    /// [`Algorithm::Sha256`]'s.
    Sha256([u8; 32]),
}

impl Key {
    fn new(algorithm: Algorithm, username: &str, password: &str) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(md5_key(username, REALM, password)),
            Algorithm::Sha256 => Self::Sha256(sha256_key(username, REALM, password)),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Md5(key) => key,
            Self::Sha256(key) => key,
        }
    }
}

/// A secret that this server shares with whoever gives credentials out.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(pub String);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// Everybody who may have a relay.
#[derive(Debug)]
pub struct Credentials {
    secrets: Vec<SharedSecret>,
    /// By the name that their user names end in.
    sessions: Mutex<HashMap<String, SessionCredential>>,
    stored: Arc<Stored>,
    /// What the relays of all sessions carried.
    of_sessions: Arc<Meter>,
    /// What those with time-limited credentials did.
    of_time_limited: Arc<Meter>,
    /// What each may relay.
    bandwidth: Option<Bandwidth>,
    /// Those of who has time-limited ones.
    allowances: Allowances,
}

#[derive(Debug)]
struct SessionCredential {
    /// What its passwords are made with, as time-limited ones are.
    secret: SharedSecret,
    account: Arc<Account>,
}

impl Credentials {
    /// With these secrets, of which each is as good, no session, and none that is stored.
    pub fn new(secrets: Vec<SharedSecret>) -> Self {
        Self::within(secrets, None)
    }

    /// The same, of which each relays no more than that.
    pub fn within(secrets: Vec<SharedSecret>, bandwidth: Option<Bandwidth>) -> Self {
        let stored = Arc::new(Stored::within(bandwidth));
        Self {
            bandwidth,
            allowances: Allowances::default(),
            secrets,
            sessions: Mutex::default(),
            of_sessions: stored.meters().meter(Payer::Sessions),
            of_time_limited: stored.meters().meter(Payer::TimeLimited),
            stored,
        }
    }

    /// Credentials for a session, which end with what is returned.
    pub fn issue(self: &Arc<Self>) -> Issued {
        self.issue_for(Reach::Ourselves)
    }

    /// The same that lead elsewhere.
    pub fn issue_for(self: &Arc<Self>, reach: Reach) -> Issued {
        let name = random::text(16);
        let secret = SharedSecret(random::text(24));
        let (meter, bandwidth) = match reach {
            Reach::Ourselves | Reach::Peers => (Some(self.of_sessions.clone()), self.bandwidth),
            Reach::Only(_) => (None, None),
        };
        let account = Account::new(reach, None, meter, bandwidth.map(Allowance::new));
        let session = SessionCredential {
            secret: secret.clone(),
            account: account.clone(),
        };
        self.lock().insert(name.clone(), session);
        Issued {
            credentials: self.clone(),
            name,
            secret,
            account,
        }
    }

    /// Who has this name, and the key with which `is_by` says that it speaks.
    pub fn find(
        &self,
        (now, unix): (Instant, u64),
        username: &str,
        algorithm: Algorithm,
        is_by: impl Fn(&Key) -> bool,
    ) -> Option<(Key, Arc<Account>)> {
        let good = |password: &str| {
            let key = Key::new(algorithm, username, password);
            is_by(&key).then_some(key)
        };
        let session = self.session(unix, username);
        let known = session.or_else(|| self.stored.find(unix, username));
        if let Some((password, account)) = known {
            return Some((good(&password.0)?, account));
        }
        if expires(username)? < unix {
            return None;
        }
        let mut passwords = self
            .secrets
            .iter()
            .map(|secret| time_limited(secret, username));
        let key = passwords.find_map(|password| good(&password))?;
        let meter = Some(self.of_time_limited.clone());
        let allowances = &self.allowances;
        let allowance =
            (self.bandwidth).map(|bandwidth| allowances.of(now, user_of(username), bandwidth));
        Some((key, Account::new(Reach::Peers, None, meter, allowance)))
    }

    /// Those that are stored.
    pub fn stored(&self) -> &Arc<Stored> {
        &self.stored
    }

    /// How many sessions have credentials.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn session(&self, unix: u64, username: &str) -> Option<(Password, Arc<Account>)> {
        let (secret, account) = {
            let sessions = self.lock();
            let session = sessions.get(user_of(username))?;
            (session.secret.clone(), session.account.clone())
        };
        let is_good = expires(username)? >= unix;
        is_good.then(|| (Password(time_limited(&secret, username)), account))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SessionCredential>> {
        // Every change is one insertion or removal.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// The second at which a time-limited user name expires.
fn expires(username: &str) -> Option<u64> {
    let (expires, _) = username.split_once(':').unwrap_or((username, ""));
    expires.parse().ok()
}

/// Whom a time-limited user name is for, which tells its quota from others'.
pub fn user_of(username: &str) -> &str {
    match username.split_once(':') {
        Some((expires, user)) if expires.bytes().all(|byte| byte.is_ascii_digit()) => user,
        Some(_) | None => username,
    }
}

/// The password that belongs to a user name.
pub fn time_limited(secret: &SharedSecret, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.0.as_bytes());
    STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

/// A session's credentials, each of which has its end. Dropping them ends all, and what they were used for.
#[derive(Debug)]
pub struct Issued {
    credentials: Arc<Credentials>,
    name: String,
    secret: SharedSecret,
    account: Arc<Account>,
}

impl Issued {
    /// Those that open relays until this second. Earlier ones are good until theirs.
    pub fn until(&self, unix: u64) -> Login {
        let username = format!("{unix}:{}", self.name);
        Login {
            password: time_limited(&self.secret, &username),
            username,
        }
    }
}

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        self.account.revoke();
        self.credentials.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(credentials: &Credentials, unix: u64, name: &str, password: &str) -> Option<Reach> {
        let wanted = Key::new(Algorithm::Md5, name, password);
        let at = (Instant::now(), unix);
        let found = credentials.find(at, name, Algorithm::Md5, |key| *key == wanted);
        found.map(|(_, account)| account.reach)
    }

    #[test]
    fn a_password_by_secret_is_as_coturn_makes_it() {
        // echo -n 1767225600:alice | openssl dgst -sha1 -hmac north -binary | base64
        let password = time_limited(&SharedSecret("north".to_owned()), "1767225600:alice");
        assert_eq!(password, "qnVCfmDqv+5N7tpxKH0liO/huIU=");
    }

    #[test]
    fn time_limited_credentials_are_good_until_their_second() {
        let secrets = ["old", "new"].map(|secret| SharedSecret(secret.to_owned()));
        let credentials = Credentials::new(secrets.to_vec());
        for secret in &secrets {
            for name in ["2000:me", "2000"] {
                let password = time_limited(secret, name);
                assert_eq!(
                    find(&credentials, 2000, name, &password),
                    Some(Reach::Peers)
                );
                assert_eq!(find(&credentials, 2001, name, &password), None);
                assert_eq!(find(&credentials, 2000, name, "guess"), None);
            }
        }
        let stranger = SharedSecret("other".to_owned());
        let password = time_limited(&stranger, "2000:me");
        assert_eq!(find(&credentials, 1000, "2000:me", &password), None);
        let password = time_limited(&secrets[0], "me");
        assert_eq!(find(&credentials, 1000, "me", &password), None);
        let nobodys = Credentials::new(Vec::new());
        assert_eq!(find(&nobodys, 0, "2000:me", ""), None);
    }

    #[test]
    fn a_sessions_credentials_end_with_it_and_lead_here_alone() {
        let credentials = Arc::new(Credentials::default());
        let issued = credentials.issue();
        let logins = [issued.until(100), issued.until(200)];
        let found =
            |unix, login: &Login| find(&credentials, unix, &login.username, &login.password);
        for login in &logins {
            assert_eq!(found(100, login), Some(Reach::Ourselves));
            assert_eq!(find(&credentials, 0, &login.username, "guess"), None);
        }
        let account = issued.account.clone();
        assert!(!account.is_revoked());
        drop(issued);
        assert!(account.is_revoked() && credentials.is_empty());
        assert!(logins.iter().all(|login| found(0, login).is_none()));
    }

    #[test]
    fn each_of_a_sessions_credentials_has_its_own_end() {
        let credentials = Arc::new(Credentials::default());
        let issued = credentials.issue();
        let (old, new) = (issued.until(100), issued.until(200));
        let found =
            |unix, login: &Login| find(&credentials, unix, &login.username, &login.password);
        assert!(found(100, &old).is_some() && found(101, &old).is_none());
        assert!(found(101, &new).is_some() && found(201, &new).is_none());
        // Nobody moves the end, and nobody takes another's name.
        assert_eq!(find(&credentials, 0, &new.username, &old.password), None);
        let other = credentials.issue().until(200);
        assert_eq!(find(&credentials, 0, &new.username, &other.password), None);
        let (_, name) = new.username.split_once(':').unwrap();
        assert_eq!(find(&credentials, 0, name, &new.password), None);
        // Together they have one quota.
        assert_eq!(user_of(&old.username), user_of(&new.username));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let credentials = Arc::new(Credentials::new(vec![SharedSecret("north".to_owned())]));
        let issued = credentials.issue();
        let login = issued.until(100);
        let shown = format!("{credentials:?} {issued:?} {login:?}");
        for secret in ["north", &login.password, &issued.secret.0] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_quota_is_a_users_and_not_a_seconds() {
        assert_eq!(user_of("1767225600:alice"), "alice");
        assert_eq!(user_of("1767225600"), "1767225600");
        assert_eq!(user_of("alice:bob"), "alice:bob");
    }
}
