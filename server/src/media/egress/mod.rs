//! One stream we send a peer: a received stream rewritten to our SSRC, sequence numbers, timestamps
//! and header extensions, its retransmissions, and its sender reports. Knows nothing of where the
//! packets come from, nor of SRTP.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::media::net::buffers;
use crate::media::rtp::clock::{Clock, ntp_seconds};
use crate::media::rtp::header::{ExtensionValues, Header, write_header};
use crate::media::rtp::keyframe::starts_keyframe;
use crate::media::rtp::numbering::Numbering;
use crate::media::rtp::rtcp::SenderInfo;
use crate::media::sdp::{Codec, CodecKind, Extensions, MediaKind, MediaSection, SendStream};

/// Packets kept for retransmission, at most.
pub const MAX_HISTORY: usize = 512;
/// How long packets are kept for retransmission, at most: also until the round-trip time is known.
pub const HISTORY_SPAN: Duration = Duration::from_millis(1000);
/// How long at least. A radio link can be gone for some tenths of a second whatever its round trip.
const MIN_HISTORY_SPAN: Duration = Duration::from_millis(400);
/// Round trips that a packet is kept for: it is asked for after one half, and again after each.
const HISTORY_ROUND_TRIPS: u32 = 4;
/// The least time between two retransmissions of one packet: a NACK that crossed it is no new loss.
const RETRANSMIT_INTERVAL: Duration = Duration::from_millis(20);
/// Retransmissions may add this many bytes per sent byte, so that NACKs cannot amplify.
const RETRANSMIT_SHARE: u64 = 2;

/// What a packet may grow by: our `mid` is longer, a retransmission's original number, SRTP's tag.
const ROOM: usize = 48;

/// A received packet on its way to those who want it.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    /// The index of the media section it came on.
    pub section: usize,
    /// Its header, as received.
    pub header: Header,
    /// The extension ids its sender agreed on.
    pub ids: Extensions,
    /// The decrypted packet, header included.
    pub packet: Bytes,
}

/// A packet ready for SRTP.
#[derive(Debug)]
pub struct Outgoing {
    /// Its header.
    pub header: Header,
    /// The packet, header included, with room for SRTP's tag.
    pub packet: BytesMut,
    /// Audio is worth nothing when it is late.
    pub kind: MediaKind,
}

/// A packet that may be asked for again: as it came, so that everybody it went to shares its bytes,
/// and what became of its numbers.
struct Sent {
    packet: Bytes,
    ids: Extensions,
    sequence: u16,
    timestamp: u32,
    at: Instant,
    again: Option<Instant>,
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
    history: VecDeque<Sent>,
    history_span: Duration,
    sent: Totals,
    rtx_sent: Totals,
    source_clock: Option<(u64, u32)>,
}

/// What of a codec matters here.
#[derive(Clone, Copy)]
struct SentCodec {
    kind: CodecKind,
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    clock_rate: u32,
}

impl From<&Codec> for SentCodec {
    fn from(codec: &Codec) -> Self {
        Self {
            kind: codec.kind,
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            clock_rate: codec.clock_rate,
        }
    }
}

