//! What a forwarded packet costs a shard apart from the system calls: one member publishes, many are
//! shown it, all in memory.
//!
//! ```sh
//! cargo bench -p ferrite-server --bench forwarding
//! cargo bench -p ferrite-server --bench forwarding -- 50 5     # subscribers, packets at once
//! ```
//!
//! `cold` is the same where others use the processor's caches between two batches, as a kernel does that
//! sends hundreds of datagrams.
//!
//! Beside each figure stands the raw limit: the same bytes copied and sealed with AES-128-GCM by the
//! cipher itself, once for each subscriber. Medians of several rounds, the two in turn.
// Helpers are shared with tests, and a benchmark may panic.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    missing_docs
)]

#[path = "../tests/virtual_time/harness/mod.rs"]
mod harness;

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::Pressure;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::plan::Revision;
use ferrite_server::media::shard::core::ShardCore;
use ferrite_server::media::shard::directory::Directory;
use ferrite_server::media::{Behaviour, Peer, PeerOutput, Plan, Shown, TrackId};

use harness::bare::{SERVER, packet};
use harness::offer::{Section, VP8};
use harness::outlet::Sent;
use harness::shards::answered;
use harness::{Bare, FarEnd, address};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Subscribers, and packets at once.
const CASES: [(usize, usize); 6] = [(1, 1), (50, 1), (50, 5), (50, 20), (500, 1), (500, 5)];

/// Packets that leave in one round, at least.
const ROUND: usize = 20_000;
const ROUNDS: usize = 15;

/// What others do between two batches: they go through so many bytes, more than caches hold.
const OTHERS: usize = 1 << 27;
/// Batches in a round that each find the caches so.
const COLD_TURNS: usize = 10;

const STEP: Duration = Duration::from_millis(10);
const PAYLOAD: [u8; 1070] = [0x10; 1070];

/// The section that the publisher sends on, and the one that a subscriber is sent something on.
const PUBLISHED: Section = Section::Video {
    mid: "0",
    direction: "sendonly",
    ssrcs: None,
};
const SLOT: Section = Section::Video {
    mid: "0",
    direction: "recvonly",
    ssrcs: None,
};

