//! One stream we send a peer: a received stream rewritten to our SSRC, sequence numbers, timestamps
//! and header extensions, its retransmissions, and its sender reports. Knows nothing of where the
//! packets come from, nor of SRTP.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::media::forward::cache::{MAX_CACHED, MAX_SPAN};
use crate::media::id::TrackId;
use crate::media::plan::Shown;
use crate::media::rtp::clock::{Clock, ntp_seconds};
use crate::media::rtp::header::{Header, WrittenElement, write_header, written_len};
use crate::media::rtp::numbering::Numbering;
use crate::media::rtp::packet::{MediaPacket, SourceClock};
use crate::media::rtp::ring::SequenceRing;
use crate::media::rtp::rtcp::SenderInfo;
use crate::media::sdp::{Codec, Extensions, Format, MediaKind, MediaSection, SendStream};

/// Packets that may be asked for again, at most.
pub const MAX_HISTORY: u16 = MAX_CACHED;
/// How long packets may be asked for again, at most: also until the round-trip time is known.
pub const HISTORY_SPAN: Duration = MAX_SPAN;
/// How long at least, where the path has lost something of late. A radio link can be gone for some tenths
/// of a second whatever its round trip.
const LOSSY_SPAN: Duration = Duration::from_millis(400);
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

/// A packet as it is to be sent: written where it leaves from, and nowhere before that.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Its header, as long as it will be.
    pub header: Header,
    /// Audio is worth nothing when it is late.
    pub kind: MediaKind,
    elements: [WrittenElement<'a>; 4],
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
}

