//! How often a source is answered that has not shown who it is. An answer is longer than the question, and
//! the source may be forged: whoever is meant by that gets little.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::network::end_site;

/// Answers a second to a source (an IPv4 address, or an IPv6 /64) that has shown no credentials.
pub const ANSWERS: u32 = 50;

/// And at once, after a quiet time: those of a whole company behind one address that comes back.
pub const ANSWERS_AT_ONCE: u32 = 400;

/// Sources known at a time. What more there are share one source's.
pub const MAX_SOURCES: usize = 16_384;

const EACH: Duration = Duration::from_nanos(1_000_000_000 / ANSWERS as u64);
const BURST: Duration = Duration::from_nanos(EACH.as_nanos() as u64 * ANSWERS_AT_ONCE as u64);

/// The sources, each with the moment at which it could have as many as ever at once again.
#[derive(Default)]
pub struct Rates {
    sources: HashMap<IpAddr, Instant, RandomState>,
    others: Option<Instant>,
    looked_through: Option<Instant>,
}

impl Rates {
    /// Whether a source is answered once more.
    pub fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        let source = end_site(source);
        if let Some(full_at) = self.sources.get_mut(&source) {
            return take(full_at, now);
        }
        if self.sources.len() >= MAX_SOURCES {
            self.forget(now);
        }
        if self.sources.len() >= MAX_SOURCES {
            return take(self.others.get_or_insert(now), now);
        }
        take(self.sources.entry(source).or_insert(now), now)
    }

    /// Forgets those that are as if they were new. Once a second at most: it is a long look.
    fn forget(&mut self, now: Instant) {
        let is_early = |at| now < at + Duration::from_secs(1);
        if !self.looked_through.is_some_and(is_early) {
            self.looked_through = Some(now);
            self.sources.retain(|_, full_at| *full_at > now);
        }
    }
}

fn take(full_at: &mut Instant, now: Instant) -> bool {
    let next = (*full_at).max(now) + EACH;
    let admitted = next <= now + BURST;
    if admitted {
        *full_at = next;
    }
    admitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_answered_so_often_and_another_has_its_own() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut count = |now, source| (0..10_000).filter(|_| rates.admit(now, source)).count();
        assert_eq!(count(now, one), ANSWERS_AT_ONCE as usize);
        assert_eq!(count(now, other), ANSWERS_AT_ONCE as usize);
        assert_eq!(count(now + Duration::from_secs(1), one), ANSWERS as usize);
    }

    #[test]
    fn sources_without_end_take_no_room_without_end() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let source = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        let answered = (0..100_000)
            .filter(|n| rates.admit(now, source(*n)))
            .count();
        assert_eq!(rates.sources.len(), MAX_SOURCES);
        assert_eq!(answered, MAX_SOURCES + ANSWERS_AT_ONCE as usize);
        let later = now + Duration::from_secs(2);
        assert!(rates.admit(later, source(200_000)) && rates.sources.len() == 1);
    }
}
