//! One stream we send a peer: a received stream rewritten to our SSRC, sequence numbers, timestamps
//! and header extensions, its retransmissions, and its sender reports. Knows nothing of where the
//! packets come from, nor of SRTP.
//!
//! | module | what lives there |
//! |---|---|
//! | `choice` | what of what comes goes out: the track, the layer, from a keyframe on |
//! | `spatial` | which of the spatial layers of one stream |
//! | `thinning` | which temporal layers of that |
//! | `source` | what it shows at present, and how the next goes on |
//! | `frames` | the numbers of its frames, continued over sources |
//! | `outgoing` | a packet as it is to be sent |
//! | `rewrite` | how one of the source becomes that |
//! | `unwritten` | a packet that has its numbers and is to be written later |
//! | `sent`, `again` | what may be asked for again, and how that and padding are sent |

use std::time::{Duration, Instant};

use crate::congestion::ALL_TEMPORAL;
use crate::media::id::TrackId;
use crate::media::plan::Shown;
use crate::media::rtp::clock::{Clock, ntp_seconds};
use crate::media::rtp::header::Header;
use crate::media::rtp::numbering::Numbering;
use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::red;
use crate::media::rtp::ring::SequenceRing;
use crate::media::rtp::rtcp::SenderInfo;
use crate::media::sdp::{
    Codec, CodecKind, Extensions, Format, MediaKind, MediaSection, SendStream,
};
use crate::prefetch::prefetch;

mod again;
mod choice;
mod frames;
mod outgoing;
mod rewrite;
mod sent;
mod source;
mod spatial;
#[cfg(test)]
mod tests;
mod thinning;
mod unwritten;

pub use again::{RETRANSMIT_INTERVAL, UNKNOWN_SPAN, unwrap_rtx};
use frames::Frames;
use outgoing::Contents;
pub use outgoing::Outgoing;
use sent::Sent;
pub use sent::{HISTORY_SPAN, MAX_HISTORY, Wanted};
pub use source::{Began, LAYER_SILENCE};
use source::{Source, continued, step};
use spatial::SpatialSelection;
use thinning::{Thinning, counted_picture};
pub use unwritten::Unwritten;

/// A stream sent.
pub struct Egress {
    /// Its name in the session description.
    pub stream: SendStream,
    mid: String,
    ids: Extensions,
    codecs: Vec<SentCodec>,
    /// The one that the last packet had.
    codec: Option<SentCodec>,
    kind: MediaKind,
    keeps_history: bool,
    /// Packets were left out: the decoder cannot go on before the next keyframe.
    awaits_keyframe: bool,
    source: Option<Source>,
    /// The number that the next source begins with, where the present one's last were not sent.
    next: Option<u16>,
    frames: Frames,
    first_sequence: u16,
    rtx_sequence: u16,
    /// By our sequence numbers.
    history: SequenceRing<Sent>,
    /// How long what it holds is remembered.
    kept_for: Duration,
    created: Option<Instant>,
    /// When the other end last asked for something again.
    asked: Option<Instant>,
    /// What to show. A layer of the same track goes out until this begins with a keyframe.
    selected: Option<Shown>,
    sent: Totals,
    /// Payload bytes asked for again and not refused.
    sent_again: u64,
    /// When the first packet came of any layer of what was selected last.
    began: Option<Instant>,
    /// Something came of the best layer of it.
    has_seen_best: bool,
    /// A source began, and nobody was told.
    has_begun: Option<Began>,
    /// A layer would go out if it began with a keyframe.
    wants_keyframe: bool,
}

/// What of a codec matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SentCodec {
    format: Format,
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    /// The other end says when packets came.
    transport_cc: bool,
    /// The other end estimates by itself what its path carries.
    remb: bool,
}

