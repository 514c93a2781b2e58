//! The offer of a light participant, and what it needs of the answer. Text in, text out.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use ferrite_protocol::{MediaKind, Source, TrackUse, Tracks};

use super::layers::{self, Camera, LAYERS, RIDS};
use super::packet::{LEVEL, MID, REPAIRED_RID, RID, TRANSPORT};

/// The payload types offered.
pub(super) const VP8: u8 = 96;
/// See [`VP8`].
pub(super) const RTX: u8 = 97;
/// See [`VP8`].
pub(super) const OPUS: u8 = 111;

/// What names the extension with transport-wide numbers.
const TRANSPORT_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

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
    /// What it publishes as its picture.
    pub camera: Camera,
    /// Publishes sound.
    pub microphone: bool,
    /// Slots for pictures.
    pub shown: usize,
    /// Slots for sound.
    pub heard: usize,
    /// Agrees to transport-wide numbers, by which the server estimates what its path carries.
    pub numbered: bool,
}

/// A media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: MediaKind,
    pub(super) publishes: bool,
    /// It is published in simulcast layers.
    is_layered: bool,
}

/// This end of a connection, as descriptions have it.
pub(super) struct End<'a> {
    pub(super) fingerprint: &'a str,
    /// Its address, for servers that do not learn it from its checks alone.
    pub(super) local: Option<SocketAddrV4>,
}

impl End<'_> {
    /// What each of its media sections says.
    fn lines(&self) -> String {
        let candidate = self.local.map_or_else(String::new, |local| {
            let (ip, port) = (local.ip(), local.port());
            format!(
                "a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\na=end-of-candidates\r\n"
            )
        });
        let fingerprint = self.fingerprint;
        format!(
            "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\n{candidate}\
             a=rtcp-mux\r\na=rtcp-rsize\r\n"
        )
    }
}

impl Part {
    /// Whether it publishes a picture.
    #[must_use]
    pub fn has_camera(&self) -> bool {
        self.camera != Camera::Off
    }

    /// Whether it publishes anything.
    pub(super) fn publishes(&self) -> bool {
        self.has_camera() || self.microphone
    }

    /// Its media sections; their mids are their places.
    pub(super) fn sections(&self) -> Vec<Section> {
        let published = [
            (self.has_camera(), MediaKind::Video),
            (self.microphone, MediaKind::Audio),
        ];
        let published = published.into_iter().filter(|(is, _)| *is);
        let published = published.map(|(_, kind)| Section {
            kind,
            publishes: true,
            is_layered: kind == MediaKind::Video && self.camera == Camera::Simulcast,
        });
        let slots = std::iter::repeat_n(MediaKind::Video, self.shown)
            .chain(std::iter::repeat_n(MediaKind::Audio, self.heard));
        let slots = slots.map(|kind| Section {
            kind,
            publishes: false,
            is_layered: false,
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
    /// sent again is a thousand more; those of layers ([`layer_ssrc`]) are not told.
    pub(super) fn sdp(&self, end: &End<'_>, first: u32) -> String {
        let sections = self.sections();
        let mids: String = (0..sections.len()).map(|mid| format!(" {mid}")).collect();
        let mut sdp =
            format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\n");
        for (section, mid) in sections.iter().zip(0..) {
            sdp.push_str(&section.media(end, mid, first + mid));
        }
        match self.numbered {
            true => sdp,
            false => without_numbers(&sdp),
        }
    }
}

/// An offer that agrees to no transport-wide numbers, and so to no word of when packets come.
fn without_numbers(sdp: &str) -> String {
    sdp.split_inclusive("\r\n")
        .filter(|line| !line.contains("transport-cc") && !line.contains(TRANSPORT_URI))
        .collect()
}

/// The SSRC of a layer of what is published on a section.
pub(super) fn layer_ssrc(section: u32, layer: usize) -> u32 {
    section + 1200 * layer as u32
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
        let size = (self.kind == MediaKind::Video).then_some(layers::SIZE);
        TrackUse::Publish {
            key: key.to_owned(),
            source,
            label: None,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
        }
    }

    fn media(self, end: &End<'_>, mid: u32, ssrc: u32) -> String {
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
        let streams = match (self.publishes, self.kind) {
            (false, _) => String::new(),
            (true, MediaKind::Audio) => format!("a=ssrc:{ssrc} cname:load\r\n"),
            (true, MediaKind::Video) if self.is_layered => simulcast(),
            (true, MediaKind::Video) => {
                let rtx = ssrc + 1000;
                format!(
                    "a=ssrc-group:FID {ssrc} {rtx}\r\na=ssrc:{ssrc} cname:load\r\n\
                     a=ssrc:{rtx} cname:load\r\n"
                )
            }
        };
        let lines = end.lines();
        format!(
            "{codecs}{lines}a=mid:{mid}\r\na={direction}\r\n\
             a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{TRANSPORT} {TRANSPORT_URI}\r\n{streams}"
        )
    }
}

/// What a browser says of simulcast: the layers by name, and no SSRCs.
fn simulcast() -> String {
    let names: [String; LAYERS] = RIDS.map(|rid| format!("a=rid:{rid} send\r\n"));
    format!(
        "a=extmap:{RID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
         a=extmap:{REPAIRED_RID} urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
         {}a=simulcast:send {}\r\n",
        names.concat(),
        RIDS.join(";")
    )
}

/// What an answer says of a stream that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Pictures or sound, on the section with this place.
    Media(MediaKind, usize),
    /// What is sent again of the stream with this SSRC.
    Again(u32),
}

/// The answer to a server's offer: everything that it offers to send is received.
pub(super) fn answer(offer: &str, end: &End<'_>) -> String {
    const COPIED: [&str; 8] = [
        "m=",
        "a=mid:",
        "a=rtpmap:",
        "a=fmtp:",
        "a=rtcp-fb:",
        "v=",
        "t=",
        "a=group:",
    ];
    let mut sdp = String::new();
    for line in offer.lines() {
        let is_copied = COPIED.iter().any(|prefix| line.starts_with(prefix));
        let is_counted = line.starts_with("a=extmap:") && line.ends_with(TRANSPORT_URI);
        if is_copied || is_counted {
            sdp.push_str(line);
            sdp.push_str("\r\n");
        }
        if line.starts_with("v=") {
            sdp.push_str("o=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n");
        }
        if line.starts_with("m=") {
            sdp.push_str(&end.lines());
            sdp.push_str("a=recvonly\r\n");
        }
    }
    sdp
}

/// What is needed of an answer, or of an offer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The first address of IPv4 that it names.
    pub(super) candidate: Option<SocketAddrV4>,
    /// The id of transport-wide numbers.
    pub(super) transport: Option<u8>,
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
            } else if let Some(candidate) = line.strip_prefix("a=candidate:") {
                answer.candidate = answer.candidate.or_else(|| address(candidate));
            } else if let Some(extension) = line.strip_prefix("a=extmap:") {
                let id = extension.strip_suffix(TRANSPORT_URI);
                answer.transport = answer
                    .transport
                    .or(id.and_then(|id| id.trim().parse().ok()));
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

/// Of a candidate (RFC 8839 §5.1).
fn address(candidate: &str) -> Option<SocketAddrV4> {
    let mut words = candidate.split(' ').skip(2);
    let is_udp = words.next()?.eq_ignore_ascii_case("udp");
    let (ip, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    is_udp.then(|| SocketAddrV4::new(ip, port))
}
