//! What an echoed packet costs a shard apart from the system calls: members who are each shown what they publish,
//! in turn, all in memory.
//!
//! ```sh
//! cargo bench -p ferrite-server --bench echo
//! cargo bench -p ferrite-server --bench echo -- 200 2     # members, packets at once
//! valgrind --tool=callgrind --toggle-collect='*handle_datagrams*' target/release/deps/echo-… 50 4 1000
//! ```
//!
//! A third number says how many packets are echoed, once: for a profiler, which counts instructions whatever else the
//! machine does. `cold` is as in `forwarding`.
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

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_server::behaviour::Echo;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::shard::core::ShardCore;
use ferrite_server::media::shard::directory::Directory;

use harness::bare::{SERVER, packet};
use harness::offer::{Section, VP8};
use harness::outlet::Sent;
use harness::shards::answered;
use harness::{Bare, FarEnd, address};

/// Members, and packets at once: as in `echo-bench`.
const CASES: [(usize, usize); 3] = [(1, 10), (50, 4), (200, 2)];

/// Packets in a round.
const ROUND: usize = 20_000;
const ROUNDS: usize = 15;
/// What others do between two batches: they go through so many bytes, more than caches hold.
const OTHERS: usize = 1 << 27;
/// Batches in a round that each find the caches so.
const COLD_TURNS: usize = 10;

const STEP: Duration = Duration::from_millis(10);
const PAYLOAD: [u8; 1070] = [0x10; 1070];
const FIRST_PORT: u16 = 20_000;

const CAMERA: Section = Section::Video {
    mid: "0",
    direction: "sendrecv",
    ssrcs: None,
};

fn main() {
    let asked: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    if let [members, at_once, packets] = asked[..] {
        Members::new(members).echo(packets, at_once, &mut []);
        return;
    }
    println!(
        "one echoed packet of 1,100 bytes, without system calls: nanoseconds, medians of {ROUNDS}"
    );
    println!(
        "{:>8} {:>8} {:>8} {:>8}",
        "members", "at once", "echoed", "cold"
    );
    let chosen = match asked[..] {
        [members, at_once] => vec![(members, at_once)],
        _ => CASES.to_vec(),
    };
    let mut others = vec![0; OTHERS];
    for (count, at_once) in chosen {
        let mut members = Members::new(count);
        members.echo(ROUND, at_once, &mut []);
        let (mut times, mut cold) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            times.push(members.echo(ROUND, at_once, &mut []));
            cold.push(members.echo(at_once * COLD_TURNS, at_once, &mut others));
        }
        let (time, cold) = (median(times), median(cold));
        println!("{count:8} {at_once:8} {time:8.0} {cold:8.0}");
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A shard with members who are each sent what they send.
struct Members {
    core: ShardCore,
    out: Sent,
    now: Instant,
    members: Vec<Bare>,
    /// The number and the time of each one's next packet.
    next: Vec<(u16, u32)>,
    turn: usize,
}

impl Members {
    fn new(count: usize) -> Self {
        let (now, directory) = (Instant::now(), Arc::<Directory>::default());
        let mut all = Self {
            core: ShardCore::new(now, 0, 1, directory.clone()),
            out: Sent::default(),
            now,
            members: Vec::new(),
            next: vec![(0, 0); count],
            turn: 0,
        };
        for number in 0..count {
            let mut far = Bare::new(now);
            far.address = SocketAddr::from(([203, 0, 113, 9], FIRST_PORT + number as u16));
            let id = PeerId(number as u64 + 1);
            let (resident, _) = answered(now, id, &mut far, &[CAMERA], Box::new(Echo));
            directory.insert(resident);
            all.members.push(far);
        }
        while all.members.iter().any(|far| far.srtp.is_none()) {
            all.step();
        }
        all
    }

    /// Everybody's datagrams go to the other end, and time goes on.
    fn step(&mut self) {
        self.now += STEP;
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
            let far = &mut self.members[usize::from(path.remote.port() - FIRST_PORT)];
            let datagram = harness::Datagram {
                from: path.local,
                to: path.remote,
                bytes,
            };
            far.receive(now, &datagram);
        }
    }

    /// The next packets of whose turn it is, sealed.
    fn seal(&mut self, packets: usize) -> (FourTuple, Vec<Vec<u8>>) {
        let at = self.turn % self.members.len();
        self.turn += 1;
        let (far, (sequence, timestamp)) = (&mut self.members[at], &mut self.next[at]);
        *timestamp = timestamp.wrapping_add(3000);
        for _ in 0..packets {
            let mut payload = PAYLOAD;
            payload[1] = u8::from(*sequence != 0);
            let ssrc = at as u32 + 1;
            far.send_rtp(&packet(VP8, ssrc, *sequence, *timestamp, "0", &payload));
            *sequence = sequence.wrapping_add(1);
        }
        let from = path(far.address);
        let sealed = std::iter::from_fn(|| far.poll_transmit()).map(|datagram| datagram.bytes);
        (from, sealed.collect())
    }

    /// Nanoseconds for each packet that came back. Between two batches `others` have their turn.
    fn echo(&mut self, packets: usize, at_once: usize, others: &mut [u8]) -> f64 {
        let turns = packets.div_ceil(at_once);
        let (before, mut spent) = (self.out.count, Duration::ZERO);
        for turn in 0..turns {
            // They are still there.
            if turn % 500 == 499 {
                self.step();
            }
            let (from, sealed) = self.seal(at_once);
            self.now += Duration::from_millis(33) / self.members.len() as u32;
            let now = self.now;
            others
                .iter_mut()
                .step_by(64)
                .for_each(|byte| *byte = byte.wrapping_add(1));
            let began = Instant::now();
            let datagrams = sealed.iter().map(|datagram| (from, &datagram[..]));
            self.core.handle_datagrams(now, datagrams, &mut self.out);
            if self.core.poll_timeout() <= now {
                self.core.handle_timeout(now, &mut self.out);
            }
            spent += began.elapsed();
        }
        let left = self.out.count - before;
        // Reports leave, too.
        assert!(
            left >= turns * at_once,
            "{left} of {} came back",
            turns * at_once
        );
        spent.as_secs_f64() * 1e9 / (turns * at_once) as f64
    }
}

fn path(remote: SocketAddr) -> FourTuple {
    FourTuple {
        transport: Transport::Udp,
        local: address(SERVER),
        remote,
    }
}
