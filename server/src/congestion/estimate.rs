//! What an estimator is told of packets, and says of their path.

use std::time::Duration;

/// What is lost where too much is sent beyond doubt.
const STRAINED_LOSS: f32 = 0.03;

/// What a packet is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For what is in it: also when it is sent again.
    Media,
    /// To fill a probe.
    Padding,
}

/// What the path carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// In bits per second, everything that is numbered taken together, without the headers of UDP and IP.
    pub bits_per_second: u64,
    /// What arrived of late, in bits per second.
    pub acknowledged: u64,
    /// The share of packets that was lost of late.
    pub loss: f32,
    /// From a packet to the word of it, queues included.
    pub round_trip: Duration,
}

impl Estimate {
    /// Whether too much is sent beyond doubt: some of it is lost. A receiver that is busy looks like a
    /// queue, too, but loses nothing.
    pub fn is_strained(&self) -> bool {
        self.loss > STRAINED_LOSS
    }
}
