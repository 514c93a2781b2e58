//! How much each simulcast layer of a track takes, and each temporal layer of it: measured once, where the track is, for
//! everybody who is shown it. So are the spatial layers of one stream: each takes what the frames do that it needs.

use std::time::{Duration, Instant};

use crate::congestion::{ALL_TEMPORAL, OperatingPoint};
use crate::media::plan::Shown;
use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::spatial::Spatial;

/// Layers told apart; what is below them counts with the last.
const LAYERS: usize = 4;
const TEMPORAL: usize = ALL_TEMPORAL as usize + 1;
/// A temporal layer is worth leaving out where the rest takes no more than this share.
const WORTH: f64 = 0.9;
/// How long is measured at a time.
const WINDOW: Duration = Duration::from_millis(500);
/// A keyframe is as much as many frames, and there may be none for minutes: over so many windows it is spread.
const KEYFRAME_WINDOWS: u32 = 16;
/// After so long without a packet nothing is known any more.
const SILENCE: Duration = Duration::from_secs(3);

/// By temporal layer.
type Rates = [u32; TEMPORAL];

/// Rates by layer, in bits per second.
#[derive(Debug, Default)]
pub struct LayerRates {
    since: Option<Instant>,
    bytes: [Rates; LAYERS],
    /// But for keyframes.
    steady: [Rates; LAYERS],
    keyframes: [Keyframes; LAYERS],
    bits: [Rates; LAYERS],
    /// What may be sent, best first.
    points: Vec<(OperatingPoint, u64)>,
    is_known: bool,
    /// What was said last of its spatial layers, where it has several.
    spatial: Option<Spatial>,
    /// A bit for each layer of which a frame came.
    came: u8,
}

/// The keyframes of a layer.
#[derive(Clone, Copy, Debug, Default)]
struct Keyframes {
    /// The timestamp of the last.
    timestamp: Option<u32>,
    bytes: u32,
    /// As much as they take in the mean.
    bits: u32,
}

impl Keyframes {
    /// Counts a packet where it is of one.
    fn count(&mut self, media: &MediaPacket) -> bool {
        let timestamp = Some(media.header.timestamp);
        if media.starts_keyframe {
            self.timestamp = timestamp;
        }
        let is_of_one = self.timestamp == timestamp;
        if is_of_one {
            self.bytes = self.bytes.saturating_add(media.packet.len() as u32);
        }
        is_of_one
    }

    fn measure(&mut self, elapsed: Duration) {
        let fresh = per_second(std::mem::take(&mut self.bytes), elapsed);
        self.bits = self.bits - self.bits / KEYFRAME_WINDOWS + fresh / KEYFRAME_WINDOWS;
    }
}

