//! How much each simulcast layer of a track takes: measured once, where the track is, for everybody who
//! is shown it.

use std::time::{Duration, Instant};

use crate::media::rtp::packet::MediaPacket;

/// Layers told apart; what is below them counts with the last.
const LAYERS: usize = 4;
/// How long is measured at a time.
const WINDOW: Duration = Duration::from_millis(500);
/// After so long without a packet nothing is known any more.
const SILENCE: Duration = Duration::from_secs(3);

/// Rates by layer, in bits per second.
#[derive(Debug, Default)]
pub struct LayerRates {
    since: Option<Instant>,
    bytes: [u32; LAYERS],
    bits: [u32; LAYERS],
    is_known: bool,
}

impl LayerRates {
    /// Counts packets.
    pub(super) fn count(&mut self, now: Instant, packets: &[MediaPacket]) {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= WINDOW {
            self.measure(elapsed);
            self.since = Some(now);
        }
        for media in packets {
            let layer = usize::from(media.layer).min(LAYERS - 1);
            self.bytes[layer] = self.bytes[layer].saturating_add(media.packet.len() as u32);
        }
    }

    /// Once a second: of what came to an end nothing is known any more.
    pub(super) fn sweep(&mut self, now: Instant) {
        let is_over = |since| now.saturating_duration_since(since) > SILENCE;
        self.is_known &= !self.since.is_some_and(is_over);
    }

    fn measure(&mut self, elapsed: Duration) {
        if elapsed > SILENCE {
            (self.bytes, self.is_known) = ([0; LAYERS], false);
            return;
        }
        for (bits, bytes) in self.bits.iter_mut().zip(std::mem::take(&mut self.bytes)) {
            let fresh = (f64::from(bytes) * 8.0 / elapsed.as_secs_f64()) as u32;
            // A keyframe is a lot in a window; a layer that begins or ends is not half there.
            let is_steady = self.is_known && *bits > 0 && fresh > 0;
            *bits = match is_steady {
                true => *bits / 2 + fresh / 2,
                false => fresh,
            };
        }
        self.is_known = true;
    }

    /// How much each of so many layers takes, best first; the last of those told apart stands for what is below it.
    pub fn of(&self, layers: usize) -> Vec<u32> {
        let bits = self.bits.iter().take(layers);
        bits.map(|bits| if self.is_known { *bits } else { 0 })
            .collect()
    }

    /// The layers that are sent, best first, and how much each takes.
    pub fn layers(&self) -> impl Iterator<Item = (u8, u64)> {
        let layers = self.bits.iter().enumerate().filter(|_| self.is_known);
        let layers = layers.map(|(layer, bits)| (layer as u8, u64::from(*bits)));
        layers.filter(|(_, bits)| *bits > 0)
    }
}
