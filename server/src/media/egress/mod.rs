//! One stream we send a peer: a received stream rewritten to our SSRC, sequence numbers, timestamps
//! and header extensions, its retransmissions, and its sender reports. Knows nothing of where the
//! packets come from, nor of SRTP.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::congestion::Purpose;
use crate::media::forward::cache::{MAX_CACHED, MAX_SPAN};
use crate::media::id::TrackId;
use crate::media::plan::Shown;
use crate::media::rtp::clock::{Clock, ntp_seconds};
use crate::media::rtp::header::{
    FIXED_HEADER, Header, WrittenElement, first_value_at, write_header, written_len,
};
use crate::media::rtp::numbering::Numbering;
use crate::media::rtp::packet::{MediaPacket, SourceClock};
use crate::media::rtp::ring::SequenceRing;
use crate::media::rtp::rtcp::SenderInfo;
use crate::media::sdp::{Codec, Extensions, Format, MediaKind, MediaSection, SendStream};
use crate::prefetch::prefetch;

#[cfg(test)]
mod tests;

/// Packets that may be asked for again, at most.
pub const MAX_HISTORY: u16 = MAX_CACHED;
/// How long packets may be asked for again, at most.
pub const HISTORY_SPAN: Duration = MAX_SPAN;
/// How long at least, where the path has lost something of late. A radio link can be gone for some tenths
/// of a second whatever its round trip.
const LOSSY_SPAN: Duration = Duration::from_millis(400);
/// How long until the round-trip time is known: most paths' would be kept for less.
pub const UNKNOWN_SPAN: Duration = Duration::from_millis(400);
/// How long at least where it has not: what is kept of a path that loses nothing is memory for nothing.
const CLEAN_SPAN: Duration = Duration::from_millis(100);
/// How long a path that lost something is taken for one that will again.
const LOSSY_FOR: Duration = Duration::from_secs(60);
/// Round trips that a packet is kept for: it is asked for after one half, and again after each.
const HISTORY_ROUND_TRIPS: u32 = 4;
/// The least time between two retransmissions of one packet: a NACK that crossed it is no new loss.
const RETRANSMIT_INTERVAL: Duration = Duration::from_millis(20);
/// Retransmissions may add this many bytes per sent byte, so that NACKs cannot amplify.
const RETRANSMIT_SHARE: u64 = 2;

/// How far apart the moments of capture and of arrival may be, before the clocks that say so are not
/// believed.
const CREDIBLE_SECONDS: u32 = 5;

/// Of several simulcast layers the best goes out, and another once it was silent for this long: a still
/// picture has a frame a second.
pub const LAYER_SILENCE: Duration = Duration::from_secs(2);

/// In the place of a transport-wide number.
const UNNUMBERED: [u8; 2] = [0; 2];

/// As much padding as a packet can have: its last byte counts it (RFC 3550 §5.1).
const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    padding[254] = 255;
    padding
};

/// A packet as it is to be sent: written where it leaves from, and nowhere before that.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its header, as long as it will be.
    pub header: Header,
    /// Audio is worth nothing when it is late.
    pub kind: MediaKind,
    /// What it is sent for.
    pub purpose: Purpose,
    /// The transport-wide number comes first.
    elements: [WrittenElement<'a>; 5],
    /// The number that a retransmission was first sent under (RFC 4588 §4).
    original: Option<u16>,
    payload: &'a [u8],
}

impl Outgoing<'_> {
    /// How long it is.
    pub fn size(&self) -> usize {
        self.header.len + 2 * usize::from(self.original.is_some()) + self.payload.len()
    }

    /// Appends it.
    pub fn write(&self, out: &mut BytesMut) {
        write_header(out, &self.header, &self.elements);
        if let Some(original) = self.original {
            out.extend_from_slice(&original.to_be_bytes());
        }
        out.extend_from_slice(self.payload);
    }

    /// Whether it has a transport-wide number.
    pub fn is_numbered(&self) -> bool {
        self.elements[0].0.is_some()
    }

    /// Numbers it where it was written.
    pub fn number(&self, written: &mut [u8], number: u16) {
        let at = first_value_at(written);
        if let Some(value) = written.get_mut(at..at + 2) {
            value.copy_from_slice(&number.to_be_bytes());
        }
    }
}

