//! How much is too much: a token bucket, and one for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::network::end_site;

/// Offers a client may make a second, and at once after a quiet time. Each may begin another peer
/// connection, whose handshake costs a thousand times what a message does.
pub(crate) const OFFERS: (u32, u32) = (2, 20);

/// Offers of one address: those of as many sessions as it may have, which come back together after a
/// restart. `None` where it may have all sessions.
pub(crate) fn offers_of_address(sessions: usize) -> Option<(u32, u32)> {
    let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
    let (per_second, at_once) = OFFERS;
    let of_all = (sessions / 8, sessions.saturating_mul(2));
    (sessions > 0).then_some((per_second.max(of_all.0), at_once.max(of_all.1)))
}

/// Lets so many of something through a second, and a burst of more at once.
///
/// It keeps the moment at which the bucket would be full again (a virtual scheduling clock), so
/// that nothing has to run to refill it.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    each: Duration,
    burst: Duration,
    full_at: Instant,
}

impl Rate {
    /// So many a second, and `at_once` after a quiet time.
    pub(super) fn new(per_second: u32, at_once: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self {
            each,
            burst: each * at_once,
            full_at: now,
        }
    }

    /// Lets so many pass at once, and says when those after them may come.
    pub(super) fn spend(&mut self, count: u32, now: Instant) -> Instant {
        self.full_at = self.full_at.max(now) + self.each * count;
        self.full_at
            .checked_sub(self.burst)
            .map_or(now, |at| at.max(now))
    }

    /// Whether one more is within the limit.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.each;
        let admitted = full_at <= now + self.burst;
        if admitted {
            self.full_at = full_at;
        }
        admitted
    }
}

/// A bucket for each address. One that is full again is forgotten, when there are many.
#[derive(Debug)]
pub(super) struct Rates {
    /// Of something a second, and at once. `None` counts nothing.
    allowed: Option<(u32, u32)>,
    buckets: Mutex<HashMap<IpAddr, Rate>>,
}

/// So many are kept before it is looked which could be forgotten.
const KEPT: usize = 1024;

impl Rates {
    pub(super) fn new(allowed: Option<(u32, u32)>) -> Self {
        Self {
            allowed,
            buckets: Mutex::default(),
        }
    }

    /// Whether one more of this address is within the limit; if not, what is.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), (u32, u32)> {
        let Some((per_second, at_once)) = self.allowed else {
            return Ok(());
        };
        // Nothing under this lock can leave the table half changed.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked through once for each time that it doubled: what is left over is not full.
        if buckets.len() >= KEPT && buckets.len() == buckets.capacity() {
            buckets.retain(|_, bucket| bucket.full_at > now);
        }
        let bucket = buckets
            .entry(end_site(address))
            .or_insert_with(|| Rate::new(per_second, at_once, now));
        bucket.admit(now).then_some(()).ok_or((per_second, at_once))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_and_none_is_kept_for_long() {
        let rates = Rates::new(Some((1, 2)));
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let start = Instant::now();
        let admit = |n, seconds| rates.admit(address(n), start + Duration::from_secs(seconds));
        assert_eq!(admit(1, 0), Ok(()));
        assert_eq!(admit(1, 0), Ok(()));
        assert_eq!(admit(1, 0), Err((1, 2)));
        assert_eq!(admit(2, 0), Ok(()));
        assert_eq!(admit(1, 1), Ok(()));
        // A hundred thousand addresses over a day leave no more than some thousands behind.
        for n in 0..100_000 {
            assert_eq!(admit(n, 10 + u64::from(n)), Ok(()));
        }
        assert!(rates.buckets.lock().unwrap().len() < 4 * KEPT);
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 40, start);
        assert!((0..40).all(|_| rate.admit(start)));
        assert!(!rate.admit(start));
        // A tenth of a second is one frame.
        let later = start + Duration::from_millis(100);
        assert!(rate.admit(later));
        assert!(!rate.admit(later));
    }

    #[test]
    fn what_comes_at_once_is_waited_for_afterwards() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 40, start);
        assert_eq!(rate.spend(40, start), start);
        assert_eq!(rate.spend(5, start), start + Duration::from_millis(500));
        let later = start + Duration::from_secs(60);
        assert_eq!(rate.spend(40, later), later);
    }

    #[test]
    fn quiet_time_is_saved_up_to_one_burst() {
        let start = Instant::now();
        let mut rate = Rate::new(10, 40, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| rate.admit(later)).count(), 40);
    }
}
