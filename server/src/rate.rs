//! How often is too often: so many of something a second, and so many at once after a quiet time.
//!
//! It knows nothing of what is counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::network::end_site;

/// How often something may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    each: Duration,
    burst: Duration,
}

impl Rate {
    /// So many a second, and `at_once` after a quiet time.
    pub(crate) const fn new(per_second: u32, at_once: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        let each = Duration::from_nanos(1_000_000_000 / per_second as u64);
        Self {
            each,
            burst: each.saturating_mul(at_once),
        }
    }
}

/// What is left to somebody of a [`Rate`]: a token bucket.
///
/// It keeps the moment at which the bucket would be full again (a virtual scheduling clock), so
/// that nothing has to run to refill it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes so many, if they are left. Whoever asks for more than there ever are at once has to wait until the
    /// bucket is full.
    pub(crate) fn take(&mut self, rate: Rate, count: u32, now: Instant) -> bool {
        let wanted = rate.each.saturating_mul(count);
        let before = self.full_at.max(now);
        let admitted = before + wanted.min(rate.burst) <= now + rate.burst;
        if admitted {
            self.full_at = before + wanted;
        }
        admitted
    }

    /// Takes so many, which happen whether or not they are left, and says when those after them may.
    pub(crate) fn spend(&mut self, rate: Rate, count: u32, now: Instant) -> Instant {
        self.full_at = self.full_at.max(now) + rate.each.saturating_mul(count);
        let next = self.full_at.checked_sub(rate.burst);
        next.map_or(now, |at| at.max(now))
    }

    /// Whether it is as if it were new.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// Sources known at a time. What more there are share one's bucket.
pub(crate) const MAX_SOURCES: usize = 16_384;

/// A bucket for each source: an IPv4 address, or an IPv6 /64.
#[derive(Debug)]
pub(crate) struct Sources {
    rate: Rate,
    buckets: HashMap<IpAddr, Bucket, RandomState>,
    others: Option<Bucket>,
    looked_through: Option<Instant>,
}

impl Sources {
    /// The same rate for each.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: HashMap::default(),
            others: None,
            looked_through: None,
        }
    }

    /// Whether one more of this source is within the limit.
    pub(crate) fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        let (rate, source) = (self.rate, end_site(source));
        if let Some(bucket) = self.buckets.get_mut(&source) {
            return bucket.take(rate, 1, now);
        }
        if self.buckets.len() >= MAX_SOURCES {
            self.forget(now);
        }
        let new = Bucket::new(now);
        let bucket = match self.buckets.len() < MAX_SOURCES {
            true => self.buckets.entry(source).or_insert(new),
            false => self.others.get_or_insert(new),
        };
        bucket.take(rate, 1, now)
    }

    /// Forgets those that are as if they were new. Once a second at most: it is a long look.
    fn forget(&mut self, now: Instant) {
        let is_early = |at| now < at + Duration::from_secs(1);
        if !self.looked_through.is_some_and(is_early) {
            self.looked_through = Some(now);
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(10, 40);

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert!((0..40).all(|_| bucket.take(RATE, 1, start)));
        assert!(!bucket.take(RATE, 1, start));
        // A tenth of a second is one frame.
        let later = start + Duration::from_millis(100);
        assert!(bucket.take(RATE, 1, later));
        assert!(!bucket.take(RATE, 1, later));
    }

    #[test]
    fn some_at_once_count_as_many() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert_eq!((0..9).filter(|_| bucket.take(RATE, 10, start)).count(), 4);
        // More than there ever are at once pass where nothing was taken, and are waited for afterwards.
        let mut bucket = Bucket::new(start);
        assert!(bucket.take(RATE, 100, start) && !bucket.take(RATE, 1, start));
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(!bucket.take(RATE, 1, later(5)) && bucket.take(RATE, 1, later(7)));
    }

    #[test]
    fn what_comes_at_once_is_waited_for_afterwards() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert_eq!(bucket.spend(RATE, 40, start), start);
        let soon = start + Duration::from_millis(500);
        assert_eq!(bucket.spend(RATE, 5, start), soon);
        let later = start + Duration::from_secs(60);
        assert_eq!(bucket.spend(RATE, 40, later), later);
    }

    #[test]
    fn quiet_time_is_saved_up_to_one_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let later = start + Duration::from_secs(3600);
        let taken = (0..100).filter(|_| bucket.take(RATE, 1, later));
        assert_eq!(taken.count(), 40);
    }

    fn source(n: u32) -> IpAddr {
        n.to_be_bytes().into()
    }

    #[test]
    fn each_source_has_its_own() {
        let (mut sources, now) = (Sources::new(RATE), Instant::now());
        let mut count = |now, n| {
            let admitted = (0..1000).filter(|_| sources.admit(now, source(n)));
            admitted.count()
        };
        assert_eq!((count(now, 1), count(now, 2)), (40, 40));
        assert_eq!(count(now + Duration::from_secs(1), 1), 10);
    }

    #[test]
    fn sources_without_end_take_no_room_without_end() {
        let (mut sources, now) = (Sources::new(RATE), Instant::now());
        let admitted = (0..100_000).filter(|n| sources.admit(now, source(*n)));
        assert_eq!(admitted.count(), MAX_SOURCES + 40);
        assert_eq!(sources.buckets.len(), MAX_SOURCES);
        let later = now + Duration::from_secs(2);
        assert!(sources.admit(later, source(200_000)) && sources.buckets.len() == 1);
    }
}
