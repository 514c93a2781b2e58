//! How much the relays of one credential carry: so many bits a second each way, all of its relays together, whatever
//! shards they are on and whatever they carry. What is too much of datagrams is dropped; of streams it is not read yet.
//!
//! Two token buckets, each of which is one number that the shards share: when it would be full again. No shard waits for
//! another one; where several take at the same moment, each may take one packet more than there is.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What may come at once after a quiet time: as much as in this time,
pub const BURST: Duration = Duration::from_millis(500);

/// and so many bytes at least.
pub const LEAST_BURST: usize = 32 << 10;

/// What is owed at most, besides a burst: nobody waits longer for what others relayed at once.
pub const DEBT: Duration = Duration::from_secs(5);

/// A stream that has to wait does so until this part of a burst is there: else many would wake for a few bytes each.
const RESUMES_AT: u64 = 8;

/// Users that are remembered before it is looked for those that may be forgotten.
const MANY: usize = 1024;

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to its peers.
    Up,
    /// To the client.
    Down,
}

/// Bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth(NonZeroU64);

impl Bandwidth {
    /// So many thousands; none is no limit.
    pub fn kilobits(kilobits: u32) -> Option<Self> {
        NonZeroU64::new(1000 * u64::from(kilobits)).map(Self)
    }

    /// How many nanoseconds so many bytes take.
    fn time_of(self, bytes: usize) -> u64 {
        (bytes as u64).saturating_mul(8_000_000_000) / self.0
    }

