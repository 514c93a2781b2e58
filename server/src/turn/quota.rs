//! How many allocations a user and a source have, on all shards together. Counts, given back on drop.

use std::net::IpAddr;

use crate::network::end_site;
use crate::shares::{Count, Counts};

/// Allocations of one user name at a time.
pub const MAX_PER_USER: usize = 64;

/// Those of a stored one: a page may give the same to all its visitors.
pub const MAX_PER_STORED: usize = 4096;

/// Allocations of one source (an IPv4 address, or an IPv6 /64) at a time.
pub const MAX_PER_SOURCE: usize = 1024;

/// The counts.
#[derive(Debug)]
pub struct Quotas {
    users: Counts<Box<str>>,
    sources: Counts<IpAddr>,
    /// What each source may have.
    most_of_source: usize,
}

/// Those of allocations.
impl Default for Quotas {
    fn default() -> Self {
        Self::of_sources(MAX_PER_SOURCE)
    }
}

impl Quotas {
    /// Nobody has any yet, and a source may have so many.
    pub fn of_sources(most: usize) -> Self {
        Self {
            users: Counts::default(),
            sources: Counts::default(),
            most_of_source: most,
        }
    }

    /// One more for a user, who may have so many, and a source, if both may have one more.
    pub fn take(&self, user: &str, most: usize, source: IpAddr) -> Option<Quota> {
        let site = end_site(source);
        Some(Quota {
            _user: self.users.take(user.into(), most)?,
            _source: self.sources.take(site, self.most_of_source)?,
            site,
        })
    }

    /// One is of another source from now on, if that may have one more.
    pub(super) fn move_to(&self, quota: &mut Quota, source: IpAddr) -> bool {
        let source = end_site(source);
        if source == quota.site {
            return true;
        }
        let Some(taken) = self.sources.take(source, self.most_of_source) else {
            return false;
        };
        (quota.site, quota._source) = (source, taken);
        true
    }

    /// How many have something.
    pub fn len(&self) -> usize {
        self.users.len() + self.sources.len()
    }

    /// Whether nobody has anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One allocation's. Dropping it gives it back.
#[derive(Debug)]
pub struct Quota {
    _user: Count<Box<str>>,
    _source: Count<IpAddr>,
    site: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_user_has_so_many_wherever_it_is_and_gives_them_back() {
        let quotas = Quotas::default();
        let mut held: Vec<_> = (0..100)
            .map_while(|n| quotas.take("me", MAX_PER_USER, ip(n)))
            .collect();
        assert_eq!(held.len(), MAX_PER_USER);
        assert!(quotas.take("other", MAX_PER_USER, ip(1)).is_some());
        held.pop();
        assert!(quotas.take("me", MAX_PER_USER, ip(200)).is_some());
        held.clear();
        assert!(quotas.is_empty());
    }

    #[test]
    fn a_source_has_so_many_whatever_its_names_and_a_refusal_counts_nothing() {
        let quotas = Quotas::default();
        let take = |n: usize| quotas.take(&n.to_string(), MAX_PER_USER, ip(1));
        let held: Vec<_> = (0..2000).map_while(take).collect();
        assert_eq!(held.len(), MAX_PER_SOURCE);
        let before = quotas.len();
        assert!(quotas.take("late", MAX_PER_USER, ip(1)).is_none());
        assert_eq!(quotas.len(), before);
        drop(held);
        assert!(quotas.is_empty());
    }
}
