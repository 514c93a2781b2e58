//! A pair of ends, the link between them, and the clock: everything a test needs, and no wall clock.

use crate::media::data::packet::{self, HEADER_LENGTH};
use crate::media::data::{ChannelId, ChannelOptions, MessageKind, Sctp, SctpConfig, SctpEvent};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the link does to packets, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) loss: u32,
    pub(super) duplication: u32,
    pub(super) delay: u64,
    pub(super) jitter: u64,
}

/// Nothing goes wrong.
pub(super) const PERFECT: Conditions = Conditions {
    loss: 0,
    duplication: 0,
    delay: 10,
    jitter: 0,
};

/// A tenth is lost, some come twice, and most overtake others.
pub(super) const ROUGH: Conditions = Conditions {
    loss: 10,
    duplication: 5,
    delay: 10,
    jitter: 30,
};

/// What an end does with its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Keeps them.
    Collect,
    /// Keeps them, and reads even while much is unacknowledged.
    Gulp,
    /// Keeps them, and sends messages back.
    Echo,
    /// Does not ask for them.
    Ignore,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) sctp: Sctp,
    pub(super) behaviour: Behaviour,
    pub(super) events: Vec<SctpEvent>,
    /// Packets sent, lost ones too.
    pub(super) sent: Vec<Bytes>,
    /// The most that was ever buffered.
    pub(super) peak: usize,
    /// Echoes that were refused.
    pub(super) refused: usize,
}

pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    pub(super) conditions: Conditions,
    rng: StdRng,
    /// By time of arrival and then order of sending: to which end, and what.
    flying: BTreeMap<(Instant, u64), (usize, Bytes)>,
    count: u64,
    /// Keep what is sent.
    pub(super) record: bool,
    /// What the narrowest hop passes in a second, and the bytes that may wait before it.
    pub(super) bottleneck: Option<(u32, u32)>,
    busy_until: [Instant; 2],
    /// Packets that found no room before the bottleneck.
    pub(super) dropped: usize,
    /// How many packets in a hundred are changed on the way, with a checksum that is right again.
    pub(super) mutation: u32,
}

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

pub(super) fn config(dtls_client: bool) -> SctpConfig {
    SctpConfig {
        local_port: 5000,
        remote_port: 5000,
        max_message_size: 256 * 1024,
        remote_max_message_size: 256 * 1024,
        dtls_client,
    }
}

impl End {
    fn new(now: Instant, config: SctpConfig) -> End {
        End {
            sctp: Sctp::new(now, config),
            behaviour: Behaviour::Collect,
            events: Vec::new(),
            sent: Vec::new(),
            peak: 0,
            refused: 0,
        }
    }

    fn take_events(&mut self, now: Instant) {
        if self.behaviour == Behaviour::Ignore {
            return;
        }
        let first = self.events.len();
        loop {
            while let Some(event) = self.sctp.poll_event() {
                self.events.push(event);
            }
            if self.behaviour != Behaviour::Gulp || !self.sctp.read_message() {
                break;
            }
        }
        if self.behaviour == Behaviour::Echo {
            self.echo(now, first);
        }
        self.peak = self.peak.max(self.sctp.buffered());
    }

    // After all are read, as whoever keeps them in a queue would.
    fn echo(&mut self, now: Instant, first: usize) {
        for event in &self.events[first..] {
            if let SctpEvent::Message {
                channel,
                kind,
                data,
            } = event
            {
                let sent = self.sctp.send(now, *channel, *kind, data.clone());
                self.refused += usize::from(sent.is_err());
            }
        }
    }

    pub(super) fn messages(&self) -> Vec<(ChannelId, MessageKind, Bytes)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                SctpEvent::Message {
                    channel,
                    kind,
                    data,
                } => Some((*channel, *kind, data.clone())),
                _ => None,
            })
            .collect()
    }

    pub(super) fn has(&self, wanted: &SctpEvent) -> bool {
        self.events.contains(wanted)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.has(&SctpEvent::Connected)
    }

    pub(super) fn opened(&self) -> Vec<(ChannelId, ChannelOptions)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                SctpEvent::ChannelOpened { channel, options } => Some((*channel, options.clone())),
                _ => None,
            })
            .collect()
    }

    pub(super) fn closed(&self) -> Vec<ChannelId> {
        self.events
            .iter()
            .filter_map(|event| match event {
                SctpEvent::ChannelClosed { channel } => Some(*channel),
                _ => None,
            })
            .collect()
    }

    pub(super) fn end(&self) -> Option<String> {
        self.events.iter().find_map(|event| match event {
            SctpEvent::Closed { reason } => Some(reason.clone()),
            _ => None,
        })
    }
}

impl Pair {
    /// Two ends that have not exchanged a packet; A is the DTLS client, so it initiates.
    pub(super) fn new(seed: u64, conditions: Conditions) -> Pair {
        Pair::with(seed, conditions, [config(true), config(false)])
    }

    pub(super) fn with(seed: u64, conditions: Conditions, configs: [SctpConfig; 2]) -> Pair {
        let now = Instant::now();
        Pair {
            now,
            ends: configs.map(|config| End::new(now, config)),
            conditions,
            rng: StdRng::seed_from_u64(seed),
            flying: BTreeMap::new(),
            count: 0,
            record: false,
            bottleneck: None,
            busy_until: [now; 2],
            dropped: 0,
            mutation: 0,
        }
    }