impl From<&Codec> for SentCodec {
    fn from(codec: &Codec) -> Self {
        Self {
            format: Format::of(codec.kind, &codec.fmtp),
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
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
            kind: section.kind,
            keeps_history: false,
            awaits_keyframe: false,
            source: None,
            first_sequence,
            rtx_sequence: first_sequence,
            history: SequenceRing::new(MAX_HISTORY),
            created: None,
            asked: None,
            selected: Some(Shown::at_best(TrackId::default())),
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
        let before = (&self.mid, self.ids, &self.codecs);
        if before != (&section.mid, section.extensions, &codecs) {
            self.history.clear();
        }
        if let Some(stream) = &section.send {
            self.stream.clone_from(stream);
        }
        section.mid.clone_into(&mut self.mid);
        self.ids = section.extensions;
        self.codecs = codecs;
        self.keeps_history =
            section.kind == MediaKind::Video && section.codecs.iter().any(|codec| codec.nack);
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
            return is_best || may_be_sent && is_due;
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

    fn codec(&self, format: Format) -> Option<SentCodec> {
        let mut codecs = self.codecs.iter().copied();
        codecs.find(|codec| codec.format == format)
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
            elements,
            original,
            payload: media.payload(),
        }
    }

    /// For how long packets are to be kept that may be asked for again, over a path with this round trip.
    pub fn keeps_for(&self, now: Instant, rtt: Option<Duration>) -> Duration {
        if !self.keeps_history || self.source.is_none() {
            return Duration::ZERO;
        }
        let is_lossy = self.asked.is_some_and(|at| now < at + LOSSY_FOR);
        let least = if is_lossy { LOSSY_SPAN } else { CLEAN_SPAN };
        rtt.map_or(HISTORY_SPAN, |rtt| {
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
        let (Some(payload_type), Some(ssrc)) = (codec.rtx_payload_type, self.stream.rtx_ssrc)
        else {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::media::sdp::{CodecKind, Direction};

    fn section(kind: MediaKind) -> MediaSection {
        MediaSection {
            mid: "v".to_owned(),
            kind,
            direction: Direction {
                send: true,
                recv: true,
            },
            codecs: vec![Codec {
                kind: CodecKind::Vp8,
                payload_type: 96,
                rtx_payload_type: Some(97),
                clock_rate: 90_000,
                fmtp: String::new(),
                nack: true,
                pli: true,
                fir: true,
                transport_cc: true,
            }],
            extensions: Extensions {
                mid: Some(4),
                ..Extensions::default()
            },
            send: Some(stream()),
            remote_streams: Vec::new(),
            rids: Vec::new(),
            layer_ssrcs: Vec::new(),
            reduced_size_rtcp: true,
        }
    }

    fn stream() -> SendStream {
        SendStream {
            ssrc: 1000,
            rtx_ssrc: Some(1001),
            stream_id: "s".to_owned(),
            track_id: "t".to_owned(),
        }
    }

    fn egress(kind: MediaKind) -> Egress {
        Egress::new(&section(kind), stream(), 500)
    }

    fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> MediaPacket {
        let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 0];
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        let header = Header::parse(&packet).unwrap();
        let codec = (Format::of(CodecKind::Vp8, ""), 90_000);
        let ids = Extensions::default();
        MediaPacket::read(Instant::now(), (0, 0), codec, header, &ids, packet.into())
    }

    /// A packet's header, and the packet.
    fn written(outgoing: &Outgoing<'_>) -> (Header, BytesMut) {
        let mut packet = BytesMut::new();
        outgoing.write(&mut packet);
        assert_eq!(packet.len(), outgoing.size());
        (outgoing.header, packet)
    }

    const KEY: &[u8] = &[0x10, 0x00, 1, 2];
    const DELTA: &[u8] = &[0x10, 0x01, 1, 2];

    fn sequences(egress: &mut Egress, media: &[(MediaPacket, bool)]) -> Vec<Option<u16>> {
        let now = Instant::now();
        let forward = |(packet, congested): &(MediaPacket, bool)| {
            let outgoing = egress.forward(now, packet, *congested)?;
            assert_eq!(outgoing.header.ssrc, 1000);
            Some(outgoing.header.sequence)
        };
        media.iter().map(forward).collect()
    }

    #[test]
    fn numbers_go_on_over_padding_a_wrap_and_another_source() {
        let mut egress = egress(MediaKind::Video);
        let media = [
            (packet(7, 65534, KEY), false),
            (packet(7, 65535, &[]), false),
            (packet(7, 0, DELTA), false),
            (packet(7, 2, DELTA), false),
            (packet(7, 1, DELTA), false),
            (packet(8, 30_000, KEY), false),
        ];
        let expected = [Some(500), None, Some(501), Some(503), Some(502), Some(504)];
        assert_eq!(sequences(&mut egress, &media), expected);
    }

    #[test]
    fn a_congested_path_gets_no_video_until_the_next_keyframe() {
        let mut egress = egress(MediaKind::Video);
        let media = [
            (packet(7, 1, KEY), false),
            (packet(7, 2, DELTA), true),
            (packet(7, 3, DELTA), false),
            (packet(7, 4, KEY), false),
            (packet(7, 5, DELTA), false),
        ];
        let expected = [Some(500), None, None, Some(501), Some(502)];
        assert_eq!(sequences(&mut egress, &media), expected);
        assert!(!egress.awaits_keyframe());
    }

    #[test]
    fn a_keyframe_is_wished_for_until_it_comes_but_not_while_there_is_no_room() {
        let mut egress = egress(MediaKind::Video);
        sequences(&mut egress, &[(packet(7, 1, KEY), false)]);
        for (number, kind, congested, wishes) in [
            (2, DELTA, true, false),
            (3, DELTA, false, true),
            (4, DELTA, false, true),
            (5, KEY, false, false),
            (6, DELTA, false, false),
        ] {
            sequences(&mut egress, &[(packet(7, number, kind), congested)]);
            assert_eq!(egress.take_keyframe_wish(), wishes, "{number}");
        }
    }

    #[test]
    fn what_cannot_be_written_as_it_was_is_not_sent_again_under_its_number() {
        let mut plain = section(MediaKind::Video);
        plain.codecs[0].rtx_payload_type = None;
        let mut egress = Egress::new(&plain, stream(), 500);
        let now = Instant::now();
        let media = packet(7, 1, KEY);
        let first = written(&egress.forward(now, &media, false).unwrap());
        egress.renegotiate(&plain);
        let wanted = egress.wanted(now, 500).unwrap();
        let again = egress.retransmit(&wanted, &media).unwrap();
        assert_eq!(written(&again), first);
        plain.extensions.mid = Some(5);
        egress.renegotiate(&plain);
        let later = now + RETRANSMIT_INTERVAL;
        assert!(
            egress.wanted(later, 500).is_none(),
            "another packet under one number"
        );
    }

    /// A packet whose sender told its clocks, captured so many ms after all clocks began.
    fn captured(ssrc: u32, sequence: u16, begin: u32, ms: u32) -> MediaPacket {
        let mut media = packet(ssrc, sequence, KEY);
        media.header.timestamp = begin.wrapping_add(ms * 90);
        media.clock = Some(SourceClock {
            ntp: 1 << 40,
            rtp: begin,
        });
        media
    }

    #[test]
    fn time_goes_on_over_sources_by_what_their_senders_told() {
        let mut egress = egress(MediaKind::Video);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut sent = |ms, media: MediaPacket| {
            let outgoing = egress.forward(at(ms), &media, false).unwrap();
            outgoing.header.timestamp
        };
        let before = sent(0, captured(7, 1, 0, 1000));
        // It came half a second late.
        let after = sent(700, captured(8, 1, 1 << 31, 1200));
        assert_eq!(after.wrapping_sub(before), 200 * 90);
        // Without reports arrival is all there is.
        let mut silent = captured(9, 1, 77, 0);
        silent.clock = None;
        let last = sent(1000, silent);
        assert_eq!(last.wrapping_sub(after), 300 * 90);
        // Clocks that make no sense are not believed.
        let again = sent(1100, captured(10, 1, 0, 10_000_000));
        assert_eq!(again.wrapping_sub(last), 100 * 90);
    }

    #[test]
    fn retransmits_once_in_a_while_and_not_more_than_its_share() {
        let mut egress = egress(MediaKind::Video);
        let now = Instant::now();
        let media = packet(7, 1, KEY);
        egress.forward(now, &media, false).unwrap();
        let wanted = egress.wanted(now, 500).unwrap();
        assert_eq!((wanted.ssrc, wanted.original), (7, 1));
        let again = egress.retransmit(&wanted, &media).unwrap();
        assert_eq!((again.header.ssrc, again.header.payload_type), (1001, 97));
        let (header, packet) = written(&again);
        let original = unwrap_rtx(&packet, &header, 96, 1000).unwrap();
        let header = Header::parse(&original).unwrap();
        assert_eq!((header.sequence, &original[header.len..]), (500, KEY));
        assert!(egress.wanted(now, 500).is_none(), "just sent");
        assert!(egress.wanted(now, 499).is_none(), "never sent");
        let answered = (1..100)
            .filter(|i| {
                let at = now + RETRANSMIT_INTERVAL * *i;
                let wanted = egress.wanted(at, 500);
                wanted.is_some_and(|wanted| egress.retransmit(&wanted, &media).is_some())
            })
            .count();
        assert!(answered < 4, "{answered} answers to a flood");
    }

    #[test]
    fn packets_are_kept_for_some_round_trips_and_longer_where_some_were_lost() {
        let ms = Duration::from_millis;
        let mut egress = egress(MediaKind::Video);
        let now = Instant::now();
        assert_eq!(
            egress.keeps_for(now, None),
            Duration::ZERO,
            "nothing was sent"
        );
        egress.forward(now, &packet(7, 1, KEY), false).unwrap();
        let kept = |egress: &Egress, now, rtt: u64| egress.keeps_for(now, Some(ms(rtt)));
        assert_eq!(egress.keeps_for(now, None), ms(1000));
        let spans = [10, 150, 3000].map(|rtt| kept(&egress, now, rtt));
        assert_eq!(spans, [ms(100), ms(600), ms(1000)]);
        egress.wanted(now, 500).unwrap();
        assert_eq!(kept(&egress, now, 10), ms(400));
        assert_eq!(kept(&egress, now + LOSSY_FOR, 10), ms(100));
        let mut sound = Egress::new(&section(MediaKind::Audio), stream(), 500);
        sound.forward(now, &packet(7, 1, KEY), false).unwrap();
        assert_eq!(sound.keeps_for(now, None), Duration::ZERO);
    }

    /// What a stream makes of packets of any track and layer, given as these, and their numbers.
    fn sent(
        egress: &mut Egress,
        now: Instant,
        of: (u64, u8),
        number: u16,
        kind: &[u8],
    ) -> Option<u16> {
        let mut media = packet(7 + u32::from(of.1), number, kind);
        (media.track, media.layer) = (TrackId(of.0), of.1);
        let outgoing = egress.forward(now, &media, false)?;
        Some(outgoing.header.sequence)
    }

    fn show(track: u64, best_layer: u8) -> Option<Shown> {
        let track = TrackId(track);
        Some(Shown { track, best_layer })
    }

    #[test]
    fn another_track_is_shown_from_its_keyframe_on_and_none_at_once() {
        let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
        let send =
            |egress: &mut Egress, track, number, kind| sent(egress, now, (track, 0), number, kind);
        assert_eq!(send(&mut egress, 3, 1, KEY), None, "not selected");
        egress.select(show(3, 0));
        assert!(egress.take_keyframe_wish());
        assert_eq!(send(&mut egress, 3, 1, DELTA), Some(500));
        egress.select(show(4, 0));
        assert!(egress.take_keyframe_wish());
        assert_eq!(send(&mut egress, 4, 30_000, DELTA), None);
        assert_eq!(send(&mut egress, 3, 2, KEY), None, "selected no more");
        assert!(egress.take_keyframe_wish());
        // Both happen to have one SSRC.
        assert_eq!(send(&mut egress, 4, 30_001, KEY), Some(501));
        assert_eq!(send(&mut egress, 3, 3, KEY), None);
        assert_eq!(send(&mut egress, 4, 30_002, DELTA), Some(502));
        let wanted = egress.wanted(now, 502).unwrap();
        assert_eq!((wanted.track, wanted.original), (TrackId(4), 30_002));
        assert!(
            egress.wanted(now, 500).is_none(),
            "of what is shown no more"
        );
        egress.select(None);
        assert_eq!(send(&mut egress, 4, 30_003, KEY), None);
    }

    #[test]
    fn what_was_paused_goes_on_with_a_keyframe_and_without_a_gap() {
        let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
        let send = |egress: &mut Egress, number, kind| sent(egress, now, (3, 0), number, kind);
        egress.select(show(3, 0));
        assert_eq!(send(&mut egress, 1, KEY), Some(500));
        egress.select(None);
        assert_eq!(send(&mut egress, 2, DELTA), None);
        egress.select(show(3, 0));
        assert!(egress.take_keyframe_wish());
        assert_eq!(send(&mut egress, 3, DELTA), None);
        assert_eq!(send(&mut egress, 4, KEY), Some(501));
        assert_eq!(
            send(&mut egress, 3, DELTA),
            None,
            "from before the keyframe"
        );
        assert_eq!(send(&mut egress, 5, DELTA), Some(502));
    }

    #[test]
    fn what_comes_again_after_a_time_goes_on_where_it_missed_nothing() {
        let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
        let send = |egress: &mut Egress, number, kind| sent(egress, now, (3, 0), number, kind);
        egress.select(show(3, 0));
        assert_eq!(send(&mut egress, 1, KEY), Some(500));
        egress.rejoin();
        assert_eq!(send(&mut egress, 2, DELTA), Some(501));
        assert_eq!(send(&mut egress, 4, DELTA), Some(503), "lost on its way");
        egress.rejoin();
        egress.take_keyframe_wish();
        assert_eq!(send(&mut egress, 9, DELTA), None);
        assert!(egress.take_keyframe_wish());
        assert_eq!(send(&mut egress, 10, KEY), Some(504));
        // Sound begins anywhere.
        let mut sound = Egress::new(&section(MediaKind::Audio), stream(), 500);
        sound.select(show(3, 0));
        assert_eq!(send(&mut sound, 1, KEY), Some(500));
        sound.rejoin();
        assert_eq!(send(&mut sound, 50, KEY), Some(501));
    }

    #[test]
    fn layers_that_are_too_good_are_left_once_the_wanted_one_has_a_keyframe() {
        let (mut egress, start) = (egress(MediaKind::Video), Instant::now());
        let now = Cell::new(start);
        let mut numbers = [0; 3];
        let mut send = |egress: &mut Egress, layer: u8, kind| {
            numbers[usize::from(layer)] += 1;
            let number = numbers[usize::from(layer)];
            sent(egress, now.get(), (3, layer), number, kind)
        };
        egress.select(show(3, 1));
        assert_eq!(send(&mut egress, 0, KEY), None, "too good");
        assert_eq!(send(&mut egress, 2, KEY), None, "a better one may come");
        assert_eq!(send(&mut egress, 1, KEY), Some(500));
        egress.select(show(3, 0));
        assert!(egress.take_keyframe_wish());
        assert_eq!(send(&mut egress, 1, DELTA), Some(501));
        assert_eq!(send(&mut egress, 0, DELTA), None);
        assert_eq!(send(&mut egress, 0, KEY), Some(502));
        assert_eq!(send(&mut egress, 1, KEY), None);
        egress.select(show(3, 1));
        assert!(egress.take_keyframe_wish());
        assert_eq!(
            send(&mut egress, 0, DELTA),
            Some(503),
            "until the other begins"
        );
        assert_eq!(send(&mut egress, 2, KEY), None, "a better one may come");
        assert_eq!(send(&mut egress, 1, KEY), Some(504));
        assert_eq!(send(&mut egress, 0, KEY), None);
        // Layers that are not there are not waited for.
        egress.select(show(3, 2));
        egress.select(show(3, 1));
        assert!(!egress.take_keyframe_wish(), "it has what it wants");
        now.set(start + LAYER_SILENCE);
        assert_eq!(send(&mut egress, 2, KEY), Some(505));
        egress.select(show(3, 0));
        assert_eq!(send(&mut egress, 1, KEY), Some(506), "the best there is");
    }

    #[test]
    fn another_source_of_a_track_begins_with_a_keyframe() {
        let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
        let media = [
            (packet(7, 1, KEY), false),
            (packet(8, 9, DELTA), false),
            (packet(8, 10, KEY), false),
            (packet(7, 2, DELTA), false),
            (packet(8, 11, DELTA), false),
        ];
        let expected = [Some(500), None, Some(501), None, Some(502)];
        assert_eq!(sequences(&mut egress, &media), expected);
        assert!(egress.take_keyframe_wish(), "{now:?}");
    }
}
