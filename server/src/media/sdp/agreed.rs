//! What an offer and its answer come to: everything that the media plane needs to know of a session
//! description, parsed and checked; and what the server brings to it.

use std::collections::HashMap;
use std::fmt;

/// What the server brings to a session description.
#[derive(Clone, Debug)]
pub struct Local {
    /// ICE user name fragment (RFC 8839 §5.4).
    pub ice_ufrag: String,
    /// ICE password.
    pub ice_pwd: String,
    /// The certificate's SHA-256 digest.
    pub fingerprint: [u8; 32],
    /// Candidate attributes without `a=`: `candidate:…`.
    pub candidates: Vec<String>,
    /// Further ones may follow.
    pub trickles: bool,
    /// The `o=` line's session id; its version counts the answers.
    pub session_id: u64,
    /// The largest data channel message this end takes, in bytes (RFC 8841 §6.1).
    pub max_message_size: u32,
    /// The CNAME of every stream this end sends (RFC 3550 §6.5.1).
    pub cname: String,
    /// By mid: the MediaStream of what this end sends, where the offer names none (RFC 8830). Sections
    /// with the same one are played in step.
    pub streams: HashMap<String, String>,
}

/// What both ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What the other end calls the session: the id of its `o=` line.
    pub id: String,
    /// Counts the answers of this peer connection, from 1.
    pub version: u64,
    /// The other end's ICE user name fragment. A change is an ICE restart (RFC 8445 §9).
    pub ice_ufrag: String,
    /// The other end's ICE password.
    pub ice_pwd: String,
    /// Which end starts DTLS.
    pub dtls_role: DtlsRole,
    /// Digests of the other end's certificate; one match is enough (RFC 8122 §5).
    pub fingerprints: Vec<Fingerprint>,
    /// Every media section of the offer, in its order. Where all are [`Section::Rejected`] nothing is left
    /// to carry: the other end drops ICE and DTLS, and a later offer begins both anew.
    pub sections: Vec<Section>,
}

/// This end's part in the DTLS handshake (RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// The other end sends the ClientHello.
    Server,
    /// This end sends the ClientHello.
    Client,
}

/// A certificate digest (RFC 8122 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function.
    pub algorithm: HashAlgorithm,
    /// Its output over the certificate's DER.
    pub digest: Vec<u8>,
}

/// A hash function of RFC 8122 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// `sha-256`
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

/// One media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Section {
    /// Port 0: refused, or stopped by the other end.
    Rejected {
        /// Its identification tag, if it had one.
        mid: Option<String>,
    },
    /// Audio or video.
    Media(MediaSection),
    /// Data channels.
    Data(DataSection),
}

/// An audio or video section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSection {
    /// The identification tag (RFC 5888).
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// The direction as this end answered it: `recv` is from the browser to the server.
    pub direction: Direction,
    /// The codecs of the answer, in the answer's order of preference.
    pub codecs: Vec<Codec>,
    /// The header extensions of the answer.
    pub extensions: Extensions,
    /// Whether RTCP may come without a report in front (RFC 5506).
    pub reduced_size_rtcp: bool,
    /// What this end sends on the section, if it sends.
    pub send: Option<SendStream>,
    /// The streams the offer announced by `a=ssrc`, where it did.
    pub remote_streams: Vec<RemoteStream>,
    /// Simulcast layers the other end sends, by `rid` (RFC 8853), best first: as offered, unless their names say more. Empty without simulcast.
    pub rids: Vec<String>,
    /// Simulcast layers that are told apart by SSRC alone (`a=ssrc-group:SIM`), best first. Empty where
    /// there are rids, which say more.
    pub layer_ssrcs: Vec<u32>,
}

impl MediaSection {
    /// Whether one stream of pictures comes on it that may have spatial layers: its sender prefers a codec that has such.
    pub fn may_have_spatial_layers(&self) -> bool {
        let has_them = |codec: &Codec| codec.kind.has_spatial_layers();
        let is_one = self.rids.len() < 2 && self.layer_ssrcs.len() < 2;
        self.direction.recv && is_one && self.codecs.first().is_some_and(has_them)
    }
}

/// The kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

impl MediaKind {
    /// As in an `m=` line.
    pub fn name(self) -> &'static str {
        match self {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        }
    }
}

/// Which way media may go, seen from this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// This end may send.
    pub send: bool,
    /// This end may receive.
    pub recv: bool,
}

/// One codec of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// What it is.
    pub kind: CodecKind,
    /// The RTP payload type.
    pub payload_type: u8,
    /// The payload type of its retransmissions (RFC 4588), if agreed.
    pub rtx_payload_type: Option<u8>,
    /// The RTP clock, in Hz.
    pub clock_rate: u32,
    /// The `a=fmtp` parameters, as answered.
    pub fmtp: String,
    /// `a=rtcp-fb` `nack`.
    pub nack: bool,
    /// `a=rtcp-fb` `nack pli`.
    pub pli: bool,
    /// `a=rtcp-fb` `ccm fir`.
    pub fir: bool,
    /// `a=rtcp-fb` `transport-cc`.
    pub transport_cc: bool,
    /// `a=rtcp-fb` `goog-remb`, in the place of `transport-cc`.
    pub remb: bool,
}

/// The codecs the server forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecKind {
    /// RFC 7587
    Opus,
    /// Opus, each packet with what came before it (RFC 2198)
    Red,
    /// RFC 7741
    Vp8,
    /// RFC 9628
    Vp9,
    /// RFC 6184
    H264,
    /// The AV1 RTP specification
    Av1,
}

impl CodecKind {
    /// Whether it is one of pictures.
    pub fn is_picture(self) -> bool {
        match self {
            CodecKind::Opus | CodecKind::Red => false,
            CodecKind::Vp8 | CodecKind::Vp9 | CodecKind::H264 | CodecKind::Av1 => true,
        }
    }

    /// Whether one stream of it may carry pictures of several sizes.
    pub fn has_spatial_layers(self) -> bool {
        match self {
            CodecKind::Vp9 | CodecKind::Av1 => true,
            CodecKind::Opus | CodecKind::Red | CodecKind::Vp8 | CodecKind::H264 => false,
        }
    }
}

/// The agreed ids of the header extensions the server reads or writes (RFC 8285). An id is 1 to 255; over 14 needs two-byte headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub abs_send_time: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    pub audio_level: Option<u8>,
    /// `urn:3gpp:video-orientation`
    pub video_orientation: Option<u8>,
    /// AV1's dependency descriptor.
    pub dependency_descriptor: Option<u8>,
}

/// A stream this end sends. It keeps its SSRCs from answer to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendStream {
    /// The media's SSRC.
    pub ssrc: u32,
    /// The SSRC of its retransmissions, if any codec of the section has them.
    pub rtx_ssrc: Option<u32>,
    /// The `msid` stream id: sections with the same one belong together.
    pub stream_id: String,
    /// The `msid` track id.
    pub track_id: String,
}

/// A stream the other end announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteStream {
    /// The media's SSRC.
    pub ssrc: u32,
    /// The SSRC of its retransmissions (`a=ssrc-group:FID`).
    pub rtx_ssrc: Option<u32>,
}

/// A data channel section (RFC 8841).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSection {
    /// The identification tag.
    pub mid: String,
    /// The other end's SCTP port.
    pub sctp_port: u16,
    /// The largest message the other end takes, in bytes; 0 is no limit.
    pub max_message_size: u32,
}

/// Why an offer cannot be answered. The words are for the developer who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdpError(pub String);

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SdpError {}

/// Refuses an offer with a reason.
pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, SdpError> {
    Err(SdpError(why.into()))
}
