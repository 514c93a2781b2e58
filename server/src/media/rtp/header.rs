//! RTP headers (RFC 3550 §5.1) and their extensions (RFC 8285), read in place and written anew.
//!
//! Knows bytes only: not what a stream is, who sent it or where it goes. Nothing here allocates but the buffer it writes to.

use bytes::{BufMut, BytesMut};

use crate::media::rtp::work;
use crate::media::sdp::Extensions;

/// The length of a header without contributing sources or extensions.
pub const FIXED_HEADER: usize = 12;

/// The profile of one-byte extension elements (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xBEDE;
/// The profile of two-byte extension elements, of which the low four bits are the sender's (§4.3).
const TWO_BYTE: u16 = 0x1000;

/// The fixed fields of a header, and where the payload starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// The last payload byte counts padding bytes.
    pub padding: bool,
    /// The payload type.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The media timestamp, in units of the codec's clock.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
    /// The length of the whole header in bytes, contributing sources and extensions included.
    pub len: usize,
    /// Where the extension block starts, its four-byte head included; 0 is none.
    pub(in crate::media) extensions_at: usize,
}

impl Header {
    /// Reads a header. `None` is a packet that is not RTP, or cut off.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED_HEADER] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut len = FIXED_HEADER + 4 * usize::from(fixed[0] & 0x0F);
        let mut extensions_at = 0;
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(len + 2..len + 4)?;
            extensions_at = len;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        (packet.len() >= len).then(|| Self {
            marker: fixed[1] & 0x80 != 0,
            padding: fixed[0] & 0x20 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            len,
            extensions_at,
        })
    }

    /// The extension elements of the packet this header was parsed from.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Elements<'a> {
        let at = self.extensions_at;
        if at == 0 || packet.len() < self.len {
            return Elements::default();
        }
        let profile = u16::from_be_bytes([packet[at], packet[at + 1]]);
        Elements {
            rest: &packet[at + 4..self.len],
            form: Form::of(profile),
        }
    }

    /// The number of bytes that are media: neither header nor padding. 0 is a padding-only packet.
    pub fn payload_len(&self, packet: &[u8]) -> usize {
        let padding = match packet.last() {
            Some(&count) if self.padding => usize::from(count),
            _ => 0,
        };
        packet
            .len()
            .saturating_sub(self.len)
            .saturating_sub(padding)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Unknown,
    OneByte,
    TwoByte,
}

impl Form {
    fn of(profile: u16) -> Self {
        match profile {
            ONE_BYTE => Self::OneByte,
            profile if profile & 0xFFF0 == TWO_BYTE => Self::TwoByte,
            _ => Self::Unknown,
        }
    }
}

/// Iterates over extension elements as `(id, value)`. A malformed block ends early.
#[derive(Clone, Debug, Default)]
pub struct Elements<'a> {
    rest: &'a [u8],
    form: Form,
}

impl<'a> Elements<'a> {
    /// The value of the element with this id.
    pub fn get(mut self, id: u8) -> Option<&'a [u8]> {
        self.find_map(|(found, value)| (found == id).then_some(value))
    }

    fn split(&mut self, head: usize, len: usize) -> Option<&'a [u8]> {
        let value = self.rest.get(head..head + len)?;
        self.rest = &self.rest[head + len..];
        Some(value)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = *self.rest.first()?;
            work::count(1);
            match self.form {
                Form::Unknown => return None,
                // A zero byte is padding (RFC 8285 §4.1.1).
                _ if first == 0 => self.rest = &self.rest[1..],
                Form::OneByte => {
                    let (id, len) = (first >> 4, usize::from(first & 0x0F) + 1);
                    // Id 15 ends the block (RFC 8285 §4.2).
                    return if id == 15 {
                        None
                    } else {
                        Some((id, self.split(1, len)?))
                    };
                }
                Form::TwoByte => {
                    let len = usize::from(*self.rest.get(1)?);
                    return Some((first, self.split(2, len)?));
                }
            }
        }
    }
}

/// The extensions a forwarded packet carries, by meaning instead of by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionValues<'a> {
    /// The media section's identification tag.
    pub mid: Option<&'a [u8]>,
    /// The simulcast layer.
    pub rid: Option<&'a [u8]>,
    /// The simulcast layer a retransmission belongs to.
    pub repaired_rid: Option<&'a [u8]>,
    /// The transport-wide sequence number.
    pub transport_cc: Option<u16>,
    /// RFC 6464.
    pub audio_level: Option<&'a [u8]>,
    /// 3GPP TS 26.114 §7.4.5.
    pub video_orientation: Option<&'a [u8]>,
    /// AV1's dependency descriptor.
    pub dependency_descriptor: Option<&'a [u8]>,
}

impl<'a> ExtensionValues<'a> {
    /// Reads the elements whose ids were agreed on, in one pass.
    pub fn read(elements: Elements<'a>, ids: &Extensions) -> Self {
        let mut values = Self::default();
        for (id, value) in elements {
            let id = Some(id);
            if id == ids.transport_cc {
                values.transport_cc = value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
            } else if id == ids.mid {
                values.mid = Some(value);
            } else if id == ids.rid {
                values.rid = Some(value);
            } else if id == ids.repaired_rid {
                values.repaired_rid = Some(value);
            } else if id == ids.audio_level {
                values.audio_level = Some(value);
            } else if id == ids.video_orientation {
                values.video_orientation = Some(value);
            } else if id == ids.dependency_descriptor {
                values.dependency_descriptor = Some(value);
            }
        }
        values
    }
}

