//! A short form of the router benchmark (`server/examples/router-bench`), for what does not depend on the
//! machine: a packet that is forwarded to many allocates nothing for any of them.
#![allow(unreachable_pub, clippy::unwrap_used)]

#[path = "../examples/router-bench/fanout.rs"]
mod fanout;

use fanout::{Fanout, Seal};

/// Allocations in some rounds of ten packets, and the packets written.
fn measure(sinks: usize) -> (u64, usize) {
    let mut fanout = Fanout::new(sinks);
    // Until tables and buffers have their size.
    let mut written = 0;
    (0..20).for_each(|_| written += fanout.round(10));
    written = 0;
    let counted = allocation_counter::measure(|| {
        (0..20).for_each(|_| written += fanout.round(10));
    });
    (counted.count_total, written)
}

#[test]
fn a_sink_more_allocates_nothing_more() {
    let (few, written) = measure(1);
    assert_eq!(written, 200);
    assert!(few <= 2 * 200, "{few} allocations to take 200 packets");
    let (many, written) = measure(50);
    assert_eq!(written, 200 * 50);
    assert!(
        many <= few + 200,
        "{many} allocations for 50 sinks, {few} for one"
    );
}

#[test]
fn what_it_is_compared_with_works() {
    let mut seal = Seal::new();
    (0..10).for_each(|_| seal.one());
}