fn per_second(bytes: u32, elapsed: Duration) -> u32 {
    (f64::from(bytes) * 8.0 / elapsed.as_secs_f64()) as u32
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
            if media.is_padding {
                continue;
            }
            // What says nothing between keyframes is of the layers that there were.
            if media.spatial.is_some() || media.starts_keyframe {
                self.take_spatial(media.spatial);
            }
            let Some(spatial) = media.spatial else {
                self.count_one(media, media.layer);
                continue;
            };
            self.came |= 1 << spatial.layer(spatial.id).min(LAYERS as u8 - 1);
            let needing = (0..spatial.count).filter(|id| spatial.is_needed_by(*id));
            needing.for_each(|id| self.count_one(media, spatial.layer(id)));
        }
    }

    /// Takes what is said of spatial layers. Where larger ones begin, the others' names move on; where the smallest end,
    /// the others keep theirs.
    fn take_spatial(&mut self, now: Option<Spatial>) {
        let count = |it: &Option<Spatial>| usize::from(it.as_ref().map_or(1, |it| it.count));
        let (now_count, known_count) = (count(&now), count(&self.spatial));
        let [largest, known] = [&now, &self.spatial].map(|it| it.as_ref().map(Spatial::largest));
        if now.is_some() && now_count < known_count {
            for layer in now_count..known_count.min(LAYERS) {
                (self.bytes[layer], self.steady[layer], self.bits[layer]) = Default::default();
                self.keyframes[layer] = Keyframes::default();
            }
            self.points = self.all_points();
        }
        let more = now_count.saturating_sub(known_count);
        let is_larger = known.is_none() || largest != known || largest == Some((0, 0));
        if is_larger && more > 0 && more < LAYERS {
            self.bytes.rotate_right(more);
            self.steady.rotate_right(more);
            self.keyframes.rotate_right(more);
            self.bits.rotate_right(more);
            self.points = self.all_points();
        }
        self.spatial = now;
    }

    /// Counts a packet as one of a layer.
    fn count_one(&mut self, media: &MediaPacket, layer: u8) {
        let layer = usize::from(layer).min(LAYERS - 1);
        if self.keyframes[layer].count(media) {
            return;
        }
        let temporal = media.temporal.map_or(0, |temporal| temporal.id);
        let bytes = &mut self.bytes[layer][usize::from(temporal).min(TEMPORAL - 1)];
        *bytes = bytes.saturating_add(media.packet.len() as u32);
    }

    /// The best layer that is to be sent where this is shown.
    pub fn best(&self, shown: &Shown) -> u8 {
        match &self.spatial {
            Some(spatial) => shown.best_spatial(spatial),
            None => shown.best_layer,
        }
    }

    /// Once a second: of what came to an end nothing is known any more.
    pub(super) fn sweep(&mut self, now: Instant) {
        let is_over = |since| now.saturating_duration_since(since) > SILENCE;
        self.is_known &= !self.since.is_some_and(is_over);
    }

    fn measure(&mut self, elapsed: Duration) {
        if elapsed > SILENCE {
            (self.bytes, self.keyframes, self.is_known) = Default::default();
            return;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        self.forget_what_did_not_come(&mut bytes);
        for (bytes, keyframes) in bytes.iter_mut().zip(&mut self.keyframes) {
            if *bytes != [0; TEMPORAL] {
                keyframes.measure(elapsed);
                continue;
            }
            // Where nothing else comes they are no exception: in sound everything is one.
            bytes[0] = std::mem::take(&mut keyframes.bytes);
            keyframes.bits = 0;
        }
        let bits = self.steady.as_flattened_mut().iter_mut();
        for (bits, bytes) in bits.zip(bytes.as_flattened()) {
            let fresh = per_second(*bytes, elapsed);
            // A frame may be a lot in a window; a layer that begins or ends is not half there.
            let is_steady = self.is_known && *bits > 0 && fresh > 0;
            *bits = match is_steady {
                true => *bits / 2 + fresh / 2,
                false => fresh,
            };
        }
        self.is_known = true;
        self.bits = self.steady;
        for (bits, keyframes) in self.bits.iter_mut().zip(&self.keyframes) {
            bits[0] = bits[0].saturating_add(keyframes.bits);
        }
        self.points = self.all_points();
    }

    /// What others need of a spatial layer of which nothing came is not that layer.
    fn forget_what_did_not_come(&mut self, bytes: &mut [Rates; LAYERS]) {
        let came = std::mem::take(&mut self.came);
        if self.spatial.is_none() {
            return;
        }
        let layers = bytes.iter_mut().zip(&mut self.keyframes).enumerate();
        for (_, (bytes, keyframes)) in layers.filter(|(layer, _)| came >> layer & 1 == 0) {
            (*bytes, keyframes.bytes, keyframes.bits) = Default::default();
        }
    }

    /// How much each of so many layers takes, or of its spatial ones, best first; the last of those told apart stands for what is below it.
    pub fn of(&self, layers: usize) -> Vec<u32> {
        let spatial = self.spatial.map_or(1, |spatial| spatial.count);
        let bits = self.bits.iter().take(layers.max(spatial.into()));
        bits.map(|bits| if self.is_known { whole(bits) } else { 0 })
            .collect()
    }

    /// The layers that are sent, best first, and how much each takes.
    pub fn layers(&self) -> impl Iterator<Item = (u8, u64)> {
        let layers = self.bits.iter().enumerate().filter(|_| self.is_known);
        let layers = layers.map(|(layer, bits)| (layer as u8, u64::from(whole(bits))));
        layers.filter(|(_, bits)| *bits > 0)
    }

    /// What may be sent of the layers that are not better than this, best first.
    pub fn points(&self, best: u8) -> impl Iterator<Item = (OperatingPoint, u64)> {
        let points = self.points.iter().filter(|_| self.is_known);
        points
            .filter(move |(point, _)| point.layer >= best)
            .copied()
    }

    /// The last layer is thinned out as far as that goes, others by one temporal layer: the next layer, whole, looks
    /// better than what is left of them then.
    fn all_points(&self) -> Vec<(OperatingPoint, u64)> {
        let last = self.layers().last().map(|(layer, _)| layer);
        let points = self.layers().flat_map(|(layer, _)| {
            let steps = match Some(layer) == last {
                true => TEMPORAL,
                false => 2,
            };
            self.thinned(layer).into_iter().take(steps)
        });
        points.collect()
    }

    /// A layer, whole and with ever fewer of its temporal layers.
    fn thinned(&self, layer: u8) -> Vec<(OperatingPoint, u64)> {
        let Some(bits) = self.bits.get(usize::from(layer)) else {
            return Vec::new();
        };
        let mut points = vec![(OperatingPoint::whole(layer), u64::from(whole(bits)))];
        for temporal in (0..ALL_TEMPORAL).rev() {
            let left = u64::from(whole(&bits[..=usize::from(temporal)]));
            let before = points.last().map_or(0, |(_, bits)| *bits);
            if left > 0 && left as f64 <= WORTH * before as f64 {
                points.push((OperatingPoint { layer, temporal }, left));
            }
        }
        points
    }
}

fn whole(bits: &[u32]) -> u32 {
    bits.iter().fold(0, |sum, bits| sum.saturating_add(*bits))
}

#[cfg(test)]
mod tests;