    fn burst(self) -> u64 {
        self.time_of(LEAST_BURST).max(nanoseconds(BURST))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What one credential may relay.
#[derive(Debug)]
pub struct Allowance {
    bandwidth: Bandwidth,
    /// When something was relayed first. Times are nanoseconds since then.
    start: OnceLock<Instant>,
    /// When each bucket would be full.
    up: AtomicU64,
    down: AtomicU64,
}

impl Allowance {
    /// As much as there ever is at once.
    pub fn new(bandwidth: Bandwidth) -> Arc<Self> {
        Arc::new(Self {
            bandwidth,
            start: OnceLock::new(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        })
    }

    /// Takes so many bytes, if they are left.
    pub fn take(&self, now: Instant, direction: Direction, bytes: usize) -> bool {
        let (now, cost) = (self.time(now), self.bandwidth.time_of(bytes));
        let full_at = self.bucket(direction);
        let before = full_at.load(Ordering::Relaxed).max(now);
        let is_left = before.saturating_add(cost) <= now.saturating_add(self.bandwidth.burst());
        if is_left {
            put(full_at, now, cost, self.most(now));
        }
        is_left
    }

    /// Takes so many bytes, which were relayed whether or not they were left.
    pub fn spend(&self, now: Instant, direction: Direction, bytes: usize) {
        let now = self.time(now);
        let cost = self.bandwidth.time_of(bytes);
        put(self.bucket(direction), now, cost, self.most(now));
    }

    /// When a bucket is full at the latest, whatever was taken of it.
    fn most(&self, now: u64) -> u64 {
        let burst = now.saturating_add(self.bandwidth.burst());
        burst.saturating_add(nanoseconds(DEBT))
    }

    /// Until when nothing more is to be relayed, if more was than there is.
    pub fn pause(&self, now: Instant, direction: Direction) -> Option<Instant> {
        let (passed, burst) = (self.time(now), self.bandwidth.burst());
        let full_at = self.bucket(direction).load(Ordering::Relaxed);
        // As much more as is to be there by then.
        let over = full_at.checked_sub(passed.saturating_add(burst))?;
        let wait = over.saturating_add(burst / RESUMES_AT);
        now.checked_add(Duration::from_nanos(wait))
    }

    /// Whether it is as if it were new.
    fn is_whole(&self, now: Instant) -> bool {
        let (now, buckets) = (self.time(now), [&self.up, &self.down]);
        let is_full = |full_at: &AtomicU64| full_at.load(Ordering::Relaxed) <= now;
        buckets.into_iter().all(is_full)
    }

    fn bucket(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn time(&self, now: Instant) -> u64 {
        let start = self.start.get_or_init(|| now);
        nanoseconds(now.saturating_duration_since(*start))
    }
}

/// Takes time of a bucket. What others take meanwhile is taken, too.
fn put(full_at: &AtomicU64, now: u64, cost: u64, most: u64) {
    if full_at.load(Ordering::Relaxed) < now {
        full_at.fetch_max(now, Ordering::Relaxed);
    }
    full_at.fetch_add(cost, Ordering::Relaxed);
    full_at.fetch_min(most, Ordering::Relaxed);
}

/// Those of users whom nobody knows but by what they show: one for each name, as long as it has relays, and until what it
/// took is there again. Who comes anew finds what it left.
#[derive(Debug, Default)]
pub(super) struct Allowances(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_user: HashMap<Box<str>, Arc<Allowance>>,
    /// When there are so many it is looked for those that may be forgotten.
    many: usize,
}

impl Allowances {
    /// A user's.
    pub(super) fn of(&self, now: Instant, user: &str, bandwidth: Bandwidth) -> Arc<Allowance> {
        let mut table = self.lock();
        if let Some(known) = table.by_user.get(user) {
            return known.clone();
        }
        if table.by_user.len() >= table.many {
            let is_used =
                |known: &Arc<Allowance>| Arc::strong_count(known) > 1 || !known.is_whole(now);
            table.by_user.retain(|_, known| is_used(known));
            table.many = MANY.max(2 * table.by_user.len());
        }
        let new = Allowance::new(bandwidth);
        table.by_user.insert(user.into(), new.clone());
        new
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A table without those that were forgotten is one, too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 800;
    /// In bytes a second.
    const BYTES: u64 = 100_000;

    fn allowance() -> Arc<Allowance> {
        Allowance::new(Bandwidth::kilobits(RATE).unwrap())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds_each_way_by_itself() {
        let (allowance, start) = (allowance(), Instant::now());
        let passed = |now, direction| {
            let taken = (0..1000).filter(|_| allowance.take(now, direction, 1000));
            taken.count()
        };
        assert_eq!(passed(start, Direction::Up), 50);
        assert_eq!(passed(start, Direction::Down), 50);
        assert_eq!(
            passed(start + Duration::from_millis(100), Direction::Up),
            10
        );
        let later = start + Duration::from_secs(3600);
        assert_eq!(
            passed(later, Direction::Up),
            50,
            "quiet time is saved up to a burst"
        );
    }

    #[test]
    fn however_little_it_is_the_longest_datagrams_pass() {
        let (allowance, now) = (
            Allowance::new(Bandwidth::kilobits(50).unwrap()),
            Instant::now(),
        );
        assert!((0..16).all(|_| allowance.take(now, Direction::Up, 2048)));
        assert!(!allowance.take(now, Direction::Up, 2048));
        assert!(Bandwidth::kilobits(0).is_none());
    }

    #[test]
    fn what_is_read_in_any_case_is_waited_for_afterwards() {
        let (allowance, start) = (allowance(), Instant::now());
        assert_eq!(allowance.pause(start, Direction::Up), None);
        allowance.spend(start, Direction::Up, 60_000);
        let until = allowance.pause(start, Direction::Up).unwrap();
        // 10000 bytes too many, and an eighth of a burst.
        assert_eq!(until - start, Duration::from_micros(100_000 + 62_500));
        assert_eq!(allowance.pause(until, Direction::Up), None);
        assert_eq!(allowance.pause(start, Direction::Down), None);
    }

    #[test]
    fn what_is_owed_is_owed_for_a_while() {
        let (allowance, start) = (allowance(), Instant::now());
        for _ in 0..100 {
            allowance.spend(start, Direction::Up, 1 << 20);
        }
        let until = allowance.pause(start, Direction::Up).unwrap();
        assert_eq!(until - start, DEBT + Duration::from_micros(62_500));
        assert!(allowance.take(until, Direction::Up, 1000));
    }

    #[test]
    fn threads_take_no_more_than_there_is_and_one_packet_each() {
        let (allowance, now) = (allowance(), Instant::now());
        let taking = [(); 4].map(|()| {
            let allowance = allowance.clone();
            std::thread::spawn(move || {
                let taken = (0..1000).filter(|_| allowance.take(now, Direction::Up, 1000));
                taken.count()
            })
        });
        let taken: usize = taking.map(|thread| thread.join().unwrap()).iter().sum();
        assert!((50..54).contains(&taken), "{taken}");
    }

    #[test]
    fn who_comes_anew_finds_what_it_left_and_who_is_whole_is_forgotten() {
        let (all, now) = (Allowances::default(), Instant::now());
        let bandwidth = Bandwidth::kilobits(RATE).unwrap();
        let mine = all.of(now, "me", bandwidth);
        assert!(mine.take(now, Direction::Down, 50_000));
        drop(mine);
        for n in 0..10 * MANY {
            all.of(now, &n.to_string(), bandwidth);
        }
        assert!(all.lock().by_user.len() <= MANY);
        assert!(
            !all.of(now, "me", bandwidth)
                .take(now, Direction::Down, 50_000)
        );
        let later = now + Duration::from_secs(1);
        for n in 0..2 * MANY {
            all.of(later, &n.to_string(), bandwidth);
        }
        assert!(!all.lock().by_user.contains_key("me"));
    }

    proptest! {
        /// Over whatever time, whatever comes when.
        #[test]
        fn no_more_passes_than_a_burst_and_the_rate(
            steps in prop::collection::vec((0_u64..200, 1_usize..2048, any::<bool>()), 1..400),
        ) {
            let (allowance, start) = (allowance(), Instant::now());
            let (mut now, mut passed) = (start, 0);
            for (pause, bytes, is_stream) in steps {
                now += Duration::from_millis(pause);
                let passes = match is_stream {
                    true => allowance.pause(now, Direction::Up).is_none(),
                    false => allowance.take(now, Direction::Up, bytes),
                };
                if passes && is_stream {
                    allowance.spend(now, Direction::Up, bytes);
                }
                passed += if passes { bytes as u64 } else { 0 };
                let time = (now - start).as_millis() as u64;
                // A stream may be one read ahead.
                prop_assert!(passed <= BYTES / 2 + BYTES * time / 1000 + 2048);
            }
        }
    }
}
