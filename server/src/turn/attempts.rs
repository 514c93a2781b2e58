//! How often connections of relays of TCP are tried to be opened: by a source and by a user, over all relays and shards.
//! A relay is no way to look for open ports, nor are many, one after the other. It knows nothing of whom they go to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use super::connections::{ATTEMPTS, ATTEMPTS_OF_STORED};
use crate::rate::{Bucket, Rate, Sources};

/// User names known at a time. What more there are share one's bucket.
pub(crate) const MAX_USERS: usize = 4096;

const OF_SOURCE: Rate = Rate::new(ATTEMPTS.0, ATTEMPTS.1);

/// What is left to sources and users.
pub(super) struct Attempts {
    sources: Sources,
    users: HashMap<Box<str>, Bucket>,
    others: Option<Bucket>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            sources: Sources::new(OF_SOURCE),
            users: HashMap::new(),
            others: None,
        }
    }
}

impl Attempts {
    /// Whether one more is within the limits of both.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        source: IpAddr,
        (user, is_stored): (&str, bool),
    ) -> bool {
        let rate = match is_stored {
            true => Rate::new(ATTEMPTS_OF_STORED.0, ATTEMPTS_OF_STORED.1),
            false => OF_SOURCE,
        };
        self.sources.admit(now, source) && self.bucket(now, user).take(rate, 1, now)
    }

    fn bucket(&mut self, now: Instant, user: &str) -> &mut Bucket {
        let is_known = self.users.contains_key(user);
        if !is_known && self.users.len() >= MAX_USERS {
            self.users.retain(|_, bucket| !bucket.is_full(now));
        }
        let new = Bucket::new(now);
        match is_known || self.users.len() < MAX_USERS {
            true => self.users.entry(user.into()).or_insert(new),
            false => self.others.get_or_insert(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_names_there_are_a_bounded_number_is_known() {
        let (now, mut attempts) = (Instant::now(), Attempts::default());
        let source = |at: usize| IpAddr::from([10, 0, (at >> 8) as u8, at as u8]);
        let mut admit = |at: usize| attempts.admit(now, source(at), (&at.to_string(), false));
        assert!((0..MAX_USERS + 100).all(&mut admit));
        assert!(!admit(MAX_USERS + 100), "they share one bucket");
        assert_eq!(attempts.users.len(), MAX_USERS);
        let later = now + std::time::Duration::from_secs(10);
        assert!(attempts.admit(later, source(9000), ("late", false)));
        assert_eq!(attempts.users.len(), 1);
    }
}
