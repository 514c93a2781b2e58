//! One direction of a link as rules: packets and the time go in, packets and the next time come out. It holds them
//! for a while, lets them queue for a rate, and loses some, the same ones every time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::load::{Narrow, Rate, SplitMix};

/// What a link does to packets, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    /// How long each is on its way.
    pub delay: Duration,
    /// And up to so much longer.
    pub jitter: Duration,
    /// The share that is lost, by chance.
    pub loss: f64,
    /// How much passes, with IP's own bytes.
    pub rate: Option<Rate>,
    /// What has more bytes than this is lost, and nobody is told.
    pub mtu: Option<usize>,
}

/// One direction.
#[derive(Debug)]
pub struct Direction {
    shape: Shape,
    random: SplitMix,
    narrow: Option<Narrow>,
    /// By when they arrive, and in the order in which they left.
    flying: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
    lost: u64,
}

impl Direction {
    /// An empty one. The same seed loses the same packets.
    #[must_use]
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            random: SplitMix(seed),
            narrow: shape.rate.map(Narrow::new),
            flying: BTreeMap::new(),
            sent: 0,
            lost: 0,
        }
    }

    /// A packet goes in.
    pub fn send(&mut self, now: Instant, packet: Vec<u8>) {
        self.sent += 1;
        // Each takes as many numbers, whatever becomes of it.
        let (luck, wait) = (self.random.share(), self.random.share());
        let too_long = self.shape.mtu.is_some_and(|mtu| packet.len() > mtu);
        let passes = match &mut self.narrow {
            Some(narrow) => narrow.pass(now, packet.len()),
            None => Some(now),
        };
        match passes {
            Some(passes) if luck >= self.shape.loss && !too_long => {
                let arrives = passes + self.shape.delay + self.shape.jitter.mul_f64(wait);
                self.flying.insert((arrives, self.sent), packet);
            }
            _ => self.lost += 1,
        }
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.flying.keys().next().map(|(at, _)| *at)
    }

    /// A packet that has arrived by now.
    pub fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let first = self.flying.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// How many went in, and how many of those were lost.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.sent, self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives of packets of 1000 bytes, one each millisecond, and how long after it was sent.
    fn over(shape: Shape, packets: u32) -> Vec<(u32, Duration)> {
        let (began, mut link) = (Instant::now(), Direction::new(shape, 7));
        let sent_at = |n: u32| began + Duration::from_millis(n.into());
        for n in 0..packets {
            let mut packet = vec![0; 1000];
            packet[..4].copy_from_slice(&n.to_be_bytes());
            link.send(sent_at(n), packet);
        }
        let mut arrived = Vec::new();
        while let Some(at) = link.next() {
            assert_eq!(link.receive(at - Duration::from_nanos(1)), None);
            let packet = link.receive(at).unwrap();
            let n = u32::from_be_bytes(packet[..4].try_into().unwrap());
            arrived.push((n, at - sent_at(n)));
        }
        assert_eq!(link.counts().0 - link.counts().1, arrived.len() as u64);
        arrived
    }

    #[test]
    fn everything_takes_as_long_as_the_link_is() {
        let delay = Duration::from_millis(150);
        let shape = Shape {
            delay,
            ..Shape::default()
        };
        let expected: Vec<_> = (0..100).map(|n| (n, delay)).collect();
        assert_eq!(over(shape, 100), expected);
    }

    #[test]
    fn chance_loses_its_share_and_the_same_every_time() {
        let shape = Shape {
            loss: 0.2,
            ..Shape::default()
        };
        let arrived = over(shape, 10_000);
        assert!((7_800..8_200).contains(&arrived.len()), "{}", arrived.len());
        assert_eq!(arrived, over(shape, 10_000));
    }

    #[test]
    fn jitter_overtakes() {
        let jitter = Duration::from_millis(10);
        let shape = Shape {
            jitter,
            ..Shape::default()
        };
        let arrived = over(shape, 1000);
        assert!(arrived.iter().all(|(_, took)| *took <= jitter));
        assert!(!arrived.is_sorted_by_key(|(n, _)| *n));
    }

    #[test]
    fn more_than_the_rate_waits_and_more_than_the_queue_is_lost() {
        // 1000 bytes each millisecond are eight times as much as passes.
        let queue = Duration::from_millis(100);
        let rate = Some(Rate {
            bits: 1_000_000,
            queue,
        });
        let shape = Shape {
            rate,
            ..Shape::default()
        };
        let arrived = over(shape, 1000);
        let one = Duration::from_millis(8);
        assert!(
            arrived
                .iter()
                .all(|(_, took)| (one..=queue + one).contains(took))
        );
        // As many as pass in the second, and those that were waiting at its end.
        assert!((125..=140).contains(&arrived.len()), "{}", arrived.len());
    }

    #[test]
    fn what_is_too_long_is_lost() {
        let narrow = |mtu| Shape {
            mtu: Some(mtu),
            ..Shape::default()
        };
        assert_eq!(over(narrow(1000), 10).len(), 10);
        assert_eq!(over(narrow(999), 10).len(), 0);
    }
}
