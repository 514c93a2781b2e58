//! The offer of a light participant, and what it needs of the answer. Text in, text out.

use std::collections::BTreeMap;

use ferrite_protocol::{MediaKind, Source, TrackUse, Tracks};

use super::packet::{LEVEL, MID, TRANSPORT};

/// The payload types offered.
pub(super) const VP8: u8 = 96;
/// See [`VP8`].
pub(super) const RTX: u8 = 97;
/// See [`VP8`].
pub(super) const OPUS: u8 = 111;

/// The keys of what a publisher publishes.
pub(super) const CAMERA: &str = "cam";
const MICROPHONE: &str = "mic";

/// The ICE credentials; the server's tell everybody apart.
pub(super) const UFRAG: &str = "load";
/// See [`UFRAG`].
pub(super) const PASSWORD: &str = "thepasswordofthemember00";

/// What a participant publishes and is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Publishes a picture.
    pub camera: bool,
    /// Publishes sound.
    pub microphone: bool,
    /// Slots for pictures.
    pub shown: usize,
    /// Slots for sound.
    pub heard: usize,
}

/// A media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: MediaKind,
    pub(super) publishes: bool,
}

impl Part {
    /// Its media sections; their mids are their places.
    pub(super) fn sections(&self) -> Vec<Section> {
        let published = [
            (self.camera, MediaKind::Video),
            (self.microphone, MediaKind::Audio),
        ];
        let published = published.into_iter().filter(|(is, _)| *is);
        let published = published.map(|(_, kind)| Section {
            kind,
            publishes: true,
        });
        let slots = std::iter::repeat_n(MediaKind::Video, self.shown)
            .chain(std::iter::repeat_n(MediaKind::Audio, self.heard));
        let slots = slots.map(|kind| Section {
            kind,
            publishes: false,
        });
        published.chain(slots).collect()
    }

    /// What the sections are for.
    pub(super) fn tracks(&self) -> Tracks {
        let sections = self.sections().into_iter().enumerate();
        let tracks = sections.map(|(mid, section)| (mid.to_string(), section.track()));
        tracks.collect()
    }

    /// The offer. The SSRC of what is published on a section is `first` and its place, that of what is
    /// sent again is a thousand more.
    pub(super) fn sdp(&self, fingerprint: &str, first: u32) -> String {
        let sections = self.sections();
        let mids: String = (0..sections.len()).map(|mid| format!(" {mid}")).collect();
        let mut sdp =
            format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\n");
        for (section, mid) in sections.iter().zip(0..) {
            sdp.push_str(&section.media(fingerprint, mid, first + mid));
        }
        sdp
    }
}

impl Section {
    fn track(self) -> TrackUse {
        if !self.publishes {
            return TrackUse::Receive(self.kind);
        }
        let (key, source) = match self.kind {
            MediaKind::Video => (CAMERA, Source::Camera),
            MediaKind::Audio => (MICROPHONE, Source::Microphone),
        };
        TrackUse::Publish {
            key: key.to_owned(),
            source,
            label: None,
            width: None,
            height: None,
        }
    }

    fn media(self, fingerprint: &str, mid: u32, ssrc: u32) -> String {
        let codecs = match self.kind {
            MediaKind::Video => format!(
                "m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}\r\na=rtpmap:{VP8} VP8/90000\r\n\
                 a=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\na=rtcp-fb:{VP8} transport-cc\r\n\
                 a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n"
            ),
            MediaKind::Audio => format!(
                "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\na=rtpmap:{OPUS} opus/48000/2\r\n\
                 a=rtcp-fb:{OPUS} transport-cc\r\n\
                 a=extmap:{LEVEL} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
            ),
        };
        let direction = match self.publishes {
            true => "sendonly",
            false => "recvonly",
        };
        let ssrcs = match (self.publishes, self.kind) {
            (false, _) => String::new(),
            (true, MediaKind::Audio) => format!("a=ssrc:{ssrc} cname:load\r\n"),
            (true, MediaKind::Video) => {
                let rtx = ssrc + 1000;
                format!(
                    "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{ssrc} cname:load\r\n\
                     a=ssrc:{rtx} cname:load\r\n"
                )
            }
        };
        format!(
            "{codecs}c=IN IP4 0.0.0.0\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\na=mid:{mid}\r\n\
             a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
             a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{TRANSPORT} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
             {ssrcs}"
        )
    }
}

/// What an answer says of a stream that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Pictures or sound, on the section with this place.
    Media(MediaKind, usize),
    /// What is sent again of the stream with this SSRC.
    Again(u32),
}

/// What is needed of an answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) streams: BTreeMap<u32, Stream>,
}

impl Answer {
    /// Reads it.
    pub(super) fn read(sdp: &str) -> Self {
        let mut answer = Self::default();
        let (mut kind, mut sections) = (MediaKind::Video, 0);
        let mut again = Vec::new();
        for line in sdp.lines() {
            let number = |text: Option<&str>| text?.parse::<u32>().ok();
            if let Some(media) = line.strip_prefix("m=") {
                sections += 1;
                kind = match media.starts_with("audio") {
                    true => MediaKind::Audio,
                    false => MediaKind::Video,
                };
            } else if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
                ufrag.clone_into(&mut answer.ufrag);
            } else if let Some(password) = line.strip_prefix("a=ice-pwd:") {
                password.clone_into(&mut answer.password);
            } else if let Some(pair) = line.strip_prefix("a=ssrc-group:FID ") {
                let mut words = pair.split(' ');
                if let (Some(media), Some(rtx)) = (number(words.next()), number(words.next())) {
                    again.push((rtx, media));
                }
            } else if let Some(ssrc) = line.strip_prefix("a=ssrc:")
                && let Some(ssrc) = number(ssrc.split(' ').next())
            {
                let stream = Stream::Media(kind, sections - 1);
                answer.streams.insert(ssrc, stream);
            }
        }
        let again = again.into_iter();
        (answer.streams).extend(again.map(|(rtx, media)| (rtx, Stream::Again(media))));
        answer
    }
}
