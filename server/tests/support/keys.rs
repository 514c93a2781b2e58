//! A server whose rooms take a token, and who makes them.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use ferrite_server::auth::{Grants, Key, Keys, Ticket, mint};
use ferrite_server::{Config, Server};

use super::{start, with};

/// Makes tokens of the room `tea`.
pub struct Mint(Keys);

impl Mint {
    /// For who is called as their identity in capitals, for ten minutes.
    pub fn token(&self, identity: &str, grants: Grants) -> String {
        let expires = SystemTime::now() + Duration::from_secs(600);
        self.token_until(identity, grants, expires)
    }

    pub fn token_until(&self, identity: &str, grants: Grants, expires: SystemTime) -> String {
        self.of(&ticket(identity, grants, expires))
    }

    /// For a room of so many, where they are the first in it.
    pub fn token_for_room_of(&self, most: u32, identity: &str, grants: Grants) -> String {
        let expires = SystemTime::now() + Duration::from_secs(600);
        self.of(&Ticket {
            max_participants: NonZeroU32::new(most),
            ..ticket(identity, grants, expires)
        })
    }

    fn of(&self, ticket: &Ticket) -> String {
        mint(&self.0, ticket, "tea", SystemTime::now()).unwrap()
    }
}

fn ticket(identity: &str, grants: Grants, expires: SystemTime) -> Ticket {
    Ticket {
        identity: identity.to_owned(),
        name: Some(identity.to_uppercase()),
        metadata: Some(format!("of {identity}")),
        grants,
        max_participants: None,
        expires,
    }
}

/// A server with a key, and with a change.
pub async fn closed(change: impl FnOnce(&mut Config)) -> (Server, Mint) {
    let mut keys = Keys::default();
    let secret = Key::secret("a secret of thirty-two bytes, or so").unwrap();
    keys.add("key", secret).unwrap();
    let config = with(|config| {
        config.tokens.keys = keys.clone();
        change(config);
    });
    (start(config).await, Mint(keys))
}
