//! A packet of the source with our header and our extensions instead of its own, and one with nothing in its place.

use super::Egress;
use super::outgoing::{Contents, Outgoing, UNNUMBERED, UNTIMED};
use crate::congestion::Purpose;
use crate::media::rtp::frame_numbers::{FrameNumbers, PictureFields};
use crate::media::rtp::header::{Header, WrittenElement, written_len};
use crate::media::rtp::packet::MediaPacket;

impl Egress {
    /// A packet with our header instead of its own.
    pub(super) fn outgoing<'a>(
        &'a self,
        header: Header,
        original: Option<u16>,
        (media, contents): (&'a MediaPacket, Contents<'a>),
        numbers: FrameNumbers,
    ) -> Outgoing<'a> {
        let (ids, received, found) = (&self.ids, &media.packet[..], &media.extensions);
        let elements = [
            match self.numbering_id() {
                None => (self.timing_id(), Some(&UNTIMED[..])),
                numbered => (numbered, Some(&UNNUMBERED[..])),
            },
            (
                ids.dependency_descriptor,
                found.dependency_descriptor.value(received),
            ),
            (ids.mid, Some(self.mid.as_bytes())),
            (ids.audio_level, found.audio_level.value(received)),
            (
                ids.video_orientation,
                found.video_orientation.value(received),
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
            contents,
            picture: media.picture,
            numbers,
            before: None,
        }
    }

    /// A packet with nothing in it, in the place of one.
    pub(super) fn empty(&self, header: Header, original: Option<u16>) -> Outgoing<'_> {
        let elements = self.bare_elements(match self.numbering_id() {
            None => (self.timing_id(), Some(&UNTIMED[..])),
            numbered => (numbered, Some(&UNNUMBERED[..])),
        });
        Outgoing {
            header: Header {
                len: written_len(&elements),
                marker: false,
                ..header
            },
            kind: self.kind,
            purpose: Purpose::Media,
            elements,
            original,
            contents: Contents::of(&[]),
            picture: PictureFields::default(),
            numbers: FrameNumbers::default(),
            before: None,
        }
    }

    /// The extensions of a packet that has nothing of a source's.
    pub(super) fn bare_elements<'a>(
        &'a self,
        first: WrittenElement<'a>,
    ) -> [WrittenElement<'a>; 5] {
        let mid = (self.ids.mid, Some(self.mid.as_bytes()));
        [first, (None, None), mid, (None, None), (None, None)]
    }
}
