//! How much each address may have at a time: a count by [`end_site`], given back on drop.
//!
//! It knows nothing of what is counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::network::end_site;

/// Counts something by address, up to a limit that is the same for each.
#[derive(Debug)]
pub(crate) struct Shares {
    /// `None` counts nothing.
    limit: Option<usize>,
    counts: Arc<Counts>,
}

/// Whoever has something. There is no entry for who has nothing.
#[derive(Debug, Default)]
struct Counts(Mutex<HashMap<IpAddr, usize>>);

/// One of what is counted. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share(Option<(Arc<Counts>, IpAddr)>);

impl Shares {
    /// So many for each address; 0 sets no limit.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: (limit > 0).then_some(limit),
            counts: Arc::default(),
        }
    }

    /// One more for an address, if it may have one more.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Share> {
        let Some(limit) = self.limit else {
            return Some(Share(None));
        };
        let site = end_site(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(site).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Share(Some((self.counts.clone(), site))))
    }

    /// How many addresses have something.
    pub(crate) fn len(&self) -> usize {
        self.counts.lock().len()
    }
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing between an entry's lookup and its change can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((counts, site)) = self.0.take() else {
            return;
        };
        let mut counts = counts.lock();
        if let Some(count) = counts.get_mut(&site) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&site);
            }
        }
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
        assert!(shares.counts.lock().is_empty());
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
        assert!(shares.counts.lock().is_empty());
    }
}
