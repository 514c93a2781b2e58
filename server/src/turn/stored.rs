//! Stored credentials as relays need them: who is called so, with which password, until when. Whoever owns them
//! puts them here and takes them away; shards look here when somebody asks for a relay, and never for a packet.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sha2::{Digest as _, Sha256};

use super::account::{Account, Password, Reach};
use super::bandwidth::{Allowance, Bandwidth};
use super::meter::{Meters, Owner, Payer};

/// One that may be used.
#[derive(Clone)]
pub struct StoredUser {
    /// Its user name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// What pages show for it.
    pub api_key: String,
    /// By whom its bytes are counted.
    pub owner: Owner,
    /// The second from which it is no good.
    pub expires: Option<u64>,
}

impl fmt::Debug for StoredUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredUser({:?})", self.owner)
    }
}

/// Those that may be used.
#[derive(Debug, Default)]
pub struct Stored {
    table: RwLock<Table>,
    meters: Arc<Meters>,
    /// What each may relay.
    bandwidth: Option<Bandwidth>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<String, (Arc<StoredUser>, Arc<Account>)>,
    by_api_key: HashMap<Hash, Arc<StoredUser>>,
}

/// A key's hash: how long it takes to find one says nothing of the key.
type Hash = [u8; 32];

impl Stored {
    /// None, and each that comes relays no more than that.
    pub(super) fn within(bandwidth: Option<Bandwidth>) -> Self {
        Self {
            bandwidth,
            ..Self::default()
        }
    }

    /// What relays carried: theirs, and all others that are counted.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// From now on it may be used.
    pub fn put(&self, user: StoredUser) {
        self.remove(&user.username);
        let meter = self.meters.meter(Payer::Stored(user.owner));
        let allowance = self.bandwidth.map(Allowance::new);
        let account = Account::new(Reach::Peers, user.expires, Some(meter), allowance);
        let user = Arc::new(user);
        let mut table = self.write();
        table.by_api_key.insert(hash(&user.api_key), user.clone());
        table.by_name.insert(user.username.clone(), (user, account));
    }

    /// It may not any more: its relays end.
    pub fn remove(&self, username: &str) {
        let mut table = self.write();
        if let Some((user, account)) = table.by_name.remove(username) {
            account.revoke();
            table.by_api_key.remove(&hash(&user.api_key));
        }
    }

    /// The one that an API key is for.
    pub fn by_api_key(&self, unix: u64, key: &str) -> Option<Arc<StoredUser>> {
        let user = self.read().by_api_key.get(&hash(key))?.clone();
        is_good(unix, user.expires).then_some(user)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, unix: u64, username: &str) -> Option<(Password, Arc<Account>)> {
        let table = self.read();
        let (user, account) = table.by_name.get(username)?;
        let found = || (Password(user.password.clone()), account.clone());
        is_good(unix, user.expires).then(found)
    }

    /// Whose relays would be counted.
    #[cfg(test)]
    pub(crate) fn account(&self, unix: u64, username: &str) -> Option<Arc<Account>> {
        self.find(unix, username).map(|(_, account)| account)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // A half-changed table lacks one entry.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_good(unix: u64, expires: Option<u64>) -> bool {
    expires.is_none_or(|expires| unix < expires)
}

fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(expires: Option<u64>) -> StoredUser {
        StoredUser {
            username: "me".to_owned(),
            password: "secret".to_owned(),
            api_key: "shown".to_owned(),
            owner: Owner {
                number: 7,
                project: None,
            },
            expires,
        }
    }

    #[test]
    fn who_is_taken_away_is_found_no_more_and_its_relays_end() {
        let stored = Stored::default();
        stored.put(user(None));
        let (_, account) = stored.find(0, "me").unwrap();
        assert!(stored.by_api_key(0, "shown").is_some() && !account.is_revoked());
        assert!(stored.find(0, "shown").is_none() && stored.by_api_key(0, "me").is_none());
        // Put again, it is another's: what was open before ends.
        stored.put(user(None));
        assert!(account.is_revoked() && stored.len() == 1);
        let (_, account) = stored.find(0, "me").unwrap();
        stored.remove("me");
        assert!(account.is_revoked() && stored.is_empty());
        assert!(stored.find(0, "me").is_none() && stored.by_api_key(0, "shown").is_none());
    }

    #[test]
    fn who_has_expired_is_not_found() {
        let stored = Stored::default();
        stored.put(user(Some(100)));
        assert!(stored.find(99, "me").is_some() && stored.by_api_key(99, "shown").is_some());
        assert!(stored.find(100, "me").is_none() && stored.by_api_key(100, "shown").is_none());
    }
}