/// A packet that may be asked for again: which it was of its source's, and what became of its timestamp.
/// Its bytes are kept with its track.
struct Sent {
    ssrc: u32,
    sequence: u16,
    /// Payload bytes.
    octets: u16,
    timestamp: u32,
    /// In milliseconds since this stream began.
    at: u32,
    again: Option<NonZeroU32>,
}

/// A packet that the other end asks for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its track.
    pub track: TrackId,
    /// Its source.
    pub ssrc: u32,
    /// Its source's number.
    pub original: u16,
    /// The number it was sent under.
    sequence: u16,
    /// The timestamp it was sent with.
    timestamp: u32,
}

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
    first_sequence: u16,
    rtx_sequence: u16,
    /// By our sequence numbers.
    history: SequenceRing<Sent>,
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
}

impl From<&Codec> for SentCodec {
    fn from(codec: &Codec) -> Self {
        Self {
            format: Format::of(codec.kind, &codec.fmtp),
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            transport_cc: codec.transport_cc,
        }
    }
}

/// How the present source's numbers become ours.
struct Source {
    track: TrackId,
    ssrc: u32,
    layer: u8,
    numbering: Numbering,
    timestamp_offset: u32,
    last_timestamp: u32,
    last_at: Instant,
    clock_rate: u32,
    clock: Option<SourceClock>,
    /// What of it did not come here is not missed: it goes on as if it were another.
    is_over: bool,
    /// Whether that is so shows with the packet that comes next: it may be the next.
    may_be_over: bool,
}

impl Source {
    /// Our timestamp at a moment of our NTP time, once its sender has told its clocks.
    fn timestamp_at(&self, ntp: u64) -> Option<u32> {
        let clock = self.clock?;
        let ticks = ntp_seconds(ntp, clock.ntp) * f64::from(self.clock_rate);
        let theirs = clock.rtp.wrapping_add(ticks.round() as i64 as u32);
        Some(theirs.wrapping_add(self.timestamp_offset))
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
            first_sequence,
            rtx_sequence: first_sequence,
            history: SequenceRing::new(MAX_HISTORY),
            created: None,
            asked: None,
            selected: Some(Shown::echoed(TrackId::default())),
            sent: Totals::default(),
            sent_again: 0,
            began: None,
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
    /// of another layer than the one that goes out, or it is video while the path is congested, and from
    /// then on until a keyframe.
    pub fn forward<'a>(
        &'a mut self,
        now: Instant,
        media: &'a MediaPacket,
        congested: bool,
    ) -> Option<Outgoing<'a>> {
        let payload_type = self.codec(media.format)?.payload_type;
        if !self.takes(now, media) {
            return None;
        }
        if self.leaves_out(media, congested) {
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
        let header = Header {
            payload_type,
            sequence: source.numbering.number(media.header.sequence)?,
            timestamp: media.header.timestamp.wrapping_add(source.timestamp_offset),
            ssrc: self.stream.ssrc,
            ..media.header
        };
        (source.clock, source.layer) = (media.clock, media.layer);
        if is_newest {
            source.last_timestamp = header.timestamp;
            source.last_at = now;
            source.clock_rate = media.clock_rate;
        }
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets += media.payload().len() as u64;
        self.keep(now, &header, media);
        Some(self.outgoing(header, None, media))
    }

    /// Shows something else: another track from its next keyframe on, and nothing until then; another
    /// layer from its next keyframe on; or nothing.
    pub fn select(&mut self, shown: Option<Shown>) {
        if self.selected == shown {
            return;
        }
        self.selected = shown;
        self.began = None;
        let goes_on = |source: &Source| {
            !source.is_over && shown.is_some_and(|shown| shown.track == source.track)
        };
        let has_it = |source: &Source| {
            goes_on(source) && shown.is_some_and(|shown| shown.best_layer == source.layer)
        };
        self.wants_keyframe = shown.is_some() && !self.source.as_ref().is_some_and(has_it);
        if let Some(source) = &mut self.source {
            source.is_over = !goes_on(source);
        }
    }

