//! Recognises the packets a decoder can start at. Knows payload formats, nothing of streams.

use crate::media::rtp::vp9::Descriptor;
use crate::media::sdp::CodecKind;

/// Whether a payload begins a keyframe. Audio needs none: any packet does.
pub fn starts_keyframe(codec: CodecKind, payload: &[u8]) -> bool {
    match codec {
        CodecKind::Opus | CodecKind::Red => true,
        CodecKind::Vp8 => vp8(payload).unwrap_or(false),
        CodecKind::Vp9 => vp9(payload).unwrap_or(false),
        CodecKind::H264 => h264(payload).unwrap_or(false),
        // The N bit of the aggregation header (AV1 RTP specification §4.4).
        CodecKind::Av1 => payload.first().is_some_and(|first| first & 0x08 != 0),
    }
}

/// RFC 7741 §4.2 and §4.3.
fn vp8(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let starts_frame = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1;
    if first & 0x80 != 0 {
        let extensions = *payload.get(1)?;
        at += 1;
        if extensions & 0x80 != 0 {
            // A picture id of one byte or two.
            at += 1 + usize::from(payload.get(at)? >> 7);
        }
        at += usize::from(extensions & 0x40 != 0) + usize::from(extensions & 0x30 != 0);
    }
    Some(starts_frame && payload.get(at)? & 1 == 0)
}

/// Begins a frame that is not predicted from another, of the lowest layer.
fn vp9(payload: &[u8]) -> Option<bool> {
    let descriptor = Descriptor::read(payload)?;
    Some(descriptor.is_intra() && descriptor.begins() && descriptor.spatial() == 0)
}

/// RFC 6184 §5: a sequence parameter set or an IDR slice, alone, aggregated or fragmented.
fn h264(payload: &[u8]) -> Option<bool> {
    const IDR: u8 = 5;
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let starts = |nal: u8| matches!(nal & 0x1F, IDR | SPS);
    match payload.first()? & 0x1F {
        STAP_A => Some(starts(*payload.get(3)?)),
        FU_A => {
            let header = *payload.get(1)?;
            Some(header & 0x80 != 0 && starts(header))
        }
        _ => Some(starts(payload[0])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_first_packet_of_a_keyframe() {
        let cases: [(CodecKind, &[u8], bool); 15] = [
            (CodecKind::Vp8, &[0x10, 0x00], true),
            (CodecKind::Vp8, &[0x10, 0x01], false),
            (CodecKind::Vp8, &[0x00, 0x00], false),
            // X, I with a two-byte picture id, L, T.
            (CodecKind::Vp8, &[0x90, 0xE0, 0x81, 0x02, 1, 0, 0x00], true),
            (CodecKind::Vp8, &[0x90, 0xE0, 0x81, 0x02, 1, 0, 0x01], false),
            (CodecKind::Vp9, &[0x88, 0x01], true),
            (CodecKind::Vp9, &[0xC8, 0x01], false),
            (CodecKind::Vp9, &[0xA8, 0x81, 0x02, 0x02], false),
            (CodecKind::H264, &[0x67, 1], true),
            (CodecKind::H264, &[24, 0, 2, 0x67, 1], true),
            (CodecKind::H264, &[28, 0x85, 1], true),
            (CodecKind::H264, &[28, 0x05, 1], false),
            (CodecKind::H264, &[0x41, 1], false),
            (CodecKind::Av1, &[0x18, 1], true),
            (CodecKind::Av1, &[0x10, 1], false),
        ];
        for (codec, payload, expected) in cases {
            assert_eq!(
                starts_keyframe(codec, payload),
                expected,
                "{codec:?} {payload:?}"
            );
        }
        for codec in [
            CodecKind::Vp8,
            CodecKind::Vp9,
            CodecKind::H264,
            CodecKind::Av1,
        ] {
            for len in 0..4 {
                starts_keyframe(codec, &[0xFF; 4][..len]);
            }
            assert!(!starts_keyframe(codec, &[]));
        }
    }
}
