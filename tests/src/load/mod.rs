//! Light peers, hundreds of which fit into one thread: what loads a server for the benchmark and for
//! the endurance runs. They are str0m's, so that another implementation drives ours.
//!
//! | file | what it is |
//! |---|---|
//! | `link` | a way to the server, UDP or TCP, and what gets lost on it |
//! | `line` | a WebSocket to the server |
//! | `peer` | one end of a peer connection, on a link |
//! | `caller` | a peer and its line: a client |
//! | `client` | a client that finds back by itself |
//! | `crowd` | many callers in one loop |
//! | `badge`, `stun` | what it takes to be let in without a library's peer |
//! | `rooms` | thousands of participants, lighter still, who check what they get |
//! | `member` | one who was let in, with its own hand on every byte |
//! | `token` | what opens rooms |
//! | `raw` | the raw limit of the machine |
//! | `meter` | what the kernel says of the server's process |

mod badge;
mod caller;
mod client;
mod crowd;
mod line;
mod link;
pub mod member;
mod meter;
mod narrow;
mod peer;
mod raw;
pub mod rooms;
mod stun;
pub mod token;

use std::time::Duration;

use anyhow::{Context, Result};
use str0m::config::DtlsCert;

pub use badge::Badge;
pub use caller::Caller;
pub use client::Client;
pub use crowd::Crowd;
pub use line::{Heard, Line};
pub use link::{Link, Silence, SplitMix};
pub use meter::{Meter, own_cpu, thread_cpu};
pub use narrow::{Narrow, Rate};
pub use peer::{Counts, PACKET, Peer};
pub use raw::{Limits, Raw};

/// What some peers send.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Packets that leave back to back: a frame, or what a browser's pacer lets out at once.
    pub burst: u32,
    /// The time between two bursts of one peer.
    pub interval: Duration,
}

/// A certificate, which many peers may share: making one takes longer than a handshake.
pub fn certificate() -> Result<DtlsCert> {
    let provider = str0m::crypto::from_feature_flags();
    let certificate = provider.dtls_provider.generate_certificate();
    certificate.context("no certificate")
}

/// The time within which this share of them lies, by the nearest rank; no time of none.
#[must_use]
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}
