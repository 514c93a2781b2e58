//! Which video codec to offer first. Owns the choice; knows neither transceivers nor SDP.

/// A video codec a user may prefer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VideoCodec {
    Vp8,
    Vp9,
    H264,
    Av1,
}

impl VideoCodec {
    pub(crate) const ALL: [Self; 4] = [Self::Vp8, Self::Vp9, Self::H264, Self::Av1];

    /// Its name in SDP and on the page (the registered media subtype).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::Av1 => "AV1",
        }
    }

    /// Media subtypes are case-insensitive (RFC 6838 §4.2).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    fn is(self, mime_type: &str) -> bool {
        mime_type
            .split_once('/')
            .is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case(self.name()))
    }
}

/// The browser's codecs, by index, with the wanted one's entries first and the rest as the browser
/// has them. Nothing if the browser lacks it.
pub(crate) fn preferred(mime_types: &[String], wanted: VideoCodec) -> Option<Vec<usize>> {
    let indices = 0..mime_types.len();
    let (mut first, rest): (Vec<_>, Vec<_>) = indices.partition(|&i| wanted.is(&mime_types[i]));
    if first.is_empty() {
        return None;
    }
    first.extend(rest);
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chromium() -> Vec<String> {
        ["VP8", "rtx", "VP9", "VP9", "H264", "H264", "AV1", "red"]
            .map(|name| format!("video/{name}"))
            .to_vec()
    }

    #[test]
    fn puts_every_profile_of_the_wanted_codec_first() {
        let order = preferred(&chromium(), VideoCodec::H264);
        assert_eq!(order, Some(vec![4, 5, 0, 1, 2, 3, 6, 7]));
    }

    #[test]
    fn says_when_the_browser_lacks_it() {
        let firefox = ["video/VP8".to_owned(), "video/rtx".to_owned()];
        assert_eq!(preferred(&firefox, VideoCodec::Av1), None);
    }

    #[test]
    fn names_parse_in_any_case() {
        for codec in VideoCodec::ALL {
            assert_eq!(VideoCodec::parse(codec.name()), Some(codec));
        }
        assert_eq!(VideoCodec::parse("vp8"), Some(VideoCodec::Vp8));
        assert_eq!(VideoCodec::parse("auto"), None);
    }
}
