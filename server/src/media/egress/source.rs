//! The source that a stream shows at present: how its numbers and timestamps become ours, and how the next
//! one's go on from there.

use std::time::{Duration, Instant};

use super::spatial::SpatialSelection;
use super::thinning::Thinning;
use crate::media::id::TrackId;
use crate::media::rtp::clock::ntp_seconds;
use crate::media::rtp::numbering::Numbering;
use crate::media::rtp::packet::{MediaPacket, SourceClock};

/// How far apart the moments of capture and of arrival may be, before the clocks that say so are not
/// believed.
const CREDIBLE_SECONDS: u32 = 5;

/// Of several simulcast layers the best goes out, and another once it was silent for this long: a still
/// picture has a frame a second.
pub const LAYER_SILENCE: Duration = Duration::from_secs(2);

/// The packet that a source of pictures began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// Its track.
    pub track: TrackId,
    /// Its source.
    pub ssrc: u32,
    /// Its source's number.
    pub sequence: u16,
}

/// How the present source's numbers become ours.
pub(super) struct Source {
    pub(super) track: TrackId,
    pub(super) ssrc: u32,
    pub(super) layer: u8,
    pub(super) numbering: Numbering,
    pub(super) thinning: Thinning,
    /// Where it has several spatial layers.
    pub(super) spatial: Option<Box<SpatialSelection>>,
    pub(super) timestamp_offset: u32,
    pub(super) last_timestamp: u32,
    pub(super) last_at: Instant,
    /// From one packet to the next, in ticks.
    pub(super) step: u32,
    pub(super) clock_rate: u32,
    pub(super) clock: Option<SourceClock>,
    /// What of it did not come here is not missed: it goes on as if it were another.
    pub(super) is_over: bool,
    /// Whether that is so shows with the packet that comes next: it may be the next.
    pub(super) may_be_over: bool,
}

impl Source {
    /// The layer that goes out, or the spatial one of that, by the name of either.
    pub(super) fn shown(&self) -> u8 {
        (self.spatial.as_ref()).map_or(self.layer, |spatial| spatial.layer())
    }

    /// What a packet of it counts as, where spatial layers do as layers.
    pub(super) fn layer_of(&self, media: &MediaPacket) -> u8 {
        match media.spatial {
            Some(_) => self.shown(),
            None => media.layer,
        }
    }

    /// Whether a picture ends with this packet where others of it do not go out.
    pub(super) fn ends_picture(&self, media: &MediaPacket) -> bool {
        let both = self.spatial.as_ref().zip(media.spatial);
        both.is_some_and(|(selection, spatial)| selection.ends(media, &spatial))
    }

    /// Our timestamp at a moment of our NTP time, once its sender has told its clocks.
    pub(super) fn timestamp_at(&self, ntp: u64) -> Option<u32> {
        let clock = self.clock?;
        let ticks = ntp_seconds(ntp, clock.ntp) * f64::from(self.clock_rate);
        let theirs = clock.rtp.wrapping_add(ticks.round() as i64 as u32);
        Some(theirs.wrapping_add(self.timestamp_offset))
    }
}

/// The longest packet believed, in seconds.
const LONGEST: f64 = 0.12;

/// From one packet's timestamp to the next one's, where they follow one another: as long as the packet is. Sound that
/// goes on sooner would be taken for old by a decoder, and left out.
pub(super) fn step(before: u32, timestamp: u32, clock_rate: u32) -> u32 {
    let step = timestamp.wrapping_sub(before);
    step.clamp(1, (f64::from(clock_rate) * LONGEST) as u32)
}

/// Our timestamp for another source's first packet: as much later than the last one's as it was captured
/// later, by what both senders told of their clocks; while one did not, as it arrived later.
pub(super) fn continued(now: Instant, last: &Source, media: &MediaPacket) -> u32 {
    let captured = media.clock.and_then(|clock| {
        let ticks = media.header.timestamp.wrapping_sub(clock.rtp) as i32;
        let units = f64::from(ticks) / f64::from(media.clock_rate) * 4_294_967_296.0;
        last.timestamp_at(clock.ntp.wrapping_add_signed(units.round() as i64))
    });
    let by_arrival = || {
        let elapsed = now.saturating_duration_since(last.last_at).as_micros() as u64;
        let ticks = elapsed * u64::from(media.clock_rate) / 1_000_000;
        last.last_timestamp.wrapping_add(ticks as u32)
    };
    let by_arrival = by_arrival();
    let is_credible = |captured: &u32| {
        let apart = captured.wrapping_sub(by_arrival) as i32;
        apart.unsigned_abs() < CREDIBLE_SECONDS * media.clock_rate
    };
    let timestamp = captured.filter(is_credible).unwrap_or(by_arrival);
    let ahead = timestamp.wrapping_sub(last.last_timestamp) as i32;
    last.last_timestamp
        .wrapping_add((ahead.max(0) as u32).max(last.step))
}
