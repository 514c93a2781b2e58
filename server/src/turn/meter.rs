//! What was relayed for whom, on its way from the shards to whoever keeps count. A shard adds to a meter seldom,
//! never for a packet; whoever reads takes what there is, so that each byte is read once.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A stored credential, by its number, and the project that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The credential's.
    pub number: u64,
    /// The project's.
    pub project: Option<u64>,
}

/// Whose bytes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payer {
    /// Those of a stored credential.
    Stored(Owner),
    /// Those of all sessions.
    Sessions,
    /// Those of all who have time-limited credentials.
    TimeLimited,
}

/// Bytes of one payer that nobody has read yet.
pub struct Meter {
    payer: Payer,
    bytes: AtomicU64,
    /// Which have it while it is not read.
    meters: Weak<Meters>,
}

/// Those of all payers.
#[derive(Default)]
pub struct Meters {
    /// Each that has bytes is here, or is about to be. Others may be, too.
    unread: Mutex<Vec<Arc<Meter>>>,
    ended: AtomicBool,
}

impl Meter {
    /// Adds bytes.
    pub fn add(self: &Arc<Self>, bytes: u64) {
        if bytes > 0
            && self.bytes.fetch_add(bytes, Ordering::Relaxed) == 0
            && let Some(meters) = self.meters.upgrade()
        {
            meters.lock().push(self.clone());
        }
    }

    /// Whose they are.
    pub fn payer(&self) -> Payer {
        self.payer
    }

    /// Notes that a relay of this payer's is over. Of those that are counted together it makes no difference: there are
    /// many, and one ends at any time.
    pub fn note_end(&self) {
        if let (Payer::Stored(_), Some(meters)) = (self.payer, self.meters.upgrade()) {
            meters.ended.store(true, Ordering::Relaxed);
        }
    }
}

impl Meters {
    /// A payer's meter. Several of one payer are as good as one.
    pub fn meter(self: &Arc<Self>, payer: Payer) -> Arc<Meter> {
        Arc::new(Meter {
            payer,
            bytes: AtomicU64::new(0),
            meters: Arc::downgrade(self),
        })
    }

    /// Takes what has come since: payers and their bytes.
    pub fn read(&self) -> Vec<(Payer, u64)> {
        let unread = std::mem::take(&mut *self.lock());
        let read = |meter: Arc<Meter>| (meter.payer, meter.bytes.swap(0, Ordering::Relaxed));
        unread.into_iter().map(read).collect()
    }

    /// Whether a relay of a stored credential has ended since.
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
        write!(f, "Meter({:?})", self.payer)
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
    fn only_the_end_of_a_stored_credentials_relay_is_noted() {
        let meters = Arc::new(Meters::default());
        let stored = Payer::Stored(Owner {
            number: 1,
            project: None,
        });
        let payers = [Payer::Sessions, Payer::TimeLimited, stored];
        let is_noted = payers.map(|payer| {
            meters.meter(payer).note_end();
            meters.take_ended()
        });
        assert_eq!(is_noted, [false, false, true]);
    }

    #[test]
    fn what_threads_add_is_read_once() {
        let meters = Arc::new(Meters::default());
        let me = Payer::Stored(Owner {
            number: 1,
            project: Some(2),
        });
        let (mine, other) = (meters.meter(me), meters.meter(Payer::Sessions));
        let adding = [mine.clone(), mine, other]
            .map(|meter| std::thread::spawn(move || (0..10_000).for_each(|_| meter.add(3))));
        let mut sums = std::collections::BTreeMap::new();
        let mut read = || {
            for (payer, bytes) in meters.read() {
                *sums.entry(payer).or_insert(0) += bytes;
            }
        };
        while !adding.iter().all(std::thread::JoinHandle::is_finished) {
            read();
        }
        for thread in adding {
            thread.join().unwrap();
        }
        read();
        let expected = [(me, 60_000), (Payer::Sessions, 30_000)];
        assert_eq!(sums, expected.into());
        assert!(meters.read().is_empty());
    }
}
