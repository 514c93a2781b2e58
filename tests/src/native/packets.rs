//! Frames to RTP packets, and back: Opus as it is (RFC 7587), VP8 with its descriptor (RFC 7741).

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use ferrite_protocol::MediaKind;
use rtc::rtp::codec::vp8::{Vp8Packet, Vp8Payloader};
use rtc::rtp::packetizer::{Depacketizer, Payloader};
use rtc::rtp::{Header, Packet};

use super::clip::{Clip, Frame};

/// What fits into a packet on every path.
const MTU: usize = 1100;

/// The packets of a clip, those of each frame together. Their payload type and SSRC are the
/// connection's to say.
pub fn packets(clip: &Clip) -> Result<Vec<Vec<Packet>>> {
    let mut number = 0_u16;
    let mut payloader = Vp8Payloader::default();
    let packets = clip.frames.iter().map(|frame| {
        let bytes = Bytes::copy_from_slice(&frame.bytes);
        let payloads = match clip.kind {
            MediaKind::Audio => vec![bytes],
            MediaKind::Video => payloader.payload(MTU, &bytes)?,
        };
        let last = payloads.len().saturating_sub(1);
        let packets = payloads.into_iter().enumerate().map(|(at, payload)| {
            let header = Header {
                version: 2,
                marker: clip.kind == MediaKind::Video && at == last,
                sequence_number: number,
                // It wraps, as it should.
                timestamp: frame.at as u32,
                ..Header::default()
            };
            number = number.wrapping_add(1);
            Packet { header, payload }
        });
        Ok(packets.collect())
    });
    packets.collect()
}

/// Whether a packet of VP8 is the first of a keyframe.
pub(super) fn begins_keyframe(packet: &Packet) -> bool {
    let mut descriptor = Vp8Packet::default();
    let payload = descriptor.depacketize(&packet.payload);
    let is_first = descriptor.s == 1 && descriptor.pid == 0;
    // RFC 6386 §9.1: the first bit says that it needs another.
    is_first && payload.is_ok_and(|payload| payload.first().is_some_and(|byte| byte & 1 == 0))
}

/// Packets that came, in whatever order, and what frames they are.
#[derive(Debug)]
pub struct Assembler {
    kind: MediaKind,
    packets: BTreeMap<u64, Packet>,
    /// The greatest number, with how often it wrapped; and the greatest timestamp.
    last: Option<(u64, u64)>,
    times: BTreeMap<u64, u64>,
}

impl Assembler {
    /// Nothing came yet.
    #[must_use]
    pub fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            packets: BTreeMap::new(),
            last: None,
            times: BTreeMap::new(),
        }
    }

    /// A packet came.
    pub fn push(&mut self, packet: Packet) {
        let header = &packet.header;
        // Far from nothing, so that what comes late is not before it.
        let (number, time) = self.last.unwrap_or((
            (1 << 16) + u64::from(header.sequence_number),
            (1 << 32) + u64::from(header.timestamp),
        ));
        let ahead = header.sequence_number.wrapping_sub(number as u16) as i16;
        let later = header.timestamp.wrapping_sub(time as u32) as i32;
        let number_of_it = number.saturating_add_signed(ahead.into());
        let time_of_it = time.saturating_add_signed(later.into());
        self.last = Some((number.max(number_of_it), time.max(time_of_it)));
        self.times.insert(number_of_it, time_of_it);
        self.packets.insert(number_of_it, packet);
    }

    /// The whole frames so far. Of pictures none is before the first keyframe.
    #[must_use]
    pub fn clip(&self) -> Clip {
        let mut frames = match self.kind {
            MediaKind::Audio => self.sounds(),
            MediaKind::Video => self.pictures(),
        };
        let first = frames.first().map_or(0, |frame| frame.at);
        for frame in &mut frames {
            frame.at = frame.at.saturating_sub(first);
        }
        Clip {
            kind: self.kind,
            frames,
        }
    }

    fn sounds(&self) -> Vec<Frame> {
        let timed = self.packets.values().zip(self.times.values());
        let frames = timed.map(|(packet, at)| Frame {
            at: *at,
            bytes: packet.payload.to_vec(),
        });
        // Padding, which probes for bandwidth.
        frames.filter(|frame| !frame.bytes.is_empty()).collect()
    }

    fn pictures(&self) -> Vec<Frame> {
        let (mut frames, mut open) = (Vec::new(), None::<(u64, Vec<u8>)>);
        for ((number, packet), at) in self.packets.iter().zip(self.times.values()) {
            let mut descriptor = Vp8Packet::default();
            let Ok(payload) = descriptor.depacketize(&packet.payload) else {
                open = None;
                continue;
            };
            let begins = descriptor.s == 1 && descriptor.pid == 0;
            open = match open {
                _ if begins => Some((*number, payload.to_vec())),
                Some((before, mut bytes)) if before + 1 == *number => {
                    bytes.extend(&payload);
                    Some((*number, bytes))
                }
                _ => None,
            };
            if packet.header.marker
                && let Some((_, bytes)) = open.take()
            {
                frames.push(Frame { at: *at, bytes });
            }
        }
        // RFC 6386 §9.1: the first bit says that it needs another.
        let is_key = |frame: &Frame| frame.bytes.first().is_some_and(|byte| byte & 1 == 0);
        let first = frames.iter().position(is_key).unwrap_or(frames.len());
        frames.split_off(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(kind: MediaKind) -> Clip {
        let frame = |n: u64| Frame {
            at: n * 3000,
            // The first byte of every tenth says that it is a keyframe.
            bytes: std::iter::once(u8::from(!n.is_multiple_of(10)))
                .chain(std::iter::repeat_n(n as u8, 5 + 40 * n as usize))
                .collect(),
        };
        let frames = (0..100).map(frame).collect();
        Clip { kind, frames }
    }

    /// Packets as they come after others, whose numbers are about to wrap.
    fn sent(clip: &Clip) -> Vec<Packet> {
        let mut sent = packets(clip).unwrap().concat();
        for packet in &mut sent {
            let header = &mut packet.header;
            header.sequence_number = header.sequence_number.wrapping_sub(60);
            header.timestamp = header.timestamp.wrapping_sub(50_000);
        }
        sent
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_order() {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let clip = clip(kind);
            let mut assembler = Assembler::new(kind);
            let mut sent = sent(&clip);
            for pair in sent.chunks_mut(2) {
                pair.reverse();
            }
            for packet in &sent {
                assembler.push(packet.clone());
            }
            sent.iter().for_each(|it| assembler.push(it.clone()));
            assert!(assembler.clip() == clip, "{kind:?} came out changed");
        }
    }

    #[test]
    fn a_picture_that_lacks_a_packet_is_left_out_and_so_is_what_comes_before_a_keyframe() {
        let whole = clip(MediaKind::Video);
        let mut assembler = Assembler::new(MediaKind::Video);
        let frames: Vec<_> = packets(&whole).unwrap();
        for (at, mut frame) in frames.into_iter().enumerate().skip(5) {
            if at == 90 {
                frame.remove(1);
            }
            frame.into_iter().for_each(|it| assembler.push(it));
        }
        let bytes = |frames: &[Frame]| {
            let bytes = frames.iter().map(|it| it.bytes.clone());
            bytes.collect::<Vec<_>>()
        };
        let expected = [&whole.frames[10..90], &whole.frames[91..]].concat();
        let kept = bytes(&assembler.clip().frames);
        assert!(kept == bytes(&expected), "{} frames", kept.len());
    }
}
