//! What one datagram or message of a member's can cost: the worst of every kind that somebody who was let in
//! can send, taken in memory, without sockets.
//!
//! ```sh
//! cargo bench -p ferrite-server --bench one_datagram
//! cargo bench -p ferrite-server --bench one_datagram -- SCTP     # only kinds with this in their names
//! ```
//!
//! prints the time that the server takes for it, with all that follows at once: opening, reading, routing,
//! answering. Beside it stands a datagram that asks for nothing. What goes to a whole room is done in turns, between
//! which others have theirs: then it is the time of the longest, and what each who gets it costs is said, too.
//! What takes longer than a datagram may is named at the end.
//!
//! | file | whose datagrams |
//! |---|---|
//! | `call`, `chunks` | of a peer with media and an association |
//! | `crowd` | of a member of a room of 500, for all of them |
//! | `relays` | of a client of the TURN server |
//! | `words` | a session's: its messages, as far as they change a room of 500 |
// Helpers are shared with tests, and a benchmark may panic.
#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    missing_docs
)]

mod call;
mod chunks;
mod crowd;
#[path = "../../tests/virtual_time/harness/mod.rs"]
mod harness;
#[path = "../../tests/hostile_input/targets/input.rs"]
mod input;
mod relays;
#[path = "../../tests/hostile_input/targets/speaker.rs"]
mod speaker;
mod words;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The longest that a datagram may take, and what follows of it before others have their turn.
const BOUND: f64 = 50.0;

/// What one datagram took.
struct Sample {
    /// The longest turn.
    time: Duration,
    /// All of them.
    total: Duration,
    bytes: usize,
    /// Those who were sent something for it.
    receivers: usize,
}

/// What this thread has run for: others on the machine do not count.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

/// Whose name has what was asked for.
struct Table {
    filter: Option<String>,
    above: Vec<String>,
}

impl Table {
    fn wants(&self, name: &str) -> bool {
        (self.filter.as_ref()).is_none_or(|filter| name.contains(filter))
    }

    /// Measures so many of a kind, and prints a line.
    fn row(&mut self, name: &str, samples: usize, mut next: impl FnMut() -> Sample) {
        let mut all: Vec<_> = (0..samples).map(|_| next()).collect();
        all.sort_unstable_by_key(|sample| sample.time);
        let at = |percent: usize| {
            let sample = &all[(samples * percent / 100).min(samples - 1)];
            sample.time.as_secs_f64() * 1e6
        };
        let receivers = all.iter().map(|it| it.receivers).max().unwrap_or_default();
        let each = match receivers {
            0 | 1 => String::new(),
            _ => {
                let mut totals: Vec<_> = all.iter().map(|it| it.total).collect();
                totals.sort_unstable();
                let each = totals[samples / 2].as_secs_f64() * 1e6 / receivers as f64;
                format!("{each:8.2} each of {receivers}")
            }
        };
        let bytes = all.iter().map(|it| it.bytes).max().unwrap_or_default();
        println!("{name:52} {:8.1} {:8.1} {bytes:6} {each}", at(50), at(99));
        if at(50) > BOUND {
            self.above.push(name.to_owned());
        }
    }
}

fn main() {
    let filter = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    let mut table = Table {
        filter,
        above: Vec::new(),
    };
    println!("one datagram or message of a member's, in microseconds");
    println!("{:52} {:>8} {:>8} {:>6}", "", "median", "99 %", "bytes");
    call::measure(&mut table);
    relays::measure(&mut table);
    crowd::measure(&mut table);
    words::measure(&mut table);
    match table.above[..] {
        [] => println!("none above {BOUND} us"),
        _ => println!("above {BOUND} us: {}", table.above.join("; ")),
    }
}
