//! A packet that has its numbers and is to be written later: nothing of it is copied, and none of its bytes are sealed
//! before it leaves. Where it is not to leave any more its number is another's.

use super::Egress;
use super::outgoing::Outgoing;
use crate::media::rtp::frame_numbers::FrameNumbers;
use crate::media::rtp::header::Header;
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::MediaKind;

/// One of pictures.
#[derive(Debug)]
pub struct Unwritten {
    header: Header,
    numbers: FrameNumbers,
    /// The newest numbers of frames that were given before it, unless it came late.
    before: Option<FrameNumbers>,
    /// Payload bytes; of one that is sent for its number alone, 0.
    octets: usize,
    media: MediaPacket,
}

impl Outgoing<'_> {
    /// What is to be kept of it, and of what it is made of, to write it later.
    pub fn put_off(&self, media: &MediaPacket) -> Unwritten {
        Unwritten {
            header: self.header,
            numbers: self.numbers,
            before: self.before,
            octets: self.contents.payload.len(),
            media: media.clone(),
        }
    }
}

impl Unwritten {
    /// Its number.
    pub fn sequence(&self) -> u16 {
        self.header.sequence
    }

    /// Payload bytes that are sent of it.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Bytes that it keeps from being forgotten.
    pub fn kept(&self) -> usize {
        self.media.packet.len()
    }
}

impl Egress {
    /// One is not sent as yet: it counts as it leaves (RFC 3550 §6.4.1).
    pub fn put_off(&mut self, octets: usize) {
        self.sent.packets = self.sent.packets.wrapping_sub(1);
        self.sent.octets -= (octets as u64).min(self.sent.octets);
    }

    /// It, to be written now: as its codec was agreed on, whatever was sent since.
    pub fn resume<'a>(&'a mut self, unwritten: &'a Unwritten) -> Option<Outgoing<'a>> {
        let Unwritten { header, media, .. } = unwritten;
        self.codec(media.format)?;
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets += unwritten.octets as u64;
        Some(match unwritten.octets {
            0 => self.empty(*header, None),
            _ => {
                let contents = (media, super::Contents::of(media.payload()));
                self.outgoing(*header, None, contents, unwritten.numbers)
            }
        })
    }

    /// Something is not sent that has a number: the decoder cannot go on before the next keyframe, and needs nothing of
    /// what came before it again.
    pub fn lose(&mut self) {
        self.history.clear();
        self.awaits_keyframe |= self.kind == MediaKind::Video;
    }

    /// Whether what was shown is not any more, and nothing else is as yet.
    pub fn is_over(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is_over)
    }

    /// These are not sent, in the order of their numbering: what is shown next has their numbers and those of their
    /// frames, as far as none was sent that comes after them. Nothing that was sent until now is sent again: its numbers
    /// cannot be told from theirs, and the cipher takes each once (RFC 7714 §8.3).
    pub fn take_back<'u>(&mut self, unwritten: impl DoubleEndedIterator<Item = &'u Unwritten>) {
        let Some(source) = &self.source else { return };
        let mut next = self.next.unwrap_or(source.numbering.next());
        for unwritten in unwritten.rev() {
            self.history.clear();
            // All that was given after one that was the newest has a greater number, and waited behind it.
            if let Some(before) = unwritten.before {
                next = unwritten.sequence();
                self.frames.take_back(before);
            }
        }
        self.next = Some(next);
    }
}
