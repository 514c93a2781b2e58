//! What a packet of a codec is to a decoder, whatever payload type either end gave it: two sections
//! mean the same where their formats are equal.

use super::CodecKind;
use super::codecs::parameter;

/// A codec in one configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// The codec.
    pub kind: CodecKind,
    /// What of its parameters a decoder must agree with.
    profile: u32,
}

impl Format {
    /// The format of a codec with these `a=fmtp` parameters.
    pub fn of(kind: CodecKind, fmtp: &str) -> Self {
        let number = |name| {
            let value = parameter(fmtp, name);
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        let profile = match kind {
            CodecKind::Opus | CodecKind::Red | CodecKind::Vp8 => 0,
            // RFC 9628 §6.
            CodecKind::Vp9 => number("profile-id"),
            CodecKind::Av1 => number("profile"),
            // RFC 6184 §8.1: the level, the last byte, is what a decoder can do at most.
            CodecKind::H264 => {
                let profile = parameter(fmtp, "profile-level-id").unwrap_or("42000a");
                let profile = u32::from_str_radix(profile, 16).unwrap_or(0) >> 8;
                profile << 8 | number("packetization-mode")
            }
        };
        Self { kind, profile }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_differ_where_decoders_do() {
        let h264 = |fmtp| Format::of(CodecKind::H264, fmtp);
        let high = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f";
        assert_eq!(
            h264(high),
            h264("profile-level-id=640032;packetization-mode=1")
        );
        assert_ne!(
            h264(high),
            h264("profile-level-id=64001f;packetization-mode=0")
        );
        assert_ne!(
            h264(high),
            h264("profile-level-id=42e01f;packetization-mode=1")
        );
        assert_eq!(h264(""), h264("profile-level-id=42001f"));
        let vp9 = |fmtp| Format::of(CodecKind::Vp9, fmtp);
        assert_eq!(vp9(""), vp9("profile-id=0"));
        assert_ne!(vp9(""), vp9("profile-id=2"));
        assert_ne!(
            Format::of(CodecKind::Vp8, ""),
            Format::of(CodecKind::Opus, "")
        );
    }
}
