//! Which relayed ports are whose, on all shards together. A port is a number here: whether there is a socket is
//! for others to know.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Numbers below are for services (RFC 6335 §6).
const LOWEST: usize = 1024;

/// The ports.
#[derive(Clone)]
pub struct Ports(Arc<Mutex<Table>>);

struct Table {
    from: u16,
    /// For each port of the range, whose it is.
    owners: Vec<Option<Owner>>,
}

/// Whose a port is: a shard's, or nobody's yet, but kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Shard(usize),
    Kept,
}

/// What a client wants of a port (RFC 8656 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Nothing.
    Any,
    /// That it is even.
    Even,
    /// That the next one is kept for it, too.
    Pair,
}

impl Ports {
    /// Those of a range, all free.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        Self(Arc::new(Mutex::new(Table {
            from: *range.start(),
            owners: vec![None; range.len()],
        })))
    }

    /// The whole range.
    pub fn range(&self) -> RangeInclusive<u16> {
        let table = self.lock();
        let last = usize::from(table.from) + table.owners.len().saturating_sub(1);
        table.from..=u16::try_from(last).unwrap_or(u16::MAX)
    }

    /// Those that a machine's relays leave to others, on the side where there are more: numbers for relays that need no
    /// socket. Where there are none left, the same.
    pub fn beside(&self) -> Self {
        let (from, count) = {
            let table = self.lock();
            (usize::from(table.from), table.owners.len())
        };
        let after = from + count;
        let below = LOWEST..from;
        let above = after..usize::from(u16::MAX) + 1;
        let wider = if below.len() > above.len() {
            below
        } else {
            above
        };
        match wider.is_empty() {
            true => self.clone(),
            false => Self::new(wider.start as u16..=(wider.end - 1) as u16),
        }
    }

    /// Nobody is to have this one.
    pub fn leave_out(&self, port: u16) {
        self.lock().set(port, Some(Owner::Kept));
    }

    /// A free port for a shard, and the next one if it was asked for. The search begins where `seed` says:
    /// who can guess ports can send to them (RFC 8656 §7.2).
    pub fn take(&self, shard: usize, parity: Parity, seed: u32) -> Option<(Lease, Option<Lease>)> {
        let mut table = self.lock();
        let count = table.owners.len();
        let start = (seed as usize).checked_rem(count)?;
        let at = (0..count).map(|step| (start + step) % count);
        let port = at
            .filter(|at| table.suits(*at, parity))
            .map(|at| table.from + at as u16)
            .next()?;
        table.set(port, Some(Owner::Shard(shard)));
        let next = (parity == Parity::Pair).then(|| {
            table.set(port + 1, Some(Owner::Kept));
            self.lease(port + 1)
        });
        Some((self.lease(port), next))
    }

    /// The shard whose allocation has a port.
    pub fn shard_of(&self, port: u16) -> Option<usize> {
        let table = self.lock();
        let owner = table
            .owners
            .get(usize::from(port.checked_sub(table.from)?))?;
        owner.and_then(|owner| match owner {
            Owner::Shard(shard) => Some(shard),
            Owner::Kept => None,
        })
    }

    fn lease(&self, port: u16) -> Lease {
        let ports = self.clone();
        Lease { ports, port }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn suits(&self, at: usize, parity: Parity) -> bool {
        let is_free = |at| self.owners.get(at) == Some(&None);
        let is_even = (self.from + at as u16).is_multiple_of(2);
        is_free(at)
            && match parity {
                Parity::Any => true,
                Parity::Even => is_even,
                Parity::Pair => is_even && is_free(at + 1),
            }
    }

    fn set(&mut self, port: u16, owner: Option<Owner>) {
        let at = port.checked_sub(self.from).map(usize::from);
        if let Some(known) = at.and_then(|at| self.owners.get_mut(at)) {
            *known = owner;
        }
    }
}

/// A port that somebody has. Dropping it gives it back.
pub struct Lease {
    ports: Ports,
    port: u16,
}

impl Lease {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A kept one is a shard's from now on.
    pub fn given_to(self, shard: usize) -> Self {
        let mut table = self.ports.lock();
        table.set(self.port, Some(Owner::Shard(shard)));
        drop(table);
        self
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.ports.lock();
        table.set(self.port, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_given_once_and_comes_back() {
        let ports = Ports::new(1000..=1009);
        for _ in 0..2 {
            let take = |seed| ports.take(3, Parity::Any, seed).map(|(lease, _)| lease);
            let leases: Vec<_> = (0..20).map_while(take).collect();
            let mut numbers: Vec<_> = leases.iter().map(Lease::port).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (1000..=1009).collect::<Vec<_>>());
            assert!((1000..=1009).all(|port| ports.shard_of(port) == Some(3)));
        }
        assert!((900..=1100).all(|port| ports.shard_of(port).is_none()));
    }

    #[test]
    fn what_is_beside_the_relays_is_nobodys_twice() {
        let range = |ports: &Ports| {
            let table = ports.lock();
            (usize::from(table.from), table.owners.len())
        };
        let beside = |ports| range(&Ports::new(ports).beside());
        assert_eq!(beside(49_152..=65_535), (1024, 49_152 - 1024));
        assert_eq!(beside(2000..=3000), (3001, 65_535 - 3000));
        assert_eq!(beside(1..=65_535), (1, 65_535));
        let numbers = Ports::new(5..=6);
        numbers.leave_out(5);
        numbers.leave_out(4);
        let take = |seed| {
            numbers
                .take(0, Parity::Any, seed)
                .map(|(lease, _)| lease.port())
        };
        assert_eq!((take(0), take(1)), (Some(6), Some(6)));
    }

    #[test]
    fn an_even_port_is_even_and_a_pair_keeps_the_next() {
        let ports = Ports::new(1001..=1006);
        let (pair, next) = ports.take(0, Parity::Pair, 0).unwrap();
        let next = next.unwrap();
        assert_eq!((pair.port(), next.port()), (1002, 1003));
        assert_eq!(
            (ports.shard_of(1002), ports.shard_of(1003)),
            (Some(0), None)
        );
        let next = next.given_to(1);
        assert_eq!(ports.shard_of(1003), Some(1));
        let (even, _) = ports.take(0, Parity::Even, 0).unwrap();
        assert_eq!(even.port(), 1004);
        // 1006 is even and free, but the range ends there.
        assert!(ports.take(0, Parity::Pair, 0).is_none());
        drop((pair, next));
        assert_eq!(ports.take(0, Parity::Pair, 5).unwrap().0.port(), 1002);
    }
}
