//! The text of an offer, for far ends that have no SDP of their own.

use std::fmt::Write as _;

use ferrite_server::media::transport::ice::Credentials;

/// Payload types and extension ids of every such offer.
pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;
pub const VP8_RTX: u8 = 97;
pub const MID: u8 = 1;
pub const TRANSPORT_CC: u8 = 2;
pub const RID: u8 = 3;
pub const AUDIO_LEVEL: u8 = 4;
/// Where a test offers it.
pub const SEND_TIME: u8 = 5;

/// What the offer says.
#[derive(Clone)]
pub struct Offer {
    pub ice: Credentials,
    pub fingerprint: [u8; 32],
    pub setup: &'static str,
    /// Sections in order.
    pub sections: Vec<Section>,
}

/// One section.
#[derive(Clone)]
pub enum Section {
    Audio {
        mid: &'static str,
        direction: &'static str,
    },
    Video {
        mid: &'static str,
        direction: &'static str,
        /// The announced media and retransmission SSRCs.
        ssrcs: Option<(u32, u32)>,
    },
    /// Video in the test's own words: what follows the extensions.
    Written {
        mid: &'static str,
        lines: &'static str,
    },
    /// Sound without any feedback.
    PlainAudio {
        mid: &'static str,
        direction: &'static str,
    },
    Data {
        mid: &'static str,
    },
    /// Port 0.
    Stopped {
        kind: &'static str,
        mid: &'static str,
    },
}

impl Section {
    fn mid(&self) -> &'static str {
        match self {
            Self::Audio { mid, .. } | Self::Video { mid, .. } | Self::PlainAudio { mid, .. } => mid,
            Self::Data { mid } | Self::Stopped { mid, .. } | Self::Written { mid, .. } => mid,
        }
    }
}

/// What the lines of a section map, in their order.
fn payload_types(lines: &str) -> String {
    let maps = lines
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:"));
    let types: Vec<_> = maps.filter_map(|map| map.split(' ').next()).collect();
    types.join(" ")
}

impl Offer {
    pub fn write(&self) -> String {
        let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
        let live = self
            .sections
            .iter()
            .filter(|s| !matches!(s, Section::Stopped { .. }));
        let mids: Vec<_> = live.map(Section::mid).collect();
        let _ = write!(text, "a=group:BUNDLE {}\r\n", mids.join(" "));
        for section in &self.sections {
            self.write_section(&mut text, section);
        }
        text
    }

    fn write_section(&self, text: &mut String, section: &Section) {
        let mid = section.mid();
        let head = match section {
            Section::Audio { .. } | Section::PlainAudio { .. } => {
                format!("m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}")
            }
            Section::Video { .. } => format!("m=video 9 UDP/TLS/RTP/SAVPF {VP8} {VP8_RTX}"),
            Section::Written { lines, .. } => {
                format!("m=video 9 UDP/TLS/RTP/SAVPF {}", payload_types(lines))
            }
            Section::Data { .. } => "m=application 9 UDP/DTLS/SCTP webrtc-datachannel".to_owned(),
            Section::Stopped { kind, .. } => format!("m={kind} 0 UDP/TLS/RTP/SAVPF 0"),
        };
        let _ = write!(text, "{head}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n");
        if matches!(section, Section::Stopped { .. }) {
            return;
        }
        let digest: Vec<_> = self
            .fingerprint
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        let _ = write!(
            text,
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:{}\r\n",
            self.ice.ufrag,
            self.ice.pwd,
            digest.join(":"),
            self.setup
        );
        let extensions = format!(
            "a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{RID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
             a=extmap:{TRANSPORT_CC} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
             a=rtcp-mux\r\n"
        );
        self.write_media(text, section, &extensions);
    }

    fn write_media(&self, text: &mut String, section: &Section, extensions: &str) {
        match section {
            Section::Audio { direction, .. } => {
                let _ = write!(
                    text,
                    "{extensions}a=extmap:{AUDIO_LEVEL} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                     a={direction}\r\na=rtpmap:{OPUS} opus/48000/2\r\na=rtcp-fb:{OPUS} transport-cc\r\n"
                );
            }
            Section::Video {
                direction, ssrcs, ..
            } => {
                let _ = write!(
                    text,
                    "{extensions}a={direction}\r\na=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack\r\n\
                     a=rtcp-fb:{VP8} nack pli\r\na=rtcp-fb:{VP8} ccm fir\r\na=rtcp-fb:{VP8} transport-cc\r\n\
                     a=rtpmap:{VP8_RTX} rtx/90000\r\na=fmtp:{VP8_RTX} apt={VP8}\r\n"
                );
                if let Some((media, rtx)) = ssrcs {
                    let _ = write!(
                        text,
                        "a=ssrc-group:FID {media} {rtx}\r\na=ssrc:{media} cname:x\r\na=ssrc:{rtx} cname:x\r\n"
                    );
                }
            }
            Section::PlainAudio { direction, .. } => {
                let _ = write!(
                    text,
                    "{extensions}a={direction}\r\na=rtpmap:{OPUS} opus/48000/2\r\n"
                );
            }
            Section::Written { lines, .. } => {
                let _ = write!(text, "{extensions}{lines}");
            }
            Section::Data { .. } => {
                text.push_str("a=sctp-port:5000\r\na=max-message-size:262144\r\n")
            }
            Section::Stopped { .. } => {}
        }
    }
}
