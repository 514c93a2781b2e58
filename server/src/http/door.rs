//! Who may stay at HTTP's front door: connections that are no WebSocket yet, or any more.
//!
//! Nobody is turned away. Where there are too many, of one address or of all, one goes that was without
//! a request for the longest: whoever wants something is served, whoever only holds a place loses it.
//! Plain data: time is an argument, and what is closed is for others to close.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// A connection's number.
pub(super) type Number = u64;

/// Connections at a time. A WebSocket counts only until it is one.
pub(crate) const MAX_CONNECTIONS: usize = 1024;

/// Those of one address. Browsers keep six, most of the time without a request.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 64;

/// The connections that are there.
#[derive(Debug)]
pub(super) struct Door<C> {
    /// `None` sets no limit for one address.
    per_address: Option<usize>,
    next: Number,
    guests: HashMap<Number, Guest<C>>,
    counts: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Guest<C> {
    address: IpAddr,
    /// A reverse proxy of ours: its connections are many people's.
    proxy: bool,
    /// When it came, or last asked for something.
    since: Instant,
    connection: C,
}

impl<C> Door<C> {
    pub(super) fn new(per_address: Option<usize>) -> Self {
        Self {
            per_address,
            next: 0,
            guests: HashMap::new(),
            counts: HashMap::new(),
        }
    }

    /// Another one came. Says its number, and which other has to go for it.
    pub(super) fn enter(
        &mut self,
        address: IpAddr,
        proxy: bool,
        connection: C,
        now: Instant,
    ) -> (Number, Option<C>) {
        let number = self.next;
        self.next += 1;
        let guest = Guest {
            address,
            proxy,
            since: now,
            connection,
        };
        self.guests.insert(number, guest);
        *self.counts.entry(address).or_default() += 1;
        let too_many = self.guests.len() > MAX_CONNECTIONS;
        let of_all = || too_many.then(|| self.heaviest()).flatten();
        let gone = self.crowd_of(address, proxy).or_else(of_all);
        (number, gone.and_then(|gone| self.leave(gone)))
    }

    /// It asks for something.
    pub(super) fn touch(&mut self, number: Number, now: Instant) {
        if let Some(guest) = self.guests.get_mut(&number) {
            guest.since = now;
        }
    }

    /// It is gone, or another sort of connection now.
    pub(super) fn leave(&mut self, number: Number) -> Option<C> {
        let guest = self.guests.remove(&number)?;
        if let Some(count) = self.counts.get_mut(&guest.address) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&guest.address);
            }
        }
        Some(guest.connection)
    }

    /// One has to go, as the machine has no more files: the one that nobody would miss.
    pub(super) fn shed(&mut self) -> Option<C> {
        let gone = self.heaviest()?;
        self.leave(gone)
    }

    /// The one to go where an address has too many.
    fn crowd_of(&self, address: IpAddr, proxy: bool) -> Option<Number> {
        let limit = self.per_address.filter(|_| !proxy)?;
        if *self.counts.get(&address)? <= limit {
            return None;
        }
        let own = self
            .guests
            .iter()
            .filter(|(_, guest)| guest.address == address);
        let longest = own.min_by_key(|(number, guest)| (guest.since, **number));
        longest.map(|(number, _)| *number)
    }

    /// The longest idle one of the address that has most; a proxy's only where there are no others.
    fn heaviest(&self) -> Option<Number> {
        let weight = |guest: &Guest<C>| self.counts.get(&guest.address).copied();
        let heaviest = self.guests.iter().max_by_key(|(number, guest)| {
            (
                !guest.proxy,
                weight(guest),
                Reverse((guest.since, **number)),
            )
        });
        heaviest.map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(last: u16) -> IpAddr {
        IpAddr::from([10, 0, (last >> 8) as u8, last as u8])
    }

    struct Rig {
        door: Door<Number>,
        start: Instant,
        came: u64,
    }

    impl Rig {
        fn new(per_address: Option<usize>) -> Self {
            Self {
                door: Door::new(per_address),
                start: Instant::now(),
                came: 0,
            }
        }

        /// One comes each second, and its number is what is handed in for it.
        fn enter(&mut self, from: u16, proxy: bool) -> Option<Number> {
            let now = self.start + Duration::from_secs(self.came);
            let (number, gone) = self.door.enter(address(from), proxy, self.came, now);
            assert_eq!(number, self.came);
            self.came += 1;
            gone
        }

        fn touch(&mut self, number: Number) {
            let now = self.start + Duration::from_secs(self.came);
            self.door.touch(number, now);
        }
    }

    #[test]
    fn an_address_keeps_those_that_asked_last() {
        let mut rig = Rig::new(Some(3));
        for _ in 0..3 {
            assert_eq!(rig.enter(1, false), None);
        }
        rig.touch(0);
        assert_eq!(rig.enter(1, false), Some(1));
        assert_eq!(rig.enter(2, false), None);
        assert_eq!(rig.enter(1, false), Some(2));
        assert_eq!(rig.enter(1, false), Some(0));
    }

    #[test]
    fn when_all_places_are_taken_the_heaviest_address_gives_one_up() {
        let mut rig = Rig::new(None);
        rig.enter(9, false);
        for from in [1, 1, 2, 2, 2] {
            rig.enter(from, false);
        }
        for from in 0..MAX_CONNECTIONS - 6 {
            assert_eq!(rig.enter(100 + from as u16, false), None);
        }
        // The oldest of address 2, which has three. Then 1 and 2 have two each, and 1 was here first.
        assert_eq!(rig.enter(3, false), Some(3));
        assert_eq!(rig.enter(4, false), Some(1));
        assert_eq!(rig.enter(5, false), Some(4));
        // Nobody has more than one: the one idle longest of all.
        assert_eq!(rig.enter(6, false), Some(0));
    }

    #[test]
    fn a_proxy_has_as_many_as_it_likes_and_loses_the_last_ones() {
        let mut rig = Rig::new(Some(2));
        for _ in 0..MAX_CONNECTIONS - 1 {
            assert_eq!(rig.enter(1, true), None);
        }
        let stranger = rig.came;
        assert_eq!(rig.enter(2, false), None);
        assert_eq!(rig.enter(1, true), Some(stranger));
        assert_eq!(rig.enter(1, true), Some(0));
    }

    #[test]
    fn who_left_takes_up_no_place_and_no_memory() {
        let mut rig = Rig::new(Some(1));
        rig.enter(1, false);
        assert_eq!(rig.door.leave(0), Some(0));
        assert_eq!(rig.door.leave(0), None);
        assert_eq!(rig.enter(1, false), None);
        assert_eq!(rig.door.shed(), Some(1));
        assert_eq!(rig.door.shed(), None);
        assert!(rig.door.guests.is_empty() && rig.door.counts.is_empty());
    }
}
