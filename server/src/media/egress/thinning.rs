//! Which temporal layers of a source go out. Fewer may from any frame on, more only from one that nothing is missing
//! for. What comes late is of the time before: it is held against what went out then.

use std::time::{Duration, Instant};

use crate::media::rtp::header::sequence_diff;
use crate::media::rtp::numbering::MAX_BEHIND;
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::CodecKind;

/// Less goes out than there is where something was left out within this time: a still picture has a frame a second.
const RECENT: Duration = Duration::from_secs(2);
/// What may go out waits this long for a switching point before a keyframe is wished for instead: encoders that have such
/// have several a second, others have none.
pub(super) const STUCK: Duration = Duration::from_secs(4);
/// Packets of one frame that is not of the lowest layer, at most. What has the same timestamp after that is looked at as
/// if it were another, lest all that comes is one.
pub(super) const MAX_FRAME: u16 = 256;

/// What goes out of a source.
#[derive(Debug)]
pub(super) struct Thinning {
    /// All temporal layers up to this one,
    shown: u8,
    /// from the packet with this number on, or for as long as any packet may be late;
    since: u16,
    /// and all up to this one before it.
    before: u8,
    /// The timestamp of the newest frame, how many packets of it came, and whether it goes out.
    timestamp: u32,
    packets: u16,
    goes_out: bool,
    /// When something was left out last.
    left_out: Option<Instant>,
    /// Since when something is left out that may go out.
    stuck: Option<Instant>,
}

impl Thinning {
    /// Of a source that begins with this packet: all up to a layer.
    pub(super) fn new(media: &MediaPacket, shown: u8) -> Self {
        Self {
            shown,
            since: media.header.sequence,
            before: shown,
            timestamp: media.header.timestamp,
            packets: 0,
            goes_out: true,
            left_out: None,
            stuck: None,
        }
    }

    /// What goes out at present.
    pub(super) fn shown(&self) -> u8 {
        self.shown
    }

    /// What goes out, where that is less than there is.
    pub(super) fn thinned(&self, now: Instant) -> Option<u8> {
        let left_out = self.left_out.filter(|at| now < *at + RECENT);
        left_out.map(|_| self.shown)
    }

    /// Whether a packet goes out, where all up to `limit` may; `ahead` says how far it is of the newest.
    pub(super) fn takes(
        &mut self,
        now: Instant,
        media: &MediaPacket,
        ahead: i16,
        limit: u8,
    ) -> bool {
        let (number, timestamp) = (media.header.sequence, media.header.timestamp);
        let Some(temporal) = media.temporal else {
            // What does not say so is of the layer that the rest of its frame is of.
            return self.goes_out || timestamp != self.timestamp;
        };
        if ahead <= 0 {
            let is_before = sequence_diff(number, self.since) < 0;
            return temporal.id <= if is_before { self.before } else { self.shown };
        }
        // Numbers come round: no packet is as late as the change any more.
        if number.wrapping_sub(self.since) > MAX_BEHIND {
            (self.before, self.since) = (self.shown, number);
        }
        // A frame that began to go out does so whole.
        if timestamp != self.timestamp || self.packets >= MAX_FRAME {
            (self.timestamp, self.packets) = (timestamp, 0);
            let shown = temporal.raised(self.shown.min(limit), limit);
            if shown != self.shown {
                (self.before, self.shown, self.since) = (self.shown, shown, number);
                self.stuck = None;
            }
        }
        self.packets += 1;
        self.goes_out = temporal.id <= self.shown;
        if self.shown >= limit {
            self.stuck = None;
        } else if !self.goes_out && temporal.id <= limit {
            self.stuck.get_or_insert(now);
        }
        self.goes_out
    }

    /// Whether only a keyframe can make more go out, as it seems; once each time.
    pub(super) fn take_stuck(&mut self, now: Instant) -> bool {
        // Where no layers are told any more nothing is left out.
        let is_stuck =
            (self.thinned(now)).is_some() && self.stuck.is_some_and(|at| now >= at + STUCK);
        if is_stuck {
            self.stuck = Some(now);
        }
        is_stuck
    }

    /// A packet was left out.
    pub(super) fn leaves_out(&mut self, now: Instant) {
        self.left_out = Some(now);
    }
}

/// A packet's picture where a decoder takes a gap in the numbers of pictures for a loss (RFC 7741 §4.2): in VP8. Elsewhere
/// references are counted in them.
pub(super) fn counted_picture(media: &MediaPacket) -> Option<u16> {
    let is_counted = media.format.kind == CodecKind::Vp8;
    media.frame_numbers.picture.filter(|_| is_counted)
}