    /// What comes next may not follow what came before: there was a time in which nothing came here.
    pub fn rejoin(&mut self) {
        if let Some(source) = &mut self.source {
            source.may_be_over = true;
        }
    }

    /// Whether a packet is of the track and the layer that go out: of the selected track's the best there
    /// is that may be sent. Another begins with a keyframe, and so does what has a gap nobody lost.
    fn takes(&mut self, now: Instant, media: &MediaPacket) -> bool {
        let Some(selected) = self.selected.filter(|shown| shown.track == media.track) else {
            return false;
        };
        let began = *self.began.get_or_insert(now);
        let is_due = now >= began + LAYER_SILENCE;
        let is_best = media.layer == selected.best_layer;
        let may_be_sent = media.layer >= selected.best_layer;
        let follows = self.follows(media);
        let Some(source) = &mut self.source else {
            let may_begin = is_best || may_be_sent && is_due;
            let is_beginning = media.starts_keyframe || selected.from_the_start;
            self.wants_keyframe |= may_begin && !is_beginning;
            return may_begin && is_beginning;
        };
        source.may_be_over |= media.resumes;
        if follows && source.may_be_over {
            // What came before may come again from elsewhere.
            let ahead = source.numbering.ahead(media.header.sequence);
            source.may_be_over = ahead <= 0;
            source.is_over = ahead > 1;
        }
        let is_same = source.track == media.track && !source.is_over;
        if is_same && (source.layer, source.ssrc) == (media.layer, media.header.ssrc) {
            return true;
        }
        let is_silent = now >= source.last_at + LAYER_SILENCE;
        let may_begin = may_be_sent
            && match is_same {
                true if source.layer < selected.best_layer => is_best || is_due || is_silent,
                true => media.layer <= source.layer || is_silent,
                false => true,
            };
        self.wants_keyframe |= may_begin && !media.starts_keyframe;
        may_begin && media.starts_keyframe
    }

    fn leaves_out(&mut self, media: &MediaPacket, congested: bool) -> bool {
        if self.kind == MediaKind::Audio {
            return false;
        }
        if congested {
            self.awaits_keyframe = true;
        } else if self.awaits_keyframe {
            self.awaits_keyframe = !media.starts_keyframe;
            // The one that was wished for as the path had room again may have been lost.
            self.wants_keyframe |= self.awaits_keyframe;
        }
        self.awaits_keyframe
    }

