//! Of which temporal layer a packet's frame is, and who may be shown more layers from it on, as its payload says: VP8
//! and VP9. Knows nothing of streams. Other codecs say so by the dependency descriptor, if at all.

use crate::congestion::ALL_TEMPORAL;
use crate::media::rtp::vp9::Descriptor;
use crate::media::sdp::CodecKind;

/// What a packet says of its frame's temporal layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Temporal {
    /// The layer: 0 is the lowest, which needs no other. Those above [`ALL_TEMPORAL`] count as that.
    pub id: u8,
    /// Whoever is shown all layers up to this one,
    pub needs: u8,
    /// may be shown all up to this one from this packet on. It is 0 where there is nothing to begin with.
    pub opens: u8,
}

impl Temporal {
    /// What a payload says. `None` where it says nothing.
    pub fn read(codec: CodecKind, payload: &[u8], starts_keyframe: bool) -> Option<Self> {
        let read = match codec {
            CodecKind::Vp8 => vp8(payload),
            CodecKind::Vp9 => vp9(payload),
            CodecKind::Opus | CodecKind::Red | CodecKind::H264 | CodecKind::Av1 => None,
        };
        read.map(|temporal| match starts_keyframe {
            true => temporal.of_keyframe(),
            false => temporal,
        })
    }

    /// That of a frame that needs no other.
    pub fn of_keyframe(self) -> Self {
        Self {
            needs: 0,
            opens: ALL_TEMPORAL,
            ..self
        }
    }

    /// A layer at a frame that needs nothing of its own layer: it is for those who have all below it. What comes of
    /// layers above it may need some of it that they have not.
    fn synchronised(id: u8, is_switch: bool) -> Self {
        let id = id.min(ALL_TEMPORAL);
        Self {
            id,
            needs: id.saturating_sub(1),
            opens: if is_switch { id } else { 0 },
        }
    }

    /// That of a frame that may be one to switch up at, to who is sent no frame before it of its picture.
    pub fn of_frame(self, is_switch: bool) -> Self {
        match (self.id, is_switch) {
            _ if self.opens > 0 => self,
            (0, true) => self.of_keyframe(),
            (id, is_switch) => Self::synchronised(id, is_switch),
        }
    }

    /// How many layers are shown from this packet on to who was `shown` all up to one, and may be up to `limit`.
    pub fn raised(self, shown: u8, limit: u8) -> u8 {
        match shown >= self.needs {
            true => self.opens.min(limit).max(shown),
            false => shown,
        }
    }
}

/// RFC 7741 §4.2: TID, and Y where the frame needs the lowest layer alone.
fn vp8(payload: &[u8]) -> Option<Temporal> {
    let first = *payload.first()?;
    let extensions = *payload.get(1).filter(|_| first & 0x80 != 0)?;
    if extensions & 0x20 == 0 {
        return None;
    }
    let mut at = 2;
    if extensions & 0x80 != 0 {
        at += 1 + usize::from(payload.get(at)? >> 7);
    }
    at += usize::from(extensions & 0x40 != 0);
    let layer = payload.get(at)?;
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    Some(Temporal::synchronised(
        layer >> 6,
        begins && layer & 0x20 != 0,
    ))
}

/// RFC 9628 §4.2: TID, and U where one may switch up: what comes of layers above the picture's needs nothing of those from
/// before it. Encoders set it where a picture needs none of its own layer, too.
fn vp9(payload: &[u8]) -> Option<Temporal> {
    let descriptor = Descriptor::read(payload)?;
    let (id, is_switch) = descriptor.temporal()?;
    let is_switch = is_switch && descriptor.begins() && descriptor.spatial() == 0;
    let temporal = Temporal::synchronised(id, is_switch);
    Some(match temporal.id == 0 && is_switch {
        true => temporal.of_keyframe(),
        false => temporal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(codec: CodecKind, payload: &[u8]) -> Option<(u8, u8, u8)> {
        let read = Temporal::read(codec, payload, false)?;
        Some((read.id, read.needs, read.opens))
    }

    #[test]
    fn layers_and_switching_points_are_where_their_formats_say() {
        use CodecKind::{H264, Vp8, Vp9};
        let cases: [(_, &[u8], _); 17] = [
            (Vp8, &[0x10, 1], None),
            (Vp8, &[0x90, 0x80, 0x12, 1], None),
            (Vp8, &[0x90, 0x20, 0x40, 1], Some((1, 0, 0))),
            (Vp8, &[0x90, 0x20, 0x60, 1], Some((1, 0, 1))),
            (Vp8, &[0x90, 0xE0, 0x12, 9, 0xA0, 1], Some((2, 1, 2))),
            (Vp8, &[0x90, 0xE0, 0x92, 9, 9, 0xA0, 1], Some((2, 1, 2))),
            // Not where a frame begins.
            (Vp8, &[0x80, 0x20, 0x60, 1], Some((1, 0, 0))),
            (Vp8, &[0x91, 0x20, 0x60, 1], Some((1, 0, 0))),
            (Vp8, &[0x90, 0xE0, 0x92, 9, 9], None),
            (Vp9, &[0xC8, 0x12, 1], None),
            (Vp9, &[0x68, 0x50, 1], Some((2, 1, 2))),
            (Vp9, &[0xE8, 0x92, 0x34, 0x40, 7], Some((2, 1, 0))),
            // From a picture of the lowest layer on everything may be shown, if nothing above needs what was before.
            (Vp9, &[0x68, 0x10, 1], Some((0, 0, ALL_TEMPORAL))),
            (Vp9, &[0x68, 0x00, 1], Some((0, 0, 0))),
            // Above what is told apart; not where a picture begins.
            (Vp9, &[0xF8, 0x12, 0xF0, 1], Some((3, 2, 3))),
            (Vp9, &[0x68, 0x52, 1], Some((2, 1, 0))),
            (H264, &[0x90, 0x20, 0x60, 1], None),
        ];
        for (codec, payload, expected) in cases {
            assert_eq!(read(codec, payload), expected, "{codec:?} {payload:02x?}");
        }
    }

    #[test]
    fn who_lacks_what_a_layer_needs_is_not_shown_it() {
        let second = Temporal::synchronised(2, true);
        assert_eq!([0, 1, 2].map(|shown| second.raised(shown, 3)), [0, 2, 2]);
        assert_eq!(second.raised(1, 1), 1);
        let key = Temporal::synchronised(0, false).of_keyframe();
        assert_eq!([0, 1, 3].map(|limit| key.raised(0, limit)), [0, 1, 3]);
        assert_eq!(Temporal::default().raised(0, 3), 0);
    }
}