fn main() {
    let asked: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    println!(
        "one forwarded packet of 1,100 bytes, without system calls: nanoseconds, medians of {ROUNDS}"
    );
    println!(
        "{:>12} {:>8} {:>10} {:>10} {:>6} {:>10}",
        "subscribers", "at once", "forwarded", "copy+seal", "ratio", "cold"
    );
    let chosen = match asked[..] {
        [subscribers, at_once] => vec![(subscribers, at_once)],
        _ => CASES.to_vec(),
    };
    for (subscribers, at_once) in chosen {
        let mut room = Room::new(subscribers);
        let mut raw = Raw::new(subscribers);
        let mut others = vec![0; OTHERS];
        room.forward(ROUND, at_once, &mut []);
        let (mut times, mut limits, mut cold) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            times.push(room.forward(ROUND, at_once, &mut []));
            limits.push(raw.seal(ROUND));
            let packets = (subscribers * at_once * COLD_TURNS).min(ROUND);
            cold.push(room.forward(packets, at_once, &mut others));
        }
        let (time, limit, cold) = (median(times), median(limits), median(cold));
        println!(
            "{subscribers:12} {at_once:8} {time:10.0} {limit:10.0} {:6.2} {cold:10.0}",
            time / limit
        );
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Sits opposite everybody, and does nothing.
struct Silent;

impl Behaviour for Silent {
    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {}
}

/// A shard with a publisher, the first of `members`, and its subscribers.
struct Room {
    core: ShardCore,
    out: Sent,
    now: Instant,
    members: Vec<Bare>,
    sequence: u16,
    timestamp: u32,
}

impl Room {
    fn new(subscribers: usize) -> Self {
        let (now, directory) = (Instant::now(), Arc::<Directory>::default());
        let mut room = Self {
            core: ShardCore::new(now, 0, 1, directory.clone()),
            out: Sent::default(),
            now,
            members: Vec::new(),
            sequence: 0,
            timestamp: 0,
        };
        let track = TrackId::of_publication(1);
        for number in 0..=subscribers {
            let mut far = Bare::new(now);
            far.address = SocketAddr::from(([203, 0, 113, 9], 20_000 + number as u16));
            let (section, publishes, shows) = match number {
                0 => (PUBLISHED, vec![(0, track)], Vec::new()),
                _ => (SLOT, Vec::new(), vec![(0, Shown::at_best(track))]),
            };
            let id = PeerId(number as u64 + 1);
            let (mut resident, _) = answered(now, id, &mut far, &[section], Box::new(Silent));
            resident.set_plan(Revision {
                number: 1,
                plan: Arc::new(Plan::Room {
                    publishes,
                    shows,
                    talk: None,
                    pressure: Pressure::default(),
                }),
            });
            directory.insert(resident);
            room.members.push(far);
        }
        room.connect();
        room
    }

    fn connect(&mut self) {
        while self.members.iter().any(|far| far.srtp.is_none()) {
            self.now += STEP;
            self.step();
        }
        self.publish(1);
        self.out.kept = None;
    }

    /// Everybody's datagrams go to the other end, and time goes on.
    fn step(&mut self) {
        let now = self.now;
        let mut landed = Vec::new();
        for far in &mut self.members {
            if far.poll_timeout().is_some_and(|due| due <= now) {
                far.handle_timeout(now);
            }
            landed.extend(std::iter::from_fn(|| far.poll_transmit()));
        }
        let datagrams = landed
            .iter()
            .map(|datagram| (path(datagram.from), &datagram.bytes[..]));
        self.out.kept = Some(Vec::new());
        self.core.handle_datagrams(now, datagrams, &mut self.out);
        self.core.handle_timeout(now, &mut self.out);
        for (path, bytes) in self.out.kept.take().into_iter().flatten() {
            let far = &mut self.members[usize::from(path.remote.port() - 20_000)];
            let datagram = harness::Datagram {
                from: path.local,
                to: path.remote,
                bytes,
            };
            far.receive(now, &datagram);
        }
    }

    /// The publisher's next packets of one picture, sealed; the first picture is a keyframe.
    fn seal(&mut self, packets: usize) -> Vec<Vec<u8>> {
        self.timestamp = self.timestamp.wrapping_add(3000);
        let far = &mut self.members[0];
        for _ in 0..packets {
            let mut payload = PAYLOAD;
            payload[1] = u8::from(self.sequence != 0);
            let sealed = packet(VP8, 1, self.sequence, self.timestamp, "0", &payload);
            self.sequence = self.sequence.wrapping_add(1);
            far.send_rtp(&sealed);
        }
        let sealed = std::iter::from_fn(|| far.poll_transmit());
        sealed.map(|datagram| datagram.bytes).collect()
    }

    fn publish(&mut self, packets: usize) -> Duration {
        let sealed = self.seal(packets);
        let from = path(self.members[0].address);
        self.now += Duration::from_millis(2);
        let now = self.now;
        let datagrams = sealed.iter().map(|datagram| (from, &datagram[..]));
        let before = Instant::now();
        self.core.handle_datagrams(now, datagrams, &mut self.out);
        if self.core.poll_timeout() <= now {
            self.core.handle_timeout(now, &mut self.out);
        }
        before.elapsed()
    }

    /// Nanoseconds for each packet that left. Between two batches `others` have their turn.
    fn forward(&mut self, packets: usize, at_once: usize, others: &mut [u8]) -> f64 {
        let subscribers = self.members.len() - 1;
        let turns = packets.div_ceil(subscribers * at_once);
        let before = self.out.count;
        let mut spent = Duration::ZERO;
        for turn in 0..turns {
            // They are still there.
            if turn % 500 == 0 {
                self.step();
                self.out.kept = None;
            }
            others
                .iter_mut()
                .step_by(64)
                .for_each(|byte| *byte = byte.wrapping_add(1));
            spent += self.publish(at_once);
        }
        let expected = turns * at_once * subscribers;
        let left = self.out.count - before;
        // Reports leave, too.
        assert!(left >= expected, "{left} of {expected} packets left");
        spent.as_secs_f64() * 1e9 / expected as f64
    }
}

fn path(remote: SocketAddr) -> FourTuple {
    FourTuple {
        transport: Transport::Udp,
        local: address(SERVER),
        remote,
    }
}

/// Keys of so many subscribers, and a buffer to seal in.
struct Raw {
    keys: Vec<LessSafeKey>,
    buffer: Vec<u8>,
}

impl Raw {
    fn new(subscribers: usize) -> Self {
        let key = |_| LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
        Self {
            keys: (0..subscribers).map(key).collect(),
            buffer: Vec::with_capacity(2000),
        }
    }

    fn seal(&mut self, packets: usize) -> f64 {
        let before = Instant::now();
        for (at, key) in (0..packets).zip(self.keys.iter().cycle()) {
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&at.to_be_bytes());
            let buffer = &mut self.buffer;
            buffer.clear();
            buffer.extend_from_slice(&PAYLOAD);
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = key.seal_in_place_separate_tag(nonce, Aad::from([1; 20]), buffer);
            buffer.extend_from_slice(tag.unwrap().as_ref());
            black_box(&buffer);
        }
        before.elapsed().as_secs_f64() * 1e9 / packets as f64
    }
}
