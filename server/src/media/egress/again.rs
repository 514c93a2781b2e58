//! What goes out besides the packets of the source: those that the other end asks for again (RFC 4585, RFC
//! 4588), and those with nothing in them, which fill probes.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::outgoing::{Contents, Outgoing, UNNUMBERED, UNTIMED};
use super::sent::{HISTORY_SPAN, Sent, Wanted};
use super::{Egress, SentCodec};
use crate::congestion::Purpose;
use crate::media::rtp::frame_numbers::{FrameNumbers, PictureFields};
use crate::media::rtp::header::{FIXED_HEADER, Header, WrittenElement, written_len};
use crate::media::rtp::packet::MediaPacket;

/// How long at least, where the path has lost something of late. A radio link can be gone for some tenths
/// of a second whatever its round trip.
pub(super) const LOSSY_SPAN: Duration = Duration::from_millis(400);
/// How long until the round-trip time is known: most paths' would be kept for less.
pub const UNKNOWN_SPAN: Duration = Duration::from_millis(400);
/// How long at least where it has not: what is kept of a path that loses nothing is memory for nothing.
pub(super) const CLEAN_SPAN: Duration = Duration::from_millis(100);
/// How long at least while a keyframe is waited for: its first packet may have to be sent again before it comes.
pub(super) const OVERTAKEN_SPAN: Duration = Duration::from_millis(400);
/// How long a path that lost something is taken for one that will again.
pub(super) const LOSSY_FOR: Duration = Duration::from_secs(60);
/// Round trips that a packet is kept for: it is asked for after one half, and again after each.
const HISTORY_ROUND_TRIPS: u32 = 4;
/// The least time between two retransmissions of one packet, whatever the round trip.
pub const RETRANSMIT_INTERVAL: Duration = Duration::from_millis(20);
/// Retransmissions may add this many bytes per sent byte, so that NACKs cannot amplify.
const RETRANSMIT_SHARE: u64 = 2;

/// As much padding as a packet can have: its last byte counts it (RFC 3550 §5.1).
const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    padding[254] = 255;
    padding
};

impl Egress {
    /// The payload type and SSRC of retransmissions.
    pub(super) fn retransmits(&self, codec: SentCodec) -> Option<(u8, u32)> {
        codec.rtx_payload_type.zip(self.stream.rtx_ssrc)
    }

    /// Whether there are packets with nothing in them.
    pub fn has_padding(&self) -> bool {
        self.source.is_some() && self.padding_stream().is_some()
    }

    /// Whatever was agreed on since, or while nothing was sent.
    fn padding_stream(&self) -> Option<(u8, u32)> {
        let is_numbered = self.ids.transport_cc.is_some();
        let is_heard = |codec: &&SentCodec| codec.transport_cc && is_numbered || codec.remb;
        let mut codecs = self.codecs.iter().filter(is_heard);
        codecs.find_map(|codec| self.retransmits(*codec))
    }