/// How the present source's numbers become ours.
struct Source {
    ssrc: u32,
    numbering: Numbering,
    timestamp_offset: u32,
    last_timestamp: u32,
    last_at: Instant,
    payload_type: u8,
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
            history: VecDeque::new(),
            history_span: HISTORY_SPAN,
            sent: Totals::default(),
            rtx_sent: Totals::default(),
            source_clock: None,
        };
        egress.renegotiate(section);
        egress
    }

    /// Takes what a new answer says of the section.
    pub fn renegotiate(&mut self, section: &MediaSection) {
        section.mid.clone_into(&mut self.mid);
        self.ids = section.extensions;
        self.codecs = section.codecs.iter().map(SentCodec::from).collect();
        self.keeps_history =
            section.kind == MediaKind::Video && section.codecs.iter().any(|codec| codec.nack);
    }

    /// Rewrites a packet. `None` leaves it out: its codec was not agreed on, it is only padding, or
    /// it is video while the path is congested, and from then on until a keyframe.
    pub fn forward(
        &mut self,
        now: Instant,
        media: &MediaPacket,
        congested: bool,
    ) -> Option<Outgoing> {
        let codec = self.codec(media.header.payload_type)?;
        let (clock_rate, codec) = (codec.clock_rate, codec.kind);
        let is_padding = media.header.payload_len(&media.packet) == 0;
        if self.leaves_out(codec, media, congested) {
            self.skip(&media.header);
            return None;
        }
        // Padding that comes late has its number already: it is forwarded, lest it be missed.
        if is_padding && (self.skip(&media.header) || !self.follows(&media.header)) {
            return None;
        }
        self.follow(now, &media.header, clock_rate);
        let source = self.source.as_mut()?;
        let is_newest = source.numbering.is_newest(media.header.sequence);
        let header = Header {
            sequence: source.numbering.number(media.header.sequence)?,
            timestamp: media.header.timestamp.wrapping_add(source.timestamp_offset),
            ssrc: self.stream.ssrc,
            ..media.header
        };
        if is_newest {
            source.last_timestamp = header.timestamp;
            source.last_at = now;
            source.payload_type = header.payload_type;
        }
        let outgoing = self.write(&header, &media.header, &media.packet, &media.ids)?;
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets += (outgoing.packet.len() - outgoing.header.len) as u64;
        self.keep(now, &header, media);
        Some(outgoing)
    }

    fn leaves_out(&mut self, codec: CodecKind, media: &MediaPacket, congested: bool) -> bool {
        if self.kind == MediaKind::Audio {
            return false;
        }
        if congested {
            self.awaits_keyframe = true;
        } else if self.awaits_keyframe {
            let payload = media.packet.get(media.header.len..).unwrap_or_default();
            self.awaits_keyframe = !starts_keyframe(codec, payload);
        }
        self.awaits_keyframe
    }

    /// Whether nothing can be sent before the next keyframe.
    pub fn awaits_keyframe(&self) -> bool {
        self.awaits_keyframe
    }

    fn codec(&self, payload_type: u8) -> Option<SentCodec> {
        let mut codecs = self.codecs.iter().copied();
        codecs.find(|codec| codec.payload_type == payload_type)
    }

    fn follows(&self, header: &Header) -> bool {
        self.source.as_ref().is_some_and(|s| s.ssrc == header.ssrc)
    }

    /// Continues our numbers where another source takes over.
    fn follow(&mut self, now: Instant, header: &Header, clock_rate: u32) {
        if self.follows(header) {
            return;
        }
        let (numbering, timestamp) = match &self.source {
            Some(source) => {
                let elapsed = now.saturating_duration_since(source.last_at).as_micros() as u64;
                let ticks = elapsed * u64::from(clock_rate) / 1_000_000;
                let next = source.numbering.next();
                let numbering = Numbering::after_another(header.sequence, next);
                let timestamp = source.last_timestamp.wrapping_add(ticks.max(1) as u32);
                (numbering, timestamp)
            }
            // The first source keeps its timestamps; nothing is gained by hiding them from its echo.
            None => {
                let numbering = Numbering::new(header.sequence, self.first_sequence);
                (numbering, header.timestamp)
            }
        };
        self.source = Some(Source {
            ssrc: header.ssrc,
            numbering,
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            last_timestamp: timestamp,
            last_at: now,
            payload_type: header.payload_type,
        });
        self.source_clock = None;
    }

    /// Closes the gap a packet leaves that is not forwarded, where it is the newest. Returns whether
    /// it did.
    fn skip(&mut self, header: &Header) -> bool {
        let source = self.source.as_mut();
        let source = source.filter(|source| source.ssrc == header.ssrc);
        source.is_some_and(|source| source.numbering.leave_out(header.sequence))
    }

    /// A packet with our header instead of its own.
    fn write(
        &self,
        header: &Header,
        theirs: &Header,
        received: &[u8],
        ids: &Extensions,
    ) -> Option<Outgoing> {
        let values = ExtensionValues::read(theirs.extensions(received), ids);
        let payload = received.get(theirs.len..)?;
        let mut packet = buffers::take(received.len() + ROOM);
        write_header(
            &mut packet,
            header,
            &[
                (self.ids.mid, Some(self.mid.as_bytes())),
                (self.ids.audio_level, values.audio_level),
                (self.ids.video_orientation, values.video_orientation),
                (self.ids.dependency_descriptor, values.dependency_descriptor),
            ],
        );
        let header = Header {
            len: packet.len(),
            ..*header
        };
        packet.extend_from_slice(payload);
        Some(Outgoing {
            header,
            packet,
            kind: self.kind,
        })
    }

    /// Keeps packets for as long as they can be asked for over a path with this round trip.
    pub fn set_round_trip(&mut self, rtt: Duration) {
        self.history_span = (rtt * HISTORY_ROUND_TRIPS).clamp(MIN_HISTORY_SPAN, HISTORY_SPAN);
    }

    fn keep(&mut self, now: Instant, header: &Header, media: &MediaPacket) {
        if !self.keeps_history {
            return;
        }
        let span = self.history_span;
        let stale = |sent: &Sent| now.saturating_duration_since(sent.at) > span;
        while self.history.len() >= MAX_HISTORY || self.history.front().is_some_and(stale) {
            self.history.pop_front();
        }
        self.history.push_back(Sent {
            packet: media.packet.clone(),
            ids: media.ids,
            sequence: header.sequence,
            timestamp: header.timestamp,
            at: now,
            again: None,
        });
    }

    /// Keeps nothing for retransmission of what was sent until now.
    pub fn forget_sent(&mut self) {
        self.history = VecDeque::new();
    }

    /// Answers a NACK for one packet: as a retransmission stream where agreed (RFC 4588), else the
    /// packet itself. `None` where it is gone, was just sent again, or too much was.
    pub fn retransmit(&mut self, now: Instant, sequence: u16) -> Option<Outgoing> {
        if self.rtx_sent.octets > RETRANSMIT_SHARE * self.sent.octets {
            return None;
        }
        // Newest first: that is what is asked for. Retransmissions received late lie out of order.
        let mut history = self.history.iter_mut().rev();
        let sent = history.find(|sent| sent.sequence == sequence)?;
        if sent.again.is_some_and(|at| now < at + RETRANSMIT_INTERVAL) {
            return None;
        }
        sent.again = Some(now);
        let (received, ids) = (sent.packet.clone(), sent.ids);
        let theirs = Header::parse(&received)?;
        let header = Header {
            sequence,
            timestamp: sent.timestamp,
            ssrc: self.stream.ssrc,
            ..theirs
        };
        let original = self.write(&header, &theirs, &received, &ids)?;
        self.rtx_sent.packets = self.rtx_sent.packets.wrapping_add(1);
        self.rtx_sent.octets += (original.packet.len() - original.header.len) as u64;
        let rtx_payload_type = self.codec(original.header.payload_type)?.rtx_payload_type;
        match (rtx_payload_type, self.stream.rtx_ssrc) {
            (Some(payload_type), Some(ssrc)) => {
                let sequence = self.rtx_sequence;
                self.rtx_sequence = sequence.wrapping_add(1);
                Some(wrap_rtx(&original, payload_type, ssrc, sequence))
            }
            _ => Some(original),
        }
    }

    /// Notes what the source said of its clocks: `ntp` already on our wall clock.
    pub fn set_source_clock(&mut self, ntp: u64, source_rtp: u32) {
        if let Some(source) = &self.source {
            let rtp = source_rtp.wrapping_add(source.timestamp_offset);
            self.source_clock = Some((ntp, rtp));
        }
    }

    /// The sender report due now, once something was sent.
    pub fn sender_info(&self, now: Instant, clock: &Clock) -> Option<SenderInfo> {
        let source = self.source.as_ref()?;
        let clock_rate = f64::from(self.codec(source.payload_type)?.clock_rate);
        let ntp = clock.ntp(now);
        let (then, rtp) = match self.source_clock {
            Some(known) => known,
            // Until the source reports, arrival stands for capture.
            None => (clock.ntp(source.last_at), source.last_timestamp),
        };
        let ticks = (ntp_seconds(ntp, then) * clock_rate) as i64;
        Some(SenderInfo {
            ssrc: self.stream.ssrc,
            ntp,
            rtp: rtp.wrapping_add(ticks as u32),
            packets: self.sent.packets,
            octets: self.sent.octets as u32,
        })
    }
}

