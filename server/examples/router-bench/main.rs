//! The router benchmark: what it costs to forward one track to 1, 50 and 500 sinks, without sockets.
//!
//! ```sh
//! cargo run --release -p ferrite-server --example router-bench
//! ```
//!
//! For each number of sinks it prints nanoseconds and allocations for each packet that a sink is sent:
//! routed, rewritten and sealed where the kernel would take it; and beside it, measured in the
//! same run, what it costs to seal such a packet alone.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

mod fanout;

use std::time::Instant;

use fanout::{Fanout, PACKET, Seal};

/// How many packets a sink gets in one batch: a frame of a video at 2.5 Mbit/s.
const BATCH: u16 = 10;

/// Packets sent for each figure, over all sinks.
const PACKETS: usize = 1_000_000;

fn main() {
    println!("one track of {PACKET}-byte packets, in batches of {BATCH}");
    println!("  sinks  ns/packet  allocations/packet  seal alone, ns   x seal");
    for sinks in [1, 50, 500] {
        let mut fanout = Fanout::new(sinks);
        let mut seal = Seal::new();
        let rounds = PACKETS / sinks / usize::from(BATCH);
        let (mut forwarding, mut sealing, mut allocations) = (0, 0, 0);
        fanout.round(BATCH);
        for _ in 0..rounds {
            let begin = Instant::now();
            let counted = allocation_counter::measure(|| {
                fanout.round(BATCH);
            });
            forwarding += begin.elapsed().as_nanos();
            allocations += counted.count_total;
            let begin = Instant::now();
            (0..sinks * usize::from(BATCH)).for_each(|_| seal.one());
            sealing += begin.elapsed().as_nanos();
        }
        let packets = (rounds * sinks * usize::from(BATCH)) as f64;
        let (forwarding, sealing) = (forwarding as f64 / packets, sealing as f64 / packets);
        println!(
            "  {sinks:5}  {forwarding:9.0}  {:18.3}  {sealing:14.0}  {:7.2}",
            allocations as f64 / packets,
            forwarding / sealing
        );
    }
}