    /// A packet with nothing in it, to fill a probe: one of the retransmissions, lest a number of the
    /// stream's own is missed.
    pub fn padding(&mut self) -> Option<Outgoing<'_>> {
        let (payload_type, ssrc) = self.padding_stream()?;
        let timestamp = self.source.as_ref()?.last_timestamp;
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        let elements = self.padding_elements();
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
            contents: Contents::of(&PADDING),
            picture: PictureFields::default(),
            numbers: FrameNumbers::default(),
            before: None,
        })
    }

    /// How long such a packet is.
    pub fn padding_size(&self) -> usize {
        written_len(&self.padding_elements()) + PADDING.len()
    }

    fn padding_elements(&self) -> [WrittenElement<'_>; 5] {
        self.bare_elements(match self.is_estimated() {
            true => (self.ids.abs_send_time, Some(&UNTIMED[..])),
            false => (self.ids.transport_cc, Some(&UNNUMBERED[..])),
        })
    }

    /// For how long packets are to be kept that may be asked for again, over a path with this round trip.
    pub fn keeps_for(&self, now: Instant, rtt: Option<Duration>) -> Duration {
        // The first packet of a keyframe may come after others of it, which are sent once it is known that it came.
        let least = match self.may_begin() || self.has_begun.is_some() {
            true => OVERTAKEN_SPAN,
            false => Duration::ZERO,
        };
        if !self.keeps_history || self.source.is_none() {
            return least;
        }
        least.max(self.keeps_sent_for(now, rtt))
    }

    /// What is sent is remembered for as long as it is kept for this stream, and for as long as others of a track
    /// mostly have it kept: a path that lost nothing until now may be gone for some tenths of a second.
    pub fn keep_sent_for(&mut self, span: Duration) {
        self.kept_for = span.clamp(LOSSY_SPAN, HISTORY_SPAN);
    }

    fn keeps_sent_for(&self, now: Instant, rtt: Option<Duration>) -> Duration {
        let is_lossy = self.asked.is_some_and(|at| now < at + LOSSY_FOR);
        let least = if is_lossy { LOSSY_SPAN } else { CLEAN_SPAN };
        rtt.map_or(UNKNOWN_SPAN, |rtt| {
            (rtt * HISTORY_ROUND_TRIPS).clamp(least, HISTORY_SPAN)
        })
    }

    /// A moment, in milliseconds since this stream began. It begins at 1.
    pub(super) fn ms(&mut self, now: Instant) -> NonZeroU32 {
        let created = *self.created.get_or_insert(now);
        let ms = now.saturating_duration_since(created).as_millis() as u32;
        NonZeroU32::MIN.saturating_add(ms)
    }

    /// Remembers a packet, with how many bytes of it were sent and how many pictures left out before it.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        header: &Header,
        media: &MediaPacket,
        (octets, left_out): (usize, u16),
    ) {
        if !self.keeps_history {
            return;
        }
        let at = self.ms(now);
        let span = self.kept_for.as_millis() as u32;
        self.history
            .drop_while(|sent| at.get() - sent.at.get() > span);
        let sent = Sent {
            ssrc: media.header.ssrc,
            sequence: media.header.sequence,
            octets: octets as u16,
            left_out,
            timestamp: header.timestamp,
            source: self.frames.source(),
            marker: header.marker,
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

    /// Which packet a NACK asks for, over a path with this round trip. `None` where it is too old, was just sent again,
    /// or too much was.
    pub fn wanted(&mut self, now: Instant, rtt: Option<Duration>, sequence: u16) -> Option<Wanted> {
        self.asked = Some(now);
        let (track, at) = (self.source.as_ref()?.track, self.ms(now));
        if self.sent_again > RETRANSMIT_SHARE * self.sent.octets {
            return None;
        }
        let sent = self.history.get_mut(sequence)?;
        let interval = retransmit_interval(rtt).as_millis() as u32;
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
            source: sent.source,
            left_out: sent.left_out,
            marker: sent.marker,
            is_empty: sent.octets == 0,
        })
    }

    /// It was not sent for that: what is said of it does not count against others.
    pub fn forgive(&mut self, wanted: &Wanted) {
        let octets = self.history.get(wanted.sequence).map_or(0, |it| it.octets);
        self.sent_again -= u64::from(octets).min(self.sent_again);
    }

    /// Sends a packet of pictures again, of sound nothing is kept: as a retransmission stream where agreed (RFC 4588),
    /// else as it was.
    pub fn retransmit<'a>(
        &'a mut self,
        wanted: &Wanted,
        media: &'a MediaPacket,
    ) -> Option<Outgoing<'a>> {
        let codec = self.codec(media.format)?;
        let contents = (media, Contents::of(media.payload()));
        let theirs = media.frame_numbers.without_pictures(wanted.left_out);
        let numbers = (self.frames).again(wanted.source, media.picture, theirs)?;
        let header = Header {
            payload_type: codec.payload_type,
            sequence: wanted.sequence,
            timestamp: wanted.timestamp,
            ssrc: self.stream.ssrc,
            padding: media.header.padding && !wanted.is_empty,
            marker: wanted.marker,
            ..media.header
        };
        let Some((payload_type, ssrc)) = self.retransmits(codec) else {
            return Some(match wanted.is_empty {
                true => self.empty(header, None),
                false => self.outgoing(header, None, contents, numbers),
            });
        };
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        let again = Header {
            payload_type,
            ssrc,
            sequence,
            ..header
        };
        let original = Some(header.sequence);
        Some(match wanted.is_empty {
            true => self.empty(again, original),
            false => self.outgoing(again, original, contents, numbers),
        })
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

/// The least time between two retransmissions of one packet: a NACK that crossed the first is no new loss, and on a path
/// whose queue is full a second one keeps it so. A little less than a round trip, which may have become shorter since.
fn retransmit_interval(rtt: Option<Duration>) -> Duration {
    let shorter = rtt.unwrap_or_default() * 3 / 4;
    shorter.clamp(RETRANSMIT_INTERVAL, HISTORY_SPAN)
}