/// RFC 4588 §4: the original's header with another SSRC, payload type and sequence number, and its
/// sequence number before the payload.
fn wrap_rtx(original: &Outgoing, payload_type: u8, ssrc: u32, sequence: u16) -> Outgoing {
    let header = Header {
        payload_type,
        ssrc,
        sequence,
        ..original.header
    };
    let (head, payload) = original.packet.split_at(original.header.len);
    let mut packet = buffers::take(original.packet.len() + ROOM);
    packet.extend_from_slice(head);
    packet[1] = u8::from(header.marker) << 7 | payload_type;
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&original.header.sequence.to_be_bytes());
    packet.extend_from_slice(payload);
    Outgoing {
        header,
        packet,
        kind: original.kind,
    }
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
    use super::*;
    use crate::media::sdp::Direction;

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
        MediaPacket {
            section: 0,
            header: Header::parse(&packet).unwrap(),
            ids: Extensions::default(),
            packet: packet.into(),
        }
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
    fn retransmits_once_in_a_while_and_not_more_than_its_share() {
        let mut egress = egress(MediaKind::Video);
        let now = Instant::now();
        egress.forward(now, &packet(7, 1, KEY), false).unwrap();
        let again = egress.retransmit(now, 500).unwrap();
        assert_eq!((again.header.ssrc, again.header.payload_type), (1001, 97));
        let original = unwrap_rtx(&again.packet, &again.header, 96, 1000).unwrap();
        let header = Header::parse(&original).unwrap();
        assert_eq!((header.sequence, &original[header.len..]), (500, KEY));
        assert!(egress.retransmit(now, 500).is_none(), "just sent");
        assert!(egress.retransmit(now, 499).is_none(), "never sent");
        let answered = (1..100)
            .filter(|i| {
                let at = now + RETRANSMIT_INTERVAL * *i;
                egress.retransmit(at, 500).is_some()
            })
            .count();
        assert!(answered < 4, "{answered} answers to a flood");
    }

    #[test]
    fn packets_are_kept_for_some_round_trips() {
        for (rtt, kept) in [
            (None, 1000),
            (Some(10), 400),
            (Some(150), 600),
            (Some(3000), 1000),
        ] {
            let mut egress = egress(MediaKind::Video);
            if let Some(rtt) = rtt {
                egress.set_round_trip(Duration::from_millis(rtt));
            }
            let start = Instant::now();
            egress.forward(start, &packet(7, 1, KEY), false).unwrap();
            for (after, sequence, is_there) in [(kept, 2, true), (kept + 1, 3, false)] {
                let now = start + Duration::from_millis(after);
                egress
                    .forward(now, &packet(7, sequence, DELTA), false)
                    .unwrap();
                let again = egress.retransmit(now, 500);
                assert_eq!(again.is_some(), is_there, "{after} ms, {rtt:?}");
            }
        }
    }
}