impl From<&Codec> for SentCodec {
    fn from(codec: &Codec) -> Self {
        Self {
            format: Format::of(codec.kind, &codec.fmtp),
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            transport_cc: codec.transport_cc,
            remb: codec.remb,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Totals {
    packets: u32,
    octets: u64,
}

impl Egress {
    /// A stream whose first packet gets this sequence number.
    pub fn new(section: &MediaSection, stream: SendStream, first_sequence: u16) -> Self {
        let mut egress = Self {
            stream,
            mid: String::new(),
            ids: Extensions::default(),
            codecs: Vec::new(),
            codec: None,
            kind: section.kind,
            keeps_history: false,
            awaits_keyframe: false,
            source: None,
            next: None,
            frames: Frames::default(),
            first_sequence,
            rtx_sequence: first_sequence,
            history: SequenceRing::new(MAX_HISTORY),
            kept_for: HISTORY_SPAN,
            created: None,
            asked: None,
            selected: Some(Shown::echoed(TrackId::default())),
            sent: Totals::default(),
            sent_again: 0,
            began: None,
            has_seen_best: false,
            has_begun: None,
            wants_keyframe: false,
        };
        egress.renegotiate(section);
        egress
    }

    /// Takes what a new answer says of the section. What was sent cannot be written the same way any
    /// more where that says something else: under its old number it would be another packet, and the
    /// cipher takes each number once (RFC 7714 §8.3).
    pub fn renegotiate(&mut self, section: &MediaSection) {
        let codecs: Vec<_> = section.codecs.iter().map(SentCodec::from).collect();
        let keeps_history =
            section.kind == MediaKind::Video && section.codecs.iter().any(|codec| codec.nack);
        let before = (&self.mid, self.ids, &self.codecs, self.keeps_history);
        if before != (&section.mid, section.extensions, &codecs, keeps_history) {
            self.history.clear();
        }
        if let Some(stream) = &section.send {
            self.stream.clone_from(stream);
        }
        section.mid.clone_into(&mut self.mid);
        self.ids = section.extensions;
        self.codecs = codecs;
        self.codec = None;
        self.keeps_history = keeps_history;
    }

    /// Has memory fetched that a packet is rewritten from, and noted in, besides this.
    pub fn prefetch(&self) {
        prefetch(self.mid.as_str());
        self.history.prefetch();
        if let Some(source) = &self.source {
            source.numbering.prefetch();
        }
    }

    /// Rewrites a packet. `None` leaves it out: its codec was not agreed on, it is only padding, it is
    /// of another layer than the one that goes out, or of a spatial or temporal one that does not, or it is video while the path
    /// is congested, and from then on until a keyframe.
    pub fn forward<'a>(
        &'a mut self,
        now: Instant,
        media: &'a MediaPacket,
        congested: bool,
    ) -> Option<Outgoing<'a>> {
        let Some(codec) = self.codec(media.format) else {
            // What comes after it begins with a keyframe.
            self.awaits_keyframe |= self.kind == MediaKind::Video && self.skip(media);
            return None;
        };
        if !self.takes(now, media) {
            return None;
        }
        let Some(mut contents) = self.contents(codec, media) else {
            self.skip(media);
            return None;
        };
        // What is left out anyway needs no room.
        let goes_out = self.takes_layers(now, media)?;
        if !goes_out && !self.fills_a_gap(media) {
            // It comes late and has its number already: nothing in its place would be asked for again and again.
            contents = Contents::of(&[]);
        } else if self.leaves_out(media, congested) {
            self.skip(media);
            return None;
        }
        // Padding that comes late has its number already: it is forwarded, lest it be missed.
        if media.is_padding && (self.skip(media) || !self.follows(media)) {
            return None;
        }
        self.follow(now, media);
        let source = self.source.as_mut()?;
        let is_newest = source.numbering.is_newest(media.header.sequence);
        let marker = media.header.marker || source.ends_picture(media);
        let header = Header {
            payload_type: codec.payload_type,
            sequence: source.numbering.number(media.header.sequence)?,
            timestamp: media.header.timestamp.wrapping_add(source.timestamp_offset),
            ssrc: self.stream.ssrc,
            padding: media.header.padding && !contents.payload.is_empty(),
            marker,
            ..media.header
        };
        let left_out = source.numbering.pictures_before(media.header.sequence);
        (source.clock, source.layer) = (media.clock, media.layer);
        if is_newest {
            if self.kind == MediaKind::Audio && header.timestamp != source.last_timestamp {
                source.step = step(source.last_timestamp, header.timestamp, media.clock_rate);
            }
            source.last_timestamp = header.timestamp;
            source.last_at = now;
            source.clock_rate = media.clock_rate;
        }
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets += contents.payload.len() as u64;
        self.keep(now, &header, media, (contents.payload.len(), left_out));
        let before = is_newest.then(|| self.frames.last());
        if contents.payload.is_empty() {
            return Some(Outgoing {
                before,
                ..self.empty(header, None)
            });
        }
        let theirs = media.frame_numbers.without_pictures(left_out);
        let numbers = self.frames.number(media.picture, theirs, is_newest);
        Some(Outgoing {
            before,
            ..self.outgoing(header, None, (media, contents), numbers)
        })
    }

    /// What a packet of this format goes out as: where the other end does not take sound with what came before it,
    /// as the sound alone.
    fn codec(&mut self, format: Format) -> Option<SentCodec> {
        if self.codec.is_none_or(|codec| codec.format != format) {
            let alone = || self.opus().filter(|_| format.kind == CodecKind::Red);
            self.codec = self.sent_as(format).or_else(alone);
        }
        self.codec
    }

    fn opus(&self) -> Option<SentCodec> {
        self.sent_as(Format::of(CodecKind::Opus, ""))
    }

    fn sent_as(&self, format: Format) -> Option<SentCodec> {
        let mut codecs = self.codecs.iter().copied();
        codecs.find(|codec| codec.format == format)
    }

    /// What a packet holds that goes out so. `None` where nothing can be made of it.
    fn contents<'a>(&self, codec: SentCodec, media: &'a MediaPacket) -> Option<Contents<'a>> {
        let payload = media.payload();
        if media.format.kind != CodecKind::Red {
            return Some(Contents::of(payload));
        }
        if codec.format.kind != CodecKind::Red {
            return red::primary(payload).map(Contents::of);
        }
        Some(Contents {
            payload,
            blocks: self.opus().map(|opus| opus.payload_type),
        })
    }

    /// Whether a packet is of what goes out, and did not, nor was left out.
    pub fn misses(&self, media: &MediaPacket) -> bool {
        let source = self.source.as_ref().filter(|_| self.follows(media));
        source.is_some_and(|source| source.numbering.misses(media.header.sequence))
    }

    fn follows(&self, media: &MediaPacket) -> bool {
        let source = self.source.as_ref().filter(|source| !source.is_over);
        source.is_some_and(|s| (s.track, s.ssrc) == (media.track, media.header.ssrc))
    }

    /// Continues our numbers where another source takes over.
    fn follow(&mut self, now: Instant, media: &MediaPacket) {
        let header = &media.header;
        if self.follows(media) {
            return;
        }
        if (self.source.as_ref()).is_some_and(|source| source.track != media.track) {
            // What is lost before a keyframe of something else is not missed.
            self.history.clear();
        }
        let (numbering, timestamp) = match &self.source {
            Some(source) => {
                let next = self.next.take().unwrap_or(source.numbering.next());
                let numbering = Numbering::after_another(header.sequence, next);
                (numbering, continued(now, source, media))
            }
            // The first source keeps its timestamps; nothing is gained by hiding them from its echo.
            None => {
                let numbers = (header.sequence, self.first_sequence);
                let numbering = match self.begins_with_a_keyframe() {
                    true => Numbering::after_another(numbers.0, numbers.1),
                    false => Numbering::new(numbers.0, numbers.1),
                };
                (numbering, header.timestamp)
            }
        };
        self.has_begun = self.begins_with_a_keyframe().then_some(Began {
            track: media.track,
            ssrc: header.ssrc,
            sequence: header.sequence,
        });
        self.frames.begin(media.frame_numbers);
        let spatial = (media.spatial).filter(|_| self.begins_with_a_keyframe());
        let spatial = spatial.map(|spatial| self.spatial_limit(&spatial));
        let spatial = spatial.and_then(|limit| SpatialSelection::new(media, limit));
        let layer = (spatial.as_ref()).map_or(media.layer, SpatialSelection::layer);
        let shown = self.limit(layer, ALL_TEMPORAL);
        self.source = Some(Source {
            thinning: Thinning::new(media, shown),
            spatial: spatial.map(Box::new),
            track: media.track,
            ssrc: header.ssrc,
            layer: media.layer,
            numbering,
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            last_timestamp: timestamp,
            last_at: now,
            step: match self.kind {
                MediaKind::Audio => media.clock_rate / 50,
                MediaKind::Video => 1,
            },
            clock_rate: media.clock_rate,
            clock: media.clock,
            is_over: false,
            may_be_over: false,
        });
    }

    /// Whether a packet's frame is of the spatial and temporal layers that go out. `None` where it is not, and its number
    /// goes to the next.
    fn takes_layers(&mut self, now: Instant, media: &MediaPacket) -> Option<bool> {
        if !self.takes_spatial(media) {
            return (!self.skip(media)).then_some(false);
        }
        let goes_out = self.takes_temporal(now, media);
        (goes_out || !self.skip_frame(now, media)).then_some(goes_out)
    }

    /// Closes the gap a packet leaves that is not forwarded, where it is the newest. Returns whether
    /// it did.
    fn skip(&mut self, media: &MediaPacket) -> bool {
        let follows = self.follows(media);
        let source = self.source.as_mut().filter(|_| follows);
        source.is_some_and(|source| source.numbering.leave_out(media.header.sequence))
    }

    /// The same for one of a frame that is left out: where pictures are counted, the next gets its number.
    fn skip_frame(&mut self, now: Instant, media: &MediaPacket) -> bool {
        if !self.skip(media) {
            return false;
        }
        if let Some(source) = &mut self.source {
            source.thinning.leaves_out(now);
            if let Some(picture) = counted_picture(media) {
                source.numbering.leave_out_picture(picture);
            }
        }
        true
    }

    /// Under which id packets have transport-wide numbers. What may be sent again under its own number has
    /// none: it would be another packet then, and the cipher takes each number once (RFC 7714 §8.3).
    fn numbering_id(&self) -> Option<u8> {
        let codec = self.codec.filter(|codec| self.may_number(*codec));
        self.ids.transport_cc.filter(|_| codec.is_some())
    }

    /// Under which id packets say when they are sent: to an end that estimates by itself, which takes it for that. Nor
    /// does that say so which may be sent again under its own number.
    fn timing_id(&self) -> Option<u8> {
        let says = |codec: &SentCodec| codec.remb && self.is_sealed_once(*codec);
        let codec = self.codec.filter(says);
        self.ids.abs_send_time.filter(|_| codec.is_some())
    }

    fn may_number(&self, codec: SentCodec) -> bool {
        codec.transport_cc && self.is_sealed_once(codec)
    }

    /// Whether no packet is sent again under its own number.
    fn is_sealed_once(&self, codec: SentCodec) -> bool {
        !self.keeps_history || self.retransmits(codec).is_some()
    }

    /// Whether packets have such numbers; before the first, whether they may have.
    pub fn is_numbered(&self) -> bool {
        let mut codecs = self.codecs.iter().copied();
        let may = |codec| self.may_number(codec);
        self.ids.transport_cc.is_some() && self.codec.map_or_else(|| codecs.any(may), may)
    }

    /// Whether every packet of pictures has such a number, whichever codec it is of: what is known of the path is known of
    /// them all.
    pub fn numbers_all_pictures(&self) -> bool {
        let numbers_all = |codecs: &[SentCodec]| codecs.iter().all(|it| self.may_number(*it));
        let is_video = self.kind == MediaKind::Video;
        is_video && self.ids.transport_cc.is_some() && numbers_all(&self.codecs)
    }

    /// Whether the other end estimates by itself what its path carries, and says so.
    pub fn is_estimated(&self) -> bool {
        let codecs = &self.codecs;
        codecs.iter().any(|codec| codec.remb) && !codecs.iter().any(|codec| codec.transport_cc)
    }

    /// Payload bytes sent until now, ever, but for those of retransmissions and padding.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.octets
    }

    /// The layer that goes out, while one does.
    pub fn layer(&self, now: Instant) -> Option<u8> {
        let source = self.source.as_ref()?;
        let goes_out = !source.is_over && now < source.last_at + LAYER_SILENCE;
        goes_out.then_some(source.shown())
    }

    /// The highest temporal layer that goes out, while others of its layer are left out.
    pub fn temporal(&self, now: Instant) -> Option<u8> {
        self.layer(now)?;
        self.source.as_ref()?.thinning.thinned(now)
    }

    /// Sound or pictures.
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// The sender report due now, once something was sent.
    pub fn sender_info(&self, now: Instant, clock: &Clock) -> Option<SenderInfo> {
        let source = self.source.as_ref()?;
        let ntp = clock.ntp(now);
        // Until the source reports, arrival stands for capture.
        let by_arrival = || {
            let seconds = ntp_seconds(ntp, clock.ntp(source.last_at));
            let ticks = (seconds * f64::from(source.clock_rate)) as i64;
            source.last_timestamp.wrapping_add(ticks as u32)
        };
        let rtp = source.timestamp_at(ntp).unwrap_or_else(by_arrival);
        Some(SenderInfo {
            ssrc: self.stream.ssrc,
            ntp,
            rtp,
            packets: self.sent.packets,
            octets: self.sent.octets as u32,
        })
    }
}