    /// Two ends that are connected.
    pub(super) fn connected(seed: u64, conditions: Conditions) -> Pair {
        let mut pair = Pair::new(seed, conditions);
        pair.run_until("both are connected", |pair| {
            pair.ends.iter().all(End::is_connected)
        });
        pair
    }

    pub(super) fn open(&mut self, end: usize, options: ChannelOptions) -> ChannelId {
        self.ends[end]
            .sctp
            .open_channel(self.now, options)
            .expect("the association is connected")
    }

    pub(super) fn send(&mut self, end: usize, channel: ChannelId, data: &Bytes) {
        self.ends[end]
            .sctp
            .send(self.now, channel, MessageKind::Binary, data.clone())
            .expect("there is room");
    }

    /// Lets time pass until `done`, an hour at most.
    pub(super) fn run_until(&mut self, what: &str, mut done: impl FnMut(&Pair) -> bool) {
        let limit = self.now + Duration::from_secs(3600);
        self.settle();
        while !done(self) {
            assert!(
                self.step(limit),
                "nothing more happens, or an hour passed, before {what}: {:?}",
                self.ends.each_ref().map(|end| (&end.sctp, end.end()))
            );
        }
    }

    /// Lets `duration` pass.
    pub(super) fn run_for(&mut self, duration: Duration) {
        let limit = self.now + duration;
        self.settle();
        while self.step(limit) {}
        self.now = limit;
    }

    /// Lets time pass until nothing more is to happen, an hour at most.
    pub(super) fn run_out(&mut self) {
        self.run_for(Duration::from_secs(3600));
    }

    /// Goes to the next arrival or timeout, unless that is after `limit`.
    fn step(&mut self, limit: Instant) -> bool {
        let arrival = self.flying.keys().next().map(|(at, _)| *at);
        let timeouts = self.ends.iter().filter_map(|end| end.sctp.poll_timeout());
        let Some(next) = arrival.into_iter().chain(timeouts).min() else {
            return false;
        };
        if next > limit {
            return false;
        }
        self.now = self.now.max(next);
        for end in &mut self.ends {
            if end.sctp.poll_timeout().is_some_and(|at| at <= self.now) {
                end.sctp.handle_timeout(self.now);
            }
        }
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= self.now
        {
            let (to, packet) = entry.remove();
            self.ends[to].sctp.handle_packet(self.now, packet);
        }
        self.settle();
        true
    }

    /// Takes what both ends have to say now.
    pub(super) fn settle(&mut self) {
        for from in [A, B] {
            self.ends[from].take_events(self.now);
            while let Some(packet) = self.ends[from].sctp.poll_transmit(self.now) {
                if self.record {
                    self.ends[from].sent.push(packet.clone());
                }
                self.launch(1 - from, packet);
            }
            self.ends[from].take_events(self.now);
        }
    }

    fn launch(&mut self, to: usize, packet: Bytes) {
        assert!(
            packet.len() <= crate::media::data::MAX_PACKET_SIZE,
            "{} bytes",
            packet.len()
        );
        let Conditions {
            loss,
            duplication,
            delay,
            jitter,
        } = self.conditions;
        if self.rng.random_range(0..100) < loss {
            return;
        }
        let Some(wait) = self.wait(to, packet.len()) else {
            self.dropped += 1;
            return;
        };
        let copies = 1 + u32::from(self.rng.random_range(0..100) < duplication);
        for _ in 0..copies {
            let packet = match self.rng.random_range(0..100) < self.mutation {
                true => mutated(&mut self.rng, &packet),
                false => packet.clone(),
            };
            let delay = delay + self.rng.random_range(0..=jitter);
            let at = self.now + wait + Duration::from_millis(delay);
            self.count += 1;
            self.flying.insert((at, self.count), (to, packet));
        }
    }
}

impl Pair {
    /// How long a packet takes to pass the bottleneck, if there is room before it.
    fn wait(&mut self, to: usize, length: usize) -> Option<Duration> {
        let Some((rate, room)) = self.bottleneck else {
            return Some(Duration::ZERO);
        };
        let busy = self.busy_until[to].saturating_duration_since(self.now);
        if busy.as_secs_f64() * f64::from(rate) + length as f64 > f64::from(room) {
            return None;
        }
        let wait = busy + Duration::from_secs_f64(length as f64 / f64::from(rate));
        self.busy_until[to] = self.now + wait;
        Some(wait)
    }
}

/// A packet with some of its bytes changed, or a length, or its end missing, or chunks repeated; the header stays, so
/// that the packet gets as far as it can.
pub(super) fn mutated(rng: &mut StdRng, packet: &Bytes) -> Bytes {
    let mut bytes = packet.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let body = HEADER_LENGTH..bytes.len();
        if body.is_empty() {
            break;
        }
        let at = rng.random_range(body.clone());
        match rng.random_range(0..6) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            // The type, the flags or the length of the first chunk.
            2 => bytes[(body.start + rng.random_range(0..4)).min(body.end - 1)] = rng.random(),
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(at..),
            _ => {
                let end = (at + 4).min(bytes.len());
                bytes[at..end].fill([0, 0xff][rng.random_range(0..2)]);
            }
        }
    }
    resealed(bytes)
}

/// The packet with a checksum that is right.
pub(super) fn resealed(bytes: Vec<u8>) -> Bytes {
    let Some(header) = packet::header(&bytes) else {
        return bytes.into();
    };
    packet::with_ports(&bytes, header.source_port, header.destination_port)
}
