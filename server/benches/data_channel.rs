//! What a data channel carries: two associations in memory, without DTLS, the network between them a queue.
//!
//! ```sh
//! cargo bench -p ferrite-server --bench data_channel
//! ```
//!
//! prints how much goes through one core that does the work of both ends; how much through a link of 100 ms, there
//! and back, on which time is virtual; what an association that does nothing holds; and allocations for each message.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrite_server::media::MAX_MESSAGE_SIZE;
use ferrite_server::media::data::{
    ChannelId, ChannelOptions, DEFAULT_PORT, MessageKind, Sctp, SctpConfig, SctpEvent,
};

/// Bytes waiting at the sender.
const AHEAD: usize = 4 << 20;

/// Bytes sent for each figure of one core, and messages for each of allocations.
const ENOUGH: usize = 200 << 20;
const MESSAGES: u64 = 10_000;

/// How long a link is watched, after a time to begin with.
const WATCHED: Duration = Duration::from_secs(10);
const BEGIN: Duration = Duration::from_secs(5);

const STEP: Duration = Duration::from_millis(1);

/// Two ends, and what is on its way from each.
struct Pair {
    now: Instant,
    delay: Duration,
    ends: [Sctp; 2],
    under_way: [VecDeque<(Instant, Bytes)>; 2],
    channel: Option<ChannelId>,
    /// Messages and bytes that came.
    came: (u64, usize),
}

impl Pair {
    fn new(delay: Duration) -> Self {
        let now = Instant::now();
        let end = |dtls_client| {
            let config = SctpConfig {
                local_port: DEFAULT_PORT,
                remote_port: DEFAULT_PORT,
                max_message_size: MAX_MESSAGE_SIZE,
                remote_max_message_size: MAX_MESSAGE_SIZE,
                dtls_client,
            };
            Sctp::new(now, config)
        };
        let mut pair = Self {
            now,
            delay,
            ends: [end(true), end(false)],
            under_way: Default::default(),
            channel: None,
            came: (0, 0),
        };
        while pair.channel.is_none() {
            pair.step();
        }
        (0..1000).for_each(|_| pair.step());
        pair
    }

    /// Lets what is due happen, and time pass where nothing is.
    fn step(&mut self) {
        let before = self.came.0;
        for at in 0..2 {
            let now = self.now;
            while let Some((_, packet)) = self.under_way[at].pop_front_if(|(due, _)| *due <= now) {
                self.ends[1 - at].handle_packet(now, packet);
            }
        }
        let mut sent = 0;
        for at in 0..2 {
            let (now, end) = (self.now, &mut self.ends[at]);
            if end.poll_timeout().is_some_and(|due| due <= now) {
                end.handle_timeout(now);
            }
            while let Some(event) = end.poll_event() {
                match event {
                    SctpEvent::Connected if at == 0 => {
                        let options = ChannelOptions::default();
                        self.channel = Some(end.open_channel(now, options).unwrap());
                    }
                    SctpEvent::Message { data, .. } => {
                        self.came = (self.came.0 + 1, self.came.1 + data.len());
                    }
                    _ => {}
                }
            }
            while let Some(packet) = end.poll_transmit(now) {
                self.under_way[at].push_back((now + self.delay, packet));
                sent += 1;
            }
        }
        if self.delay.is_zero() && (sent > 0 || self.came.0 > before) {
            return;
        }
        self.now += STEP;
    }

    /// Whether there was room for it.
    fn send(&mut self, message: &Bytes) -> bool {
        let channel = self.channel.unwrap();
        let kind = MessageKind::Binary;
        let sent = self.ends[0].send(self.now, channel, kind, message.clone());
        sent.is_ok()
    }

    fn fill(&mut self, message: &Bytes) {
        while self.ends[0].buffered() < AHEAD && self.send(message) {}
    }
}

fn megabits(bytes: usize, time: Duration) -> f64 {
    bytes as f64 * 8.0 / time.as_secs_f64() / 1e6
}

fn main() {
    println!("one core, both ends on it");
    for size in [64, 1000, 64 << 10] {
        let (mut pair, message) = (Pair::new(Duration::ZERO), Bytes::from(vec![7; size]));
        let enough = ENOUGH.min(size * 400_000);
        let began = Instant::now();
        while pair.came.1 < enough {
            pair.fill(&message);
            pair.step();
        }
        let (time, count) = (began.elapsed(), pair.came.0);
        println!(
            "  messages of {size:6} bytes  {:7.0} Mbit/s  {:7.2} us each",
            megabits(pair.came.1, time),
            time.as_secs_f64() * 1e6 / count as f64
        );
    }
    println!("a link of 100 ms, there and back, in virtual time");
    for size in [1000, 64 << 10] {
        let mut pair = Pair::new(Duration::from_millis(50));
        let message = Bytes::from(vec![7; size]);
        let (mut began, mut before) = (pair.now, None);
        while pair.now < began + WATCHED {
            pair.fill(&message);
            pair.step();
            if before.is_none() && pair.now >= began + BEGIN {
                (began, before) = (pair.now, Some(pair.came.1));
            }
        }
        let came = pair.came.1 - before.unwrap_or_default();
        println!(
            "  messages of {size:6} bytes  {:7.0} Mbit/s",
            megabits(came, WATCHED)
        );
    }
    let mut pairs = Vec::with_capacity(100);
    let held = allocation_counter::measure(|| {
        pairs.extend((0..100).map(|_| Pair::new(Duration::ZERO)));
    });
    println!(
        "an association with one channel that does nothing: {:.1} kB",
        held.bytes_current as f64 / 200.0 / 1000.0
    );
    for size in [64, 1000] {
        let (mut pair, message) = (Pair::new(Duration::ZERO), Bytes::from(vec![7; size]));
        let worked = allocation_counter::measure(|| {
            for _ in 0..MESSAGES {
                assert!(pair.send(&message));
                let before = pair.came.0;
                while pair.came.0 == before {
                    pair.step();
                }
            }
        });
        println!(
            "a message of {size} bytes, one after the other: {:.1} allocations at both ends",
            worked.count_total as f64 / MESSAGES as f64
        );
    }
}
