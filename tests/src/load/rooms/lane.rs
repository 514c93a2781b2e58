//! A participant's link, where it is not to be perfect: delay, loss and rate, each way. Pure: time
//! and datagrams in, datagrams out. What it loses depends on its seed alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::load::{Narrow, Rate, SplitMix};

/// How much waits before a link that is full. The rest is lost.
const LONGEST_QUEUE: Duration = Duration::from_millis(200);

/// Datagrams under way at most.
const MOST: usize = 4096;

/// What links are like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkOptions {
    /// One way.
    pub delay: Duration,
    /// The share of media and its reports that is lost, each way.
    pub loss: f64,
    /// Bits per second to the participant; 0 is no limit.
    pub rate: u64,
}

impl LinkOptions {
    /// Whether nothing happens on it.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        self.delay.is_zero() && self.loss == 0.0 && self.rate == 0
    }
}

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Lane {
    options: LinkOptions,
    random: SplitMix,
    narrow: Option<Narrow>,
    under_way: VecDeque<(Instant, u64, Vec<u8>)>,
    /// Datagrams that got lost.
    pub(super) lost: u64,
}

impl Lane {
    pub(super) fn new(options: LinkOptions, seed: u64) -> Self {
        let rate = Rate {
            bits: options.rate,
            queue: LONGEST_QUEUE,
        };
        Self {
            options,
            random: SplitMix(seed),
            narrow: (options.rate > 0).then(|| Narrow::new(rate)),
            under_way: VecDeque::new(),
            lost: 0,
        }
    }

    /// Whether it carries no more than so much.
    pub(super) fn is_narrow(&self) -> bool {
        self.narrow.is_some()
    }

    /// Takes a datagram, with a note of when the kernel had it. Returns whether it is under way.
    pub(super) fn take(&mut self, now: Instant, noted: u64, datagram: &[u8]) -> bool {
        let through = match &mut self.narrow {
            Some(narrow) => narrow.pass(now, datagram.len()),
            None => Some(now),
        };
        let draw = self.random.share() < self.options.loss;
        let lost = draw && may_be_lost(datagram) || self.under_way.len() >= MOST;
        let through = through.filter(|_| !lost);
        let Some(through) = through else {
            self.lost += 1;
            return false;
        };
        let waited = (through - now) + self.options.delay;
        let noted = noted + waited.as_nanos() as u64;
        self.under_way
            .push_back((now + waited, noted, datagram.to_vec()));
        true
    }

    /// What has arrived at the other end.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<(u64, Vec<u8>)> {
        let (at, ..) = self.under_way.front()?;
        if *at > now {
            return None;
        }
        let (_, noted, datagram) = self.under_way.pop_front()?;
        Some((noted, datagram))
    }
}

/// Media and its reports may (RFC 7983). What it takes to get in may not: the DTLS client here does not
/// get over the loss of its last flight.
fn may_be_lost(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_by_what_it_is_told_and_what_the_rate_takes() {
        let options = LinkOptions {
            delay: Duration::from_millis(20),
            loss: 0.0,
            rate: 80_000,
        };
        let (mut lane, now) = (Lane::new(options, 1), Instant::now());
        assert!(lane.take(now, 0, &[0; 100]) && lane.take(now, 0, &[1; 100]));
        let ms = |ms| now + Duration::from_millis(ms);
        assert_eq!(lane.arrived(ms(29)), None);
        assert_eq!(lane.arrived(ms(30)), Some((30_000_000, vec![0; 100])));
        assert_eq!(lane.arrived(ms(39)), None);
        assert!(lane.arrived(ms(40)).is_some());
        let sent = (0..100).filter(|_| lane.take(ms(40), 0, &[0; 100])).count();
        assert!(
            (20..=22).contains(&sent),
            "{sent}: a fifth of a second fits"
        );
        assert_eq!(lane.lost, 100 - sent as u64);
    }

    #[test]
    fn loses_its_share() {
        let options = LinkOptions {
            loss: 0.1,
            ..LinkOptions::default()
        };
        let (mut lane, now) = (Lane::new(options, 1), Instant::now());
        let through = (0..1000).filter(|_| lane.take(now, 0, &[128])).count();
        assert!((870..930).contains(&through), "{through}");
        assert!((0..100).all(|_| lane.take(now, 0, &[22])));
    }
}
