//! How many of something everybody has, given back on drop; and how many each address may have, by [`end_site`].
//!
//! It knows nothing of what is counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::network::end_site;

/// Counts something by key. There is no entry for who has nothing.
#[derive(Debug)]
pub(crate) struct Counts<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One of what is counted. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Count<K: Hash + Eq> {
    counts: Counts<K>,
    key: K,
}

impl<K: Hash + Eq + Clone> Counts<K> {
    /// One more for a key that has less than so many.
    pub(crate) fn take(&self, key: K, limit: usize) -> Option<Count<K>> {
        let mut counts = self.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        let counts = Self(self.0.clone());
        Some(Count { counts, key })
    }
}

impl<K> Counts<K> {
    /// How many have something.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // Nothing between an entry's lookup and its change can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq> Drop for Count<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

/// Counts something by address, up to a limit that is the same for each.
#[derive(Debug)]
pub(crate) struct Shares {
    /// `None` counts nothing.
    limit: Option<usize>,
    counts: Counts<IpAddr>,
}

/// An address's.
#[derive(Debug)]
pub(crate) struct Share {
    _count: Option<Count<IpAddr>>,
}

impl Shares {
    /// So many for each address; 0 sets no limit.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: (limit > 0).then_some(limit),
            counts: Counts::default(),
        }
    }

    /// One more for an address, if it may have one more.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Share> {
        let _count = match self.limit {
            Some(limit) => Some(self.counts.take(end_site(address), limit)?),
            None => None,
        };
        Some(Share { _count })
    }

    /// How many addresses have something.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_and_gives_it_back() {
        let shares = Shares::new(2);
        let first = shares.take(ip("192.0.2.1"));
        let second = shares.take(ip("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(ip("192.0.2.1")).is_none());
        assert!(shares.take(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(shares.take(ip("::ffff:192.0.2.1")).is_some());
        drop(second);
        assert_eq!(shares.len(), 0);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share() {
        let shares = Shares::new(1);
        let _only = shares.take(ip("2001:db8:0:1::1"));
        assert!(shares.take(ip("2001:db8:0:1:ffff::1")).is_none());
        assert!(shares.take(ip("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn no_limit_counts_nothing() {
        let shares = Shares::new(0);
        let all: Vec<_> = (0..1000).map_while(|_| shares.take(ip("::1"))).collect();
        assert_eq!(all.len(), 1000);
        assert_eq!(shares.len(), 0);
    }
}
