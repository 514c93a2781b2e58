//! What was relayed for whom, on its way from the shards to whoever keeps count. A shard adds to a meter seldom,
//! never for a packet; whoever reads takes what there is, so that each byte is read once.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of one user that nobody has read yet.
pub struct Meter {
    user: u64,
    bytes: AtomicU64,
    meters: Arc<Meters>,
}

/// Those of all users.
#[derive(Default)]
pub struct Meters {
    /// Each that has bytes is here, or is about to be. Others may be, too.
    unread: Mutex<Vec<Arc<Meter>>>,
    ended: AtomicBool,
}

impl Meter {
    /// Adds bytes.
    pub fn add(self: &Arc<Self>, bytes: u64) {
        if bytes > 0 && self.bytes.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.meters.lock().push(self.clone());
        }
    }

    /// Notes that a relay of this user's is over.
    pub fn note_end(&self) {
        self.meters.ended.store(true, Ordering::Relaxed);
    }
}

impl Meters {
    /// A user's meter. Several of one user are as good as one.
    pub fn meter(self: &Arc<Self>, user: u64) -> Arc<Meter> {
        Arc::new(Meter {
            user,
            bytes: AtomicU64::new(0),
            meters: self.clone(),
        })
    }

    /// Takes what has come since: users and their bytes.
    pub fn read(&self) -> Vec<(u64, u64)> {
        let unread = std::mem::take(&mut *self.lock());
        let read = |meter: Arc<Meter>| (meter.user, meter.bytes.swap(0, Ordering::Relaxed));
        unread.into_iter().map(read).collect()
    }

    /// Whether a relay has ended since.
    pub fn take_ended(&self) -> bool {
        self.ended.swap(false, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Meter>>> {
        // Every change is one push, or takes all.
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({})", self.user)
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meters({} unread)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_add_is_read_once() {
        let meters = Arc::new(Meters::default());
        let (mine, other) = (meters.meter(1), meters.meter(2));
        let adding = [mine.clone(), mine, other]
            .map(|meter| std::thread::spawn(move || (0..10_000).for_each(|_| meter.add(3))));
        let mut sums = [0; 3];
        let mut read = || {
            for (user, bytes) in meters.read() {
                sums[user as usize] += bytes;
            }
        };
        while !adding.iter().all(std::thread::JoinHandle::is_finished) {
            read();
        }
        for thread in adding {
            thread.join().unwrap();
        }
        read();
        assert_eq!(sums, [0, 60_000, 30_000]);
        assert!(meters.read().is_empty());
    }
}
