//! A received packet with what forwarding needs of it, read once: codec, layer, where its extensions
//! lie, whether a decoder can begin there. It is the same for everybody it goes to. Knows nothing of
//! them, nor of the stream it is one of.

use std::time::Instant;

use bytes::Bytes;

use crate::media::id::TrackId;
use crate::media::rtp::frame_numbers::{FrameNumbers, PictureFields};
use crate::media::rtp::header::{ExtensionValues, Header};
use crate::media::rtp::keyframe::starts_keyframe;
use crate::media::rtp::spatial::Spatial;
use crate::media::rtp::temporal::Temporal;
use crate::media::sdp::{Extensions, Format};

/// One moment on two clocks: our wall clock, and the media clock of a source, as its sender told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceClock {
    /// In NTP's 32.32 format, translated to our clock.
    pub ntp: u64,
    /// In ticks of the media clock.
    pub rtp: u32,
}

/// Where a value lies in its packet. Without a length it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    at: u16,
    len: u8,
}

impl Span {
    fn of(packet: &[u8], value: Option<&[u8]>) -> Self {
        let span = value.and_then(|value| {
            let at = (value.as_ptr() as usize).checked_sub(packet.as_ptr() as usize)?;
            Some(Self {
                at: at.try_into().ok()?,
                len: value.len().try_into().ok()?,
            })
        });
        span.unwrap_or_default()
    }

    /// The value in the packet it was found in.
    pub fn value<'p>(&self, packet: &'p [u8]) -> Option<&'p [u8]> {
        let end = usize::from(self.at) + usize::from(self.len);
        let value = packet.get(self.at.into()..end)?;
        (!value.is_empty()).then_some(value)
    }
}

/// The header extensions that are passed on, by where they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOn {
    /// RFC 6464.
    pub audio_level: Span,
    /// 3GPP TS 26.114 §7.4.5.
    pub video_orientation: Span,
    /// AV1's dependency descriptor.
    pub dependency_descriptor: Span,
}

/// A received packet on its way to those who want it.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    /// The track it is of, once that is known.
    pub track: TrackId,
    /// When it came.
    pub arrived: Instant,
    /// The index of the media section it came on.
    pub section: usize,
    /// The simulcast layer it is of, by index into the section's; 0 without simulcast.
    pub layer: u8,
    /// Its codec, whatever number its sender gave it.
    pub format: Format,
    /// The ticks of its media clock in a second.
    pub clock_rate: u32,
    /// Its header, as received.
    pub header: Header,
    /// Its extensions.
    pub extensions: PassedOn,
    /// It has nothing but padding.
    pub is_padding: bool,
    /// It is a part of a voice, as far as its sender says.
    pub is_voice: bool,
    /// Where its payload says which picture it is of.
    pub picture: PictureFields,
    /// Which frame it is of, as far as it says.
    pub frame_numbers: FrameNumbers,
    /// A decoder can begin with it.
    pub starts_keyframe: bool,
    /// Of which temporal layer its frame is, where it says so.
    pub temporal: Option<Temporal>,
    /// Of which spatial layer its frame is, where its stream has several that can be taken apart.
    pub spatial: Option<Spatial>,
    /// What was before it in its track may not have come: that came from elsewhere, or from nowhere.
    pub resumes: bool,
    /// What its sender said last of its clocks.
    pub clock: Option<SourceClock>,
    /// The decrypted packet, header included.
    pub packet: Bytes,
}

impl MediaPacket {
    /// Reads a packet whose section and codec are known.
    pub fn read(
        arrived: Instant,
        (section, layer): (usize, u8),
        (format, clock_rate): (Format, u32),
        header: Header,
        ids: &Extensions,
        packet: Bytes,
    ) -> Self {
        let values = ExtensionValues::read(header.extensions(&packet), ids);
        let span = |value| Span::of(&packet, value);
        let extensions = PassedOn {
            audio_level: span(values.audio_level),
            video_orientation: span(values.video_orientation),
            dependency_descriptor: span(values.dependency_descriptor),
        };
        let payload = packet.get(header.len..).unwrap_or_default();
        let picture = PictureFields::find(format.kind, payload);
        let descriptor = values.dependency_descriptor;
        let starts_keyframe = starts_keyframe(format.kind, payload);
        Self {
            track: TrackId::default(),
            arrived,
            section,
            layer,
            format,
            clock_rate,
            extensions,
            is_padding: header.payload_len(&packet) == 0,
            is_voice: false,
            picture,
            frame_numbers: FrameNumbers::read(picture, payload, descriptor),
            starts_keyframe,
            temporal: Temporal::read(format.kind, payload, starts_keyframe),
            spatial: None,
            resumes: false,
            clock: None,
            header,
            packet,
        }
    }

    /// What follows the header.
    pub fn payload(&self) -> &[u8] {
        self.packet.get(self.header.len..).unwrap_or_default()
    }

    /// How loud it is, in dB below the loudest; `None` where its sender does not say (RFC 6464 §3).
    pub fn audio_level(&self) -> Option<u8> {
        let value = self.extensions.audio_level.value(&self.packet)?;
        value.first().map(|level| level & 0x7F)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::header::write_header;
    use crate::media::sdp::CodecKind;
    use bytes::BytesMut;

    #[test]
    fn extensions_are_found_where_they_lie() {
        let fixed = Header::parse(&[0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]).unwrap();
        let mut packet = BytesMut::new();
        let long = [9; 40];
        let elements = [
            (Some(4), Some(&b"mid"[..])),
            (Some(20), Some(&[0x85][..])),
            (Some(21), Some(&long[..])),
        ];
        write_header(&mut packet, &fixed, &elements);
        packet.extend_from_slice(b"sound");
        let ids = Extensions {
            mid: Some(4),
            audio_level: Some(20),
            dependency_descriptor: Some(21),
            ..Extensions::default()
        };
        let header = Header::parse(&packet).unwrap();
        let format = Format::of(CodecKind::Opus, "");
        let packet = MediaPacket::read(
            Instant::now(),
            (0, 0),
            (format, 48_000),
            header,
            &ids,
            packet.freeze(),
        );
        assert_eq!(packet.audio_level(), Some(5));
        let descriptor = packet.extensions.dependency_descriptor;
        assert_eq!(descriptor.value(&packet.packet), Some(&long[..]));
        assert_eq!(
            packet.extensions.video_orientation.value(&packet.packet),
            None
        );
        assert_eq!(packet.payload(), b"sound");
        assert!(packet.starts_keyframe && !packet.is_padding);
    }
}
