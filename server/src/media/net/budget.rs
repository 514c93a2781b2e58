//! How many bytes the peers of a shard may make it hold in all, beyond what each may hold in any case.
//!
//! A plain counter that everything with a queue of somebody else's making tells what it holds. Knows nobody, and
//! refuses nothing: who holds something asks whether memory is scarce, and then takes no more than its least share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a shard's queues may hold before memory is scarce.
pub const SHARD_BUDGET: usize = 256 << 20;

/// See the module. Shared between a shard and what it owns, and by nobody else.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether nobody is to hold more than its least share.
    pub fn is_scarce(&self) -> bool {
        self.used() >= self.limit
    }
}

/// What one holder has of a budget. Given back when it goes.
#[derive(Debug)]
pub struct Holding {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Holding {
    /// Nothing yet.
    pub fn new(budget: &Arc<Budget>) -> Holding {
        Holding {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// So many bytes are held now.
    pub fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let more = bytes - self.bytes;
            self.budget.used.fetch_add(more, Ordering::Relaxed);
        } else if bytes < self.bytes {
            let less = self.bytes - bytes;
            self.budget.used.fetch_sub(less, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// What it is of.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Whether memory is scarce.
    pub fn is_scarce(&self) -> bool {
        self.budget.is_scarce()
    }

    /// The holder goes to another shard, and takes what it holds along.
    pub fn move_to(&mut self, budget: &Arc<Budget>) {
        let bytes = self.bytes;
        self.set(0);
        self.budget = Arc::clone(budget);
        self.set(bytes);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_where_its_holder_is_and_given_back() {
        let (here, there) = (Budget::new(100), Budget::new(100));
        let mut holding = Holding::new(&here);
        holding.set(100);
        assert!(here.is_scarce());
        holding.set(60);
        assert!(!here.is_scarce());
        holding.move_to(&there);
        assert_eq!((here.used(), there.used()), (0, 60));
        drop(holding);
        assert_eq!(there.used(), 0);
    }
}