/// An extension element to be written, as `(id, value)`. Without either, with id 0 or over 255 bytes it is
/// left out.
pub type WrittenElement<'a> = (Option<u8>, Option<&'a [u8]>);

/// How elements are written: in the shorter form where that can say them all (RFC 8285 §4.1.2).
struct Layout {
    one_byte: bool,
    /// Of the block, its head and padding included; 0 is none.
    len: usize,
}

impl Layout {
    fn of(elements: &[WrittenElement<'_>]) -> Self {
        let (mut count, mut values, mut one_byte) = (0, 0, true);
        for (id, value) in written(elements) {
            // One-byte elements cannot say an id over 14, an empty value or one over 16 bytes (§4.2).
            one_byte &= id < 15 && (1..=16).contains(&value.len());
            count += 1;
            values += value.len();
        }
        let heads = if one_byte { count } else { 2 * count };
        let len = match count {
            0 => 0,
            _ => 4 + (heads + values).next_multiple_of(4),
        };
        Self { one_byte, len }
    }
}

fn written<'a>(elements: &[WrittenElement<'a>]) -> impl Iterator<Item = (u8, &'a [u8])> {
    elements
        .iter()
        .filter_map(|&(id, value)| match (id, value) {
            (Some(id), Some(value)) if id != 0 && value.len() < 256 => Some((id, value)),
            _ => None,
        })
}

/// Where the value of the first element lies in a packet that was written with some.
pub fn first_value_at(packet: &[u8]) -> usize {
    let profile = packet.get(FIXED_HEADER..FIXED_HEADER + 2);
    let head = match profile.is_some_and(|profile| profile == ONE_BYTE.to_be_bytes()) {
        true => 1,
        false => 2,
    };
    FIXED_HEADER + 4 + head
}

/// The length of a header written with these elements.
pub fn written_len(elements: &[WrittenElement<'_>]) -> usize {
    FIXED_HEADER + Layout::of(elements).len
}

/// Appends a header: the fixed fields of `header`, then the elements. `header.len` is not looked at.
pub fn write_header(out: &mut BytesMut, header: &Header, elements: &[WrittenElement<'_>]) {
    let layout = Layout::of(elements);
    let has_extensions = layout.len > 0;
    let mut fixed = [0; FIXED_HEADER];
    fixed[0] = 0x80 | u8::from(header.padding) << 5 | u8::from(has_extensions) << 4;
    fixed[1] = u8::from(header.marker) << 7 | header.payload_type;
    fixed[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    fixed[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    fixed[8..].copy_from_slice(&header.ssrc.to_be_bytes());
    out.extend_from_slice(&fixed);
    if !has_extensions {
        return;
    }
    let end = out.len() + layout.len;
    out.put_u16(if layout.one_byte { ONE_BYTE } else { TWO_BYTE });
    out.put_u16((layout.len / 4 - 1) as u16);
    for (id, value) in written(elements) {
        if layout.one_byte {
            out.put_u8(id << 4 | (value.len() - 1) as u8);
        } else {
            out.extend_from_slice(&[id, value.len() as u8]);
        }
        out.extend_from_slice(value);
    }
    out.resize(end, 0);
}

/// `a - b` in the circular space of sequence numbers: positive when `a` is newer.
pub fn sequence_diff(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> Header {
        Header {
            marker: true,
            padding: false,
            payload_type: 96,
            sequence: 7,
            timestamp: 9,
            ssrc: 11,
            len: 0,
            extensions_at: 0,
        }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let long = [1u8; 20];
        for elements in [
            vec![],
            vec![(Some(4), Some(&b"0"[..])), (Some(3), Some(&[1, 2][..]))],
            vec![(Some(4), Some(&long[..]))],
            vec![
                (Some(200), Some(&b""[..])),
                (None, Some(&b"x"[..])),
                (Some(1), None),
            ],
        ] {
            let mut packet = BytesMut::new();
            write_header(&mut packet, &header(), &elements);
            packet.extend_from_slice(b"payload");
            let parsed = Header::parse(&packet).unwrap();
            assert_eq!(parsed.len, written_len(&elements));
            assert_eq!(&packet[parsed.len..], b"payload");
            assert_eq!((parsed.marker, parsed.payload_type), (true, 96));
            assert_eq!((parsed.sequence, parsed.timestamp, parsed.ssrc), (7, 9, 11));
            let expected: Vec<_> = elements
                .into_iter()
                .filter_map(|(id, value)| id.zip(value))
                .collect();
            assert_eq!(parsed.extensions(&packet).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn counts_padding_out_of_the_payload() {
        let mut packet = BytesMut::new();
        write_header(
            &mut packet,
            &Header {
                padding: true,
                ..header()
            },
            &[],
        );
        packet.extend_from_slice(&[1, 2, 0, 0, 3]);
        let parsed = Header::parse(&packet).unwrap();
        assert_eq!(parsed.payload_len(&packet), 2);
        *packet.last_mut().unwrap() = 255;
        assert_eq!(parsed.payload_len(&packet), 0);
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(sequence_diff(0, 65535), 1);
        assert_eq!(sequence_diff(65535, 0), -1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(header) = Header::parse(&bytes) {
                prop_assert!(header.len <= bytes.len());
                prop_assert!(header.payload_len(&bytes) <= bytes.len());
                header.extensions(&bytes).for_each(drop);
            }
        }
    }
}
