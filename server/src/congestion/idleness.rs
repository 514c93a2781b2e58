//! Whether less is sent than could be: then what arrives says nothing of how much there is. A budget that
//! a share of the estimate fills and what is sent empties, as libwebrtc's detector has it.

use std::time::Instant;

/// What of the estimate has to be sent for it to be used.
const USED: f64 = 0.65;
/// The budget holds so many seconds' worth.
const SPAN: f64 = 0.5;
/// It is idle from this fill on, and no more below the other.
const IDLE_ABOVE: f64 = 0.8;
const USED_BELOW: f64 = 0.5;

/// The budget, in bits.
#[derive(Debug)]
pub(super) struct Idleness {
    looked: Instant,
    sent: u64,
    level: f64,
    is_idle: bool,
}

impl Idleness {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked: now,
            sent: 0,
            level: 0.0,
            is_idle: false,
        }
    }

    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Whether less is sent than this rate, in bits per second.
    pub(super) fn look(&mut self, now: Instant, bits: f64) -> bool {
        let elapsed = now.saturating_duration_since(self.looked).as_secs_f64();
        let most = USED * bits * SPAN;
        let sent = 8.0 * std::mem::take(&mut self.sent) as f64;
        self.level = (self.level + USED * bits * elapsed - sent).clamp(-most, most);
        self.looked = now;
        let limit = match self.is_idle {
            true => USED_BELOW,
            false => IDLE_ABOVE,
        };
        self.is_idle = self.level > limit * most;
        self.is_idle
    }
}