    /// Whether a keyframe was missed since this was last asked.
    pub fn take_keyframe_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }

    /// Whether nothing can be sent before the next keyframe.
    pub fn awaits_keyframe(&self) -> bool {
        self.awaits_keyframe
    }

    fn codec(&mut self, format: Format) -> Option<SentCodec> {
        if self.codec.is_none_or(|codec| codec.format != format) {
            let mut codecs = self.codecs.iter().copied();
            self.codec = codecs.find(|codec| codec.format == format);
        }
        self.codec
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
                let next = source.numbering.next();
                let numbering = Numbering::after_another(header.sequence, next);
                (numbering, continued(now, source, media))
            }
            // The first source keeps its timestamps; nothing is gained by hiding them from its echo.
            None => {
                let numbering = Numbering::new(header.sequence, self.first_sequence);
                (numbering, header.timestamp)
            }
        };
        self.source = Some(Source {
            track: media.track,
            ssrc: header.ssrc,
            layer: media.layer,
            numbering,
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            last_timestamp: timestamp,
            last_at: now,
            clock_rate: media.clock_rate,
            clock: media.clock,
            is_over: false,
            may_be_over: false,
        });
    }

    /// Closes the gap a packet leaves that is not forwarded, where it is the newest. Returns whether
    /// it did.
    fn skip(&mut self, media: &MediaPacket) -> bool {
        let follows = self.follows(media);
        let source = self.source.as_mut().filter(|_| follows);
        source.is_some_and(|source| source.numbering.leave_out(media.header.sequence))
    }

    /// A packet with our header instead of its own.
    fn outgoing<'a>(
        &'a self,
        header: Header,
        original: Option<u16>,
        media: &'a MediaPacket,
    ) -> Outgoing<'a> {
        let (ids, received, found) = (&self.ids, &media.packet[..], &media.extensions);
        let elements = [
            (self.numbering_id(), Some(&UNNUMBERED[..])),
            (ids.mid, Some(self.mid.as_bytes())),
            (ids.audio_level, found.audio_level.value(received)),
            (
                ids.video_orientation,
                found.video_orientation.value(received),
            ),
            (
                ids.dependency_descriptor,
                found.dependency_descriptor.value(received),
            ),
        ];
        Outgoing {
            header: Header {
                len: written_len(&elements),
                ..header
            },
            kind: self.kind,
            purpose: Purpose::Media,
            elements,
            original,
            payload: media.payload(),
        }
    }

    /// Under which id packets have transport-wide numbers. What may be sent again under its own number has
    /// none: it would be another packet then, and the cipher takes each number once (RFC 7714 §8.3).
    fn numbering_id(&self) -> Option<u8> {
        let codec = self.codec.filter(|codec| self.may_number(*codec));
        self.ids.transport_cc.filter(|_| codec.is_some())
    }

    fn may_number(&self, codec: SentCodec) -> bool {
        codec.transport_cc && (!self.keeps_history || self.retransmits(codec).is_some())
    }

    /// Whether packets have such numbers; before the first, whether they may have.
    pub fn is_numbered(&self) -> bool {
        let mut codecs = self.codecs.iter().copied();
        let may = |codec| self.may_number(codec);
        self.ids.transport_cc.is_some() && self.codec.map_or_else(|| codecs.any(may), may)
    }

    /// The payload type and SSRC of retransmissions.
    fn retransmits(&self, codec: SentCodec) -> Option<(u8, u32)> {
        codec.rtx_payload_type.zip(self.stream.rtx_ssrc)
    }

    /// Sound or pictures.
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// Whether there are packets with nothing in them.
    pub fn has_padding(&self) -> bool {
        self.source.is_some() && self.padding_stream().is_some()
    }

    /// Whatever was agreed on since, or while nothing was sent.
    fn padding_stream(&self) -> Option<(u8, u32)> {
        let codecs = self.codecs.iter().filter(|codec| codec.transport_cc);
        let stream = codecs.filter_map(|codec| self.retransmits(*codec)).next();
        stream.filter(|_| self.ids.transport_cc.is_some())
    }

    /// A packet with nothing in it, to fill a probe: one of the retransmissions, lest a number of the
    /// stream's own is missed.
    pub fn padding(&mut self) -> Option<Outgoing<'_>> {
        let (payload_type, ssrc) = self.padding_stream()?;
        let timestamp = self.source.as_ref()?.last_timestamp;
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        let elements = [
            (self.ids.transport_cc, Some(&UNNUMBERED[..])),
            (self.ids.mid, Some(self.mid.as_bytes())),
            (None, None),
            (None, None),
            (None, None),
        ];
        Some(Outgoing {
            header: Header {
                marker: false,
                padding: true,
                payload_type,
                sequence,
                timestamp,
                ssrc,
                len: written_len(&elements),
                extensions_at: FIXED_HEADER,
            },
            kind: self.kind,
            purpose: Purpose::Padding,
            elements,
            original: None,
            payload: &PADDING,
        })
    }

    /// For how long packets are to be kept that may be asked for again, over a path with this round trip.
    pub fn keeps_for(&self, now: Instant, rtt: Option<Duration>) -> Duration {
        if !self.keeps_history || self.source.is_none() {
            return Duration::ZERO;
        }
        let is_lossy = self.asked.is_some_and(|at| now < at + LOSSY_FOR);
        let least = if is_lossy { LOSSY_SPAN } else { CLEAN_SPAN };
        rtt.map_or(UNKNOWN_SPAN, |rtt| {
            (rtt * HISTORY_ROUND_TRIPS).clamp(least, HISTORY_SPAN)
        })
    }

    /// A moment, in milliseconds since this stream began. It begins at 1.
    fn ms(&mut self, now: Instant) -> NonZeroU32 {
        let created = *self.created.get_or_insert(now);
        let ms = now.saturating_duration_since(created).as_millis() as u32;
        NonZeroU32::MIN.saturating_add(ms)
    }

    fn keep(&mut self, now: Instant, header: &Header, media: &MediaPacket) {
        if !self.keeps_history {
            return;
        }
        let at = self.ms(now).get();
        let span = HISTORY_SPAN.as_millis() as u32;
        self.history.drop_while(|sent| at - sent.at > span);
        let sent = Sent {
            ssrc: media.header.ssrc,
            sequence: media.header.sequence,
            octets: media.payload().len() as u16,
            timestamp: header.timestamp,
            at,
            again: None,
        };
        self.history.insert(header.sequence, sent);
    }

    /// Whether a packet could be sent again.
    #[cfg(test)]
    pub fn keeps(&self, sequence: u16) -> bool {
        self.history.get(sequence).is_some()
    }

    /// Keeps nothing for retransmission of what was sent until now.
    pub fn forget_sent(&mut self) {
        self.history.clear();
    }

    /// Which packet a NACK asks for. `None` where it is too old, was just sent again, or too much was.
    pub fn wanted(&mut self, now: Instant, sequence: u16) -> Option<Wanted> {
        self.asked = Some(now);
        let (track, at) = (self.source.as_ref()?.track, self.ms(now));
        if self.sent_again > RETRANSMIT_SHARE * self.sent.octets {
            return None;
        }
        let sent = self.history.get_mut(sequence)?;
        let interval = RETRANSMIT_INTERVAL.as_millis() as u32;
        if (sent.again).is_some_and(|again| at.get() - again.get() < interval) {
            return None;
        }
        sent.again = Some(at);
        self.sent_again += u64::from(sent.octets);
        Some(Wanted {
            track,
            ssrc: sent.ssrc,
            original: sent.sequence,
            sequence,
            timestamp: sent.timestamp,
        })
    }

    /// Sends a packet again: as a retransmission stream where agreed (RFC 4588), else as it was.
    pub fn retransmit<'a>(
        &'a mut self,
        wanted: &Wanted,
        media: &'a MediaPacket,
    ) -> Option<Outgoing<'a>> {
        let codec = self.codec(media.format)?;
        let header = Header {
            payload_type: codec.payload_type,
            sequence: wanted.sequence,
            timestamp: wanted.timestamp,
            ssrc: self.stream.ssrc,
            ..media.header
        };
        let Some((payload_type, ssrc)) = self.retransmits(codec) else {
            return Some(self.outgoing(header, None, media));
        };
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        let again = Header {
            payload_type,
            ssrc,
            sequence,
            ..header
        };
        Some(self.outgoing(again, Some(header.sequence), media))
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

/// Our timestamp for another source's first packet: as much later than the last one's as it was captured
/// later, by what both senders told of their clocks; while one did not, as it arrived later.
fn continued(now: Instant, last: &Source, media: &MediaPacket) -> u32 {
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
    last.last_timestamp.wrapping_add(ahead.max(1) as u32)
}

/// Undoes RFC 4588 §4: gives a retransmission back its SSRC, payload type and sequence number.
/// `None` is a probe without a payload.
pub fn unwrap_rtx(packet: &[u8], header: &Header, payload_type: u8, ssrc: u32) -> Option<Vec<u8>> {
    if header.payload_len(packet) < 2 {
        return None;
    }
    let (head, payload) = packet.split_at(header.len);
    let mut original = Vec::with_capacity(packet.len());
    original.extend_from_slice(head);
    original[1] = u8::from(header.marker) << 7 | payload_type;
    original[2..4].copy_from_slice(&payload[..2]);
    original[8..12].copy_from_slice(&ssrc.to_be_bytes());
    original.extend_from_slice(&payload[2..]);
    Some(original)
}
