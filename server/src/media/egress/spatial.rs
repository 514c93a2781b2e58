//! Which spatial layers of a source go out: what the frames of one need, and no more. Another may be shown from a picture
//! on for which nothing is missing: all that came for it since a keyframe went out. What comes late is of the time before.

use crate::media::rtp::header::sequence_diff;
use crate::media::rtp::numbering::MAX_BEHIND;
use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::spatial::{MAX_SPATIAL, Spatial};

/// Packets of one picture, at most. What has the same timestamp after that is looked at as if it were another, lest all
/// that comes is one.
const MAX_PICTURE: u16 = 2048;

/// What goes out of a source.
#[derive(Debug)]
pub(super) struct SpatialSelection {
    /// The layer that is shown,
    shown: u8,
    /// from the packet with this number on, or for as long as any packet may be late;
    since: u16,
    /// and the one before it.
    before: u8,
    /// By layer: the packet from which on all that it needs went out.
    whole: [Option<u16>; MAX_SPATIAL],
    /// The timestamp of the newest picture, how many packets of it came, of which layer the last was, and whether it
    /// goes out.
    timestamp: u32,
    packets: u16,
    id: u8,
    goes_out: bool,
    /// What was said last of its layers.
    last: Spatial,
    /// Another may be shown than is, and no keyframe was wished for.
    wants_keyframe: bool,
}

impl SpatialSelection {
    /// Of a source that begins with this packet, up to a layer. `None` where there are no layers.
    pub(super) fn new(media: &MediaPacket, limit: u8) -> Option<Self> {
        let last = media.spatial?;
        Some(Self {
            shown: limit,
            since: media.header.sequence,
            before: limit,
            whole: [Some(media.header.sequence); MAX_SPATIAL],
            timestamp: media.header.timestamp,
            packets: 0,
            id: last.id,
            goes_out: true,
            last,
            wants_keyframe: false,
        })
    }

    /// What is shown, as simulcast layers are named.
    pub(super) fn layer(&self) -> u8 {
        self.last.layer(self.shown)
    }

    /// What was said last of its layers.
    pub(super) fn said(&self) -> &Spatial {
        &self.last
    }

    /// Whether a packet goes out, where up to a layer may be shown; `ahead` says how far it is of the newest.
    pub(super) fn takes(
        &mut self,
        media: &MediaPacket,
        spatial: &Spatial,
        ahead: i16,
        limit: u8,
    ) -> bool {
        let (number, timestamp) = (media.header.sequence, media.header.timestamp);
        if ahead <= 0 {
            return self.takes_late(media, spatial, limit);
        }
        self.last = *spatial;
        // Numbers come round: no packet is as late as the change any more.
        if number.wrapping_sub(self.since) > MAX_BEHIND {
            (self.before, self.since) = (self.shown, number);
        }
        let is_next = timestamp != self.timestamp || self.packets >= MAX_PICTURE;
        if is_next {
            (self.timestamp, self.packets) = (timestamp, 0);
            self.begin_picture(media, spatial, limit);
        }
        self.packets += 1;
        // A frame that began to go out does so whole.
        if is_next || spatial.id != self.id {
            self.id = spatial.id;
            self.begin_frame(media, spatial);
        }
        self.goes_out
    }

    /// Whether a packet goes out that others have overtaken.
    fn takes_late(&mut self, media: &MediaPacket, spatial: &Spatial, limit: u8) -> bool {
        let number = media.header.sequence;
        // Of the picture nothing but its smallest frame came, which is for everybody.
        let begins = media.starts_keyframe && media.header.timestamp == self.timestamp;
        if begins && self.id == 0 && spatial.is_needed_by(self.shown) {
            (self.before, self.shown, self.since) = (self.shown, limit, number);
            self.whole = [Some(number); MAX_SPATIAL];
            self.goes_out = spatial.is_needed_by(limit);
            return self.goes_out;
        }
        let goes_out = spatial.is_needed_by(self.shown_at(media));
        if !goes_out {
            self.lack(number, spatial);
        }
        goes_out
    }

    /// Whether all went out that a layer needs.
    fn is_whole(&self, id: u8) -> bool {
        let whole = self.whole.get(usize::from(id));
        whole.is_some_and(Option::is_some)
    }

    /// A packet does not go out: who needs it lacks it, but for those that have begun anew after it.
    fn lack(&mut self, number: u16, spatial: &Spatial) {
        let needing = (0..).zip(&mut self.whole);
        for (_, whole) in needing.filter(|(id, _)| spatial.is_needed_by(*id)) {
            whole.take_if(|since| sequence_diff(number, *since) >= 0);
        }
    }

    fn begin_picture(&mut self, media: &MediaPacket, spatial: &Spatial, limit: u8) {
        let number = media.header.sequence;
        // Numbers come round: what no packet is as late as is of the time to come.
        for since in self.whole.iter_mut().flatten() {
            if number.wrapping_sub(*since) > MAX_BEHIND {
                *since = number.wrapping_sub(MAX_BEHIND);
            }
        }
        let shown = self.moved(media, spatial, limit);
        if shown != self.shown {
            (self.before, self.shown, self.since) = (self.shown, shown, number);
        }
        self.wants_keyframe = shown != limit;
    }

    /// What is shown from the first packet of a picture on, where up to a layer may be.
    fn moved(&self, media: &MediaPacket, spatial: &Spatial, limit: u8) -> u8 {
        let goes_out = spatial.is_needed_by(self.shown) && self.is_whole(self.shown);
        let is_open = media.starts_keyframe || goes_out && spatial.opens(limit);
        match is_open || limit < self.shown && self.is_whole(limit) {
            true => limit,
            false => self.shown,
        }
    }

    /// What another layer needs that does not go out, it lacks from then on.
    fn begin_frame(&mut self, media: &MediaPacket, spatial: &Spatial) {
        let number = media.header.sequence;
        self.goes_out = spatial.is_needed_by(self.shown);
        if !self.goes_out {
            return self.lack(number, spatial);
        }
        let opens = |id: u8| media.starts_keyframe || spatial.opens(id);
        let opened = (0..).zip(&mut self.whole).filter(|(id, _)| opens(*id));
        opened.for_each(|(_, whole)| *whole = Some(number));
    }

    /// What was shown when a packet was sent. What is of the newest picture is so whole, though its first packets come
    /// after others.
    fn shown_at(&self, media: &MediaPacket) -> u8 {
        let is_before = sequence_diff(media.header.sequence, self.since) < 0;
        match is_before && media.header.timestamp != self.timestamp {
            true => self.before,
            false => self.shown,
        }
    }

    /// Whether a picture ends with a packet that goes out: those of larger layers do not.
    pub(super) fn ends(&self, media: &MediaPacket, spatial: &Spatial) -> bool {
        spatial.ends && spatial.id == self.shown_at(media)
    }

    /// Whether only a keyframe makes go out what may be shown; once each picture.
    pub(super) fn take_keyframe_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }
}
