//! The packets of one track that may be asked for again, as they came: kept once, however many may ask.
//! Knows nothing of who asks, nor under which numbers it was sent to them.

use std::time::{Duration, Instant};

use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::ring::SequenceRing;

/// Packets of a layer kept, at most.
pub const MAX_CACHED: u16 = 512;
/// How long any is kept, at most.
pub const MAX_SPAN: Duration = Duration::from_millis(1000);

/// The packets.
#[derive(Debug, Default)]
pub struct Cache {
    /// By layer: the source of its packets, and those by the source's sequence numbers.
    layers: Vec<(u32, SequenceRing<MediaPacket>)>,
}

impl Cache {
    /// Keeps a packet, and lets go of those of its layer that are older than `span`.
    pub fn insert(&mut self, now: Instant, span: Duration, media: MediaPacket) {
        let (layer, ssrc) = (usize::from(media.layer), media.header.ssrc);
        while self.layers.len() <= layer {
            self.layers.push((ssrc, SequenceRing::new(MAX_CACHED)));
        }
        let (source, packets) = &mut self.layers[layer];
        if *source != ssrc {
            // Another source begins with a keyframe: nothing before it is missed.
            *source = ssrc;
            packets.clear();
        }
        let is_stale = |kept: &MediaPacket| now.saturating_duration_since(kept.arrived) > span;
        packets.drop_while(is_stale);
        packets.insert(media.header.sequence, media);
    }

    /// The packet that a source gave this number.
    pub fn get(&self, ssrc: u32, sequence: u16) -> Option<&MediaPacket> {
        let mut layers = self.layers.iter();
        let (_, packets) = layers.find(|(source, _)| *source == ssrc)?;
        packets.get(sequence)
    }

    /// What came of a source that it numbered after this, in its order.
    pub fn after(&self, ssrc: u32, sequence: u16) -> impl Iterator<Item = &MediaPacket> {
        let mut layers = self.layers.iter();
        let layer = layers.find(|(source, _)| *source == ssrc);
        layer
            .into_iter()
            .flat_map(move |(_, packets)| packets.after(sequence))
    }

    /// Lets go of what is too old for anybody: of a track that is paused no other packet does.
    pub fn sweep(&mut self, now: Instant) {
        for (_, packets) in &mut self.layers {
            packets.drop_while(|kept| now.saturating_duration_since(kept.arrived) > MAX_SPAN);
        }
    }

    /// Keeps nothing of what came until now.
    pub fn clear(&mut self) {
        self.layers = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::forward::tests::packet;

    #[test]
    fn packets_are_kept_for_a_span_and_by_source() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        let span = Duration::from_millis(100);
        for n in 0..10_u16 {
            let at = start + span / 5 * n.into();
            cache.insert(at, span, packet(at, 7, 0, 65_530_u16.wrapping_add(n)));
            cache.insert(at, span, packet(at, 8, 1, n));
        }
        let kept = |ssrc, numbers: std::ops::Range<u16>| {
            let numbers = numbers.map(|n| {
                if ssrc == 7 {
                    65_530_u16.wrapping_add(n)
                } else {
                    n
                }
            });
            numbers.filter(|n| cache.get(ssrc, *n).is_some()).count()
        };
        assert_eq!((kept(7, 0..4), kept(7, 4..10)), (0, 6));
        assert_eq!((kept(8, 0..4), kept(8, 4..10)), (0, 6));
        assert!(cache.get(9, 5).is_none());
        let now = start + span * 2;
        cache.insert(now, span, packet(now, 9, 0, 3));
        assert!(cache.get(9, 3).is_some() && cache.get(7, 2).is_none());
        cache.sweep(now + MAX_SPAN);
        assert!(cache.get(9, 3).is_some());
        cache.sweep(now + MAX_SPAN + span);
        assert!(cache.get(9, 3).is_none(), "kept of a paused track");
    }
}
