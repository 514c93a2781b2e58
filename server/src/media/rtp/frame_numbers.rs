//! What a packet says of its frame's place among others, besides RTP's own numbers: the dependency descriptor's
//! frame number, and the picture id and TL0PICIDX of VP8 and VP9. Where they lie, what they are, and other ones in
//! their place. Knows nothing of streams.

use crate::media::rtp::vp9::Descriptor;
use crate::media::sdp::CodecKind;

/// The bits of the picture id's longer form; the shorter has seven.
const WIDE: u16 = 0x7FFF;
const NARROW: u16 = 0x7F;

/// The frame number follows the first byte, which says where the frame begins and ends (AV1 RTP specification,
/// appendix A.8.2).
const FRAME_NUMBER_AT: usize = 1;

/// Where a payload has its picture id and its TL0PICIDX, in bytes from its beginning. No payload begins with
/// either: 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureFields {
    id_at: u8,
    id_is_wide: bool,
    tl0_at: u8,
}

impl PictureFields {
    /// Finds them in a payload.
    pub fn find(codec: CodecKind, payload: &[u8]) -> Self {
        let fields = match codec {
            CodecKind::Vp8 => Self::vp8(payload),
            CodecKind::Vp9 => Self::vp9(payload),
            CodecKind::Opus | CodecKind::Red | CodecKind::H264 | CodecKind::Av1 => None,
        };
        fields.unwrap_or_default()
    }

    /// RFC 7741 §4.2.
    fn vp8(payload: &[u8]) -> Option<Self> {
        let has_extensions = payload.first()? & 0x80 != 0;
        let extensions = *payload.get(1).filter(|_| has_extensions)?;
        let mut fields = Self::default();
        let mut at = 2;
        if extensions & 0x80 != 0 {
            at += fields.id(payload, at)?;
        }
        fields.tl0(payload, at, extensions & 0x40 != 0)
    }

    fn vp9(payload: &[u8]) -> Option<Self> {
        let descriptor = Descriptor::read(payload)?;
        let (id_at, id_is_wide) = descriptor.picture_id().unwrap_or_default();
        Some(Self {
            id_at,
            id_is_wide,
            tl0_at: descriptor.tl0_at().unwrap_or(0),
        })
    }

    /// Notes a picture id, and returns its length.
    fn id(&mut self, payload: &[u8], at: u8) -> Option<u8> {
        self.id_is_wide = payload.get(usize::from(at))? & 0x80 != 0;
        let len = 1 + u8::from(self.id_is_wide);
        payload.get(usize::from(at + len - 1))?;
        self.id_at = at;
        Some(len)
    }

    fn tl0(mut self, payload: &[u8], at: u8, is_there: bool) -> Option<Self> {
        let is_there = is_there && payload.len() > usize::from(at);
        self.tl0_at = if is_there { at } else { 0 };
        Some(self)
    }

    fn mask(self) -> u16 {
        if self.id_is_wide { WIDE } else { NARROW }
    }
}

/// The numbers of a packet's frame, those that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameNumbers {
    /// VP8's and VP9's picture id, in 15 bits or 7.
    pub picture: Option<u16>,
    /// The lowest temporal layer's count.
    pub tl0: Option<u8>,
    /// The dependency descriptor's frame number.
    pub frame: Option<u16>,
}

impl FrameNumbers {
    /// Reads them.
    pub fn read(fields: PictureFields, payload: &[u8], descriptor: Option<&[u8]>) -> Self {
        let pair = |bytes: &[u8], at: usize| {
            let pair = bytes.get(at..)?.first_chunk()?;
            Some(u16::from_be_bytes(*pair))
        };
        let byte = |at: u8| payload.get(usize::from(at)).filter(|_| at != 0).copied();
        let picture = match fields.id_is_wide {
            true => pair(payload, fields.id_at.into()),
            false => byte(fields.id_at).map(u16::from),
        };
        Self {
            picture: picture.map(|picture| picture & fields.mask()),
            tl0: byte(fields.tl0_at),
            frame: descriptor.and_then(|descriptor| pair(descriptor, FRAME_NUMBER_AT)),
        }
    }

