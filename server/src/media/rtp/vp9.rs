//! VP9's payload descriptor (RFC 9628 §4.2): where its fields lie and what they say, for all who ask. Knows nothing of
//! streams.

use crate::media::rtp::sizes::Sizes;

/// What a payload says before its picture begins. It is whole up to the layers; what comes after may be missing.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor<'p> {
    payload: &'p [u8],
    first: u8,
    /// Where the octet of the layers lies, or would.
    layers_at: u8,
}

impl<'p> Descriptor<'p> {
    /// Reads one. `None` where it is cut off.
    pub fn read(payload: &'p [u8]) -> Option<Self> {
        let first = *payload.first()?;
        let layers_at = match first & 0x80 != 0 {
            true => 2 + (payload.get(1)? >> 7),
            false => 1,
        };
        let has_layers = first & 0x20 != 0;
        let len = usize::from(layers_at) + usize::from(has_layers);
        (payload.len() >= len).then_some(Self {
            payload,
            first,
            layers_at,
        })
    }

    /// Where the picture id lies, and whether it has 15 bits (I, M).
    pub(super) fn picture_id(&self) -> Option<(u8, bool)> {
        (self.first & 0x80 != 0).then_some((1, self.layers_at > 2))
    }

    /// Where the TL0PICIDX lies: it is where the layers are told, and not in flexible mode (F).
    pub(super) fn tl0_at(&self) -> Option<u8> {
        let at = self.layers_at + 1;
        let is_there = self.first & 0x30 == 0x20 && self.payload.len() > at.into();
        is_there.then_some(at)
    }

    /// It is not predicted from pictures before it (P).
    pub(super) fn is_intra(&self) -> bool {
        self.first & 0x40 == 0
    }

    /// A frame begins with it (B),
    pub(super) fn begins(&self) -> bool {
        self.first & 0x08 != 0
    }

    /// or ends (E).
    pub(super) fn ends(&self) -> bool {
        self.first & 0x04 != 0
    }

    /// The frames of larger layers of the same picture need its own (Z).
    pub(super) fn is_for_larger(&self) -> bool {
        self.first & 0x01 == 0
    }

    /// Whether it says of which layers it is (L).
    pub fn has_layers(&self) -> bool {
        self.first & 0x20 != 0
    }

    fn layers(&self) -> Option<u8> {
        let octet = self.payload.get(usize::from(self.layers_at));
        octet.filter(|_| self.has_layers()).copied()
    }

    /// The temporal layer (TID), and whether one may switch up to it there (U).
    pub(super) fn temporal(&self) -> Option<(u8, bool)> {
        let layers = self.layers()?;
        Some((layers >> 5, layers & 0x10 != 0))
    }

    /// The spatial layer (SID). Of one alone it may not be said which it is.
    pub(super) fn spatial(&self) -> u8 {
        self.layers().map_or(0, |layers| layers >> 1 & 0x07)
    }

    /// How many spatial layers it tells of, and how large they are (V; §4.2.1).
    pub fn structure(&self) -> Option<(u8, Sizes)> {
        if self.first & 0x02 == 0 || !self.has_layers() {
            return None;
        }
        let mut at = usize::from(self.layers_at) + 1;
        if self.first & 0x10 == 0 {
            at += 1;
        } else if !self.is_intra() {
            // No more than three references, of which each says whether there is another.
            let more = |at: &usize| self.payload.get(*at).is_some_and(|byte| byte & 1 != 0);
            at += 1 + (at..at + 2).take_while(more).count();
        }
        let head = *self.payload.get(at)?;
        let count = (head >> 5) + 1;
        let mut sizes = Sizes::default();
        if head & 0x10 != 0 {
            let told = self.payload.get(at + 1..)?;
            let told = told.get(..4 * usize::from(count))?;
            for (size, told) in sizes.iter_mut().zip(told.chunks(4)) {
                *size = (number(told, 0)?, number(told, 2)?);
            }
        }
        Some((count, sizes))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = (Option<(u8, bool)>, Option<u8>, Option<(u8, bool)>, u8);

    #[test]
    fn fields_are_where_the_format_says() {
        let cases: [(&[u8], Option<Fields>); 8] = [
            (&[0x08], Some((None, None, None, 0))),
            (&[0x88, 0x12], Some((Some((1, false)), None, None, 0))),
            (&[0x88, 0x92, 0x34], Some((Some((1, true)), None, None, 0))),
            (&[0x20, 0x54, 9], Some((None, Some(2), Some((2, true)), 2))),
            (
                &[0xA0, 0x92, 0x34, 0x2E],
                Some((Some((1, true)), None, Some((1, false)), 7)),
            ),
            // Flexible mode.
            (&[0x30, 0x54, 9], Some((None, None, Some((2, true)), 2))),
            (&[0x88, 0x92], None),
            (&[0xA0, 0x12], None),
        ];
        for (payload, expected) in cases {
            let read = Descriptor::read(payload);
            let read = read.map(|it| (it.picture_id(), it.tl0_at(), it.temporal(), it.spatial()));
            assert_eq!(read, expected, "{payload:02x?}");
        }
        let bits = |first: u8| {
            let it = Descriptor {
                payload: &[],
                first,
                layers_at: 1,
            };
            [it.is_intra(), it.begins(), it.ends(), it.is_for_larger()]
        };
        assert_eq!(bits(0x00), [true, false, false, true]);
        assert_eq!(bits(0x40), [false, false, false, true]);
        assert_eq!(bits(0x0C), [true, true, true, true]);
        assert_eq!(bits(0x01), [true, false, false, false]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_within_it(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            if let Some(it) = Descriptor::read(&payload) {
                let at = it.tl0_at().unwrap_or(0).max(it.picture_id().map_or(0, |(at, is_wide)| at + u8::from(is_wide)));
                proptest::prop_assert!(usize::from(at) < payload.len());
                let count = it.structure().map_or(1, |(count, _)| count);
                proptest::prop_assert!((1..=8).contains(&count) && it.spatial() < 8);
            }
        }
    }
}