    /// Those of a frame before which so many pictures were left out that have no number.
    pub fn without_pictures(self, left_out: u16) -> Self {
        Self {
            picture: self.picture.map(|picture| picture.wrapping_sub(left_out)),
            ..self
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Writes the picture's over those in a payload.
    pub fn write_picture(&self, fields: PictureFields, payload: &mut [u8]) {
        let at = usize::from(fields.id_at);
        match self.picture {
            Some(picture) if fields.id_is_wide => {
                put(payload, at, &(picture | 0x8000).to_be_bytes())
            }
            Some(picture) => put(payload, at, &[(picture & NARROW) as u8]),
            None => {}
        }
        if let Some(tl0) = self.tl0 {
            put(payload, fields.tl0_at.into(), &[tl0]);
        }
    }

    /// Writes the frame's over the one in a dependency descriptor.
    pub fn write_frame(&self, descriptor: &mut [u8]) {
        if let Some(frame) = self.frame {
            put(descriptor, FRAME_NUMBER_AT, &frame.to_be_bytes());
        }
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// What turns a source's numbers into ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameOffsets {
    picture: u16,
    tl0: u8,
    frame: u16,
}

impl FrameOffsets {
    /// So that `theirs` come right after `last`, which is ours. What we never sent is left as it is.
    pub fn after(last: FrameNumbers, theirs: FrameNumbers) -> Self {
        let next = |last: Option<u16>, theirs: Option<u16>| match (last, theirs) {
            (Some(last), Some(theirs)) => last.wrapping_add(1).wrapping_sub(theirs),
            _ => 0,
        };
        let wide = |tl0: Option<u8>| tl0.map(u16::from);
        Self {
            picture: next(last.picture, theirs.picture),
            tl0: next(wide(last.tl0), wide(theirs.tl0)) as u8,
            frame: next(last.frame, theirs.frame),
        }
    }

    /// Our numbers.
    pub fn ours(self, fields: PictureFields, theirs: FrameNumbers) -> FrameNumbers {
        FrameNumbers {
            picture: (theirs.picture)
                .map(|picture| picture.wrapping_add(self.picture) & fields.mask()),
            tl0: theirs.tl0.map(|tl0| tl0.wrapping_add(self.tl0)),
            frame: theirs.frame.map(|frame| frame.wrapping_add(self.frame)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(codec: CodecKind, payload: &[u8]) -> (Option<u16>, Option<u8>) {
        let fields = PictureFields::find(codec, payload);
        let numbers = FrameNumbers::read(fields, payload, None);
        (numbers.picture, numbers.tl0)
    }

    #[test]
    fn pictures_have_numbers_where_their_formats_say() {
        use CodecKind::{Vp8, Vp9};
        let cases: [(_, &[u8], _); 14] = [
            (Vp8, &[0x10, 0], (None, None)),
            (Vp8, &[0x90, 0x80, 0x12, 0], (Some(0x12), None)),
            (Vp8, &[0x90, 0x80, 0x92, 0x34, 0], (Some(0x1234), None)),
            (
                Vp8,
                &[0x90, 0xE0, 0x92, 0x34, 7, 0, 0],
                (Some(0x1234), Some(7)),
            ),
            (Vp8, &[0x90, 0x40, 7, 0], (None, Some(7))),
            (Vp8, &[0x90, 0x80, 0x92], (None, None)),
            (Vp8, &[0x90, 0x80], (None, None)),
            (Vp8, &[], (None, None)),
            (Vp9, &[0x08, 0], (None, None)),
            (Vp9, &[0x88, 0x12, 0], (Some(0x12), None)),
            (
                Vp9,
                &[0xA8, 0x92, 0x34, 0x20, 7, 0],
                (Some(0x1234), Some(7)),
            ),
            // Flexible mode.
            (Vp9, &[0xB8, 0x92, 0x34, 0x20, 7, 0], (Some(0x1234), None)),
            (Vp9, &[0xA8, 0x92, 0x34, 0x20], (Some(0x1234), None)),
            (CodecKind::H264, &[0x90, 0xE0, 0x92, 0x34, 7], (None, None)),
        ];
        for (codec, payload, expected) in cases {
            assert_eq!(read(codec, payload), expected, "{codec:?} {payload:02x?}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for codec in [CodecKind::Vp8, CodecKind::Vp9] {
            let mut payload = match codec {
                CodecKind::Vp8 => vec![0x90, 0xE0, 0xFF, 0xFF, 255, 0x21, 9],
                _ => vec![0xA8, 0xFF, 0xFF, 0x20, 255, 9, 9],
            };
            let mut descriptor = [0xC1, 0xFF, 0xFF, 9];
            let fields = PictureFields::find(codec, &payload);
            let theirs = FrameNumbers::read(fields, &payload, Some(&descriptor));
            let last = FrameNumbers {
                picture: Some(WIDE),
                tl0: Some(255),
                frame: Some(u16::MAX),
            };
            assert_eq!(theirs, last);
            let ours = FrameOffsets::after(last, theirs).ours(fields, theirs);
            ours.write_picture(fields, &mut payload);
            ours.write_frame(&mut descriptor);
            assert_eq!(
                FrameNumbers::read(fields, &payload, Some(&descriptor)),
                ours
            );
            let next = (ours.picture, ours.tl0, ours.frame);
            assert_eq!(next, (Some(0), Some(0), Some(0)), "{codec:?}");
            // Nothing beside them.
            assert_eq!(
                (payload[0], descriptor[0]),
                (if codec == CodecKind::Vp8 { 0x90 } else { 0xA8 }, 0xC1)
            );
            assert_eq!((payload[6], descriptor[3]), (9, 9));
        }
    }
}
