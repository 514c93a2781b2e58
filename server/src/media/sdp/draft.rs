//! What becomes of each offered section: refused, or taken as media or as data.
//!
//! It asks the files that know codecs, extensions and streams, and knows only what must be there
//! for a section to be taken.

use super::agreed::{DataSection, Direction, MediaKind, SdpError, refuse};
use super::codecs::{self, Chosen, Codecs};
use super::data::{self, Spelling};
use super::description::Attributes;
use super::extensions::{self, Mapping};
use super::offer::{Offer, Offered};
use super::simulcast::{self, Layer};
use super::streams::{self, Announced};

/// One section's fate.
#[derive(Debug)]
pub(super) enum Draft<'a> {
    /// Port 0 in the answer, and why.
    Rejected(&'static str),
    /// Audio or video.
    Media(MediaDraft<'a>),
    /// Data channels.
    Data(DataSection, Spelling),
}

/// An audio or video section taken.
#[derive(Debug)]
pub(super) struct MediaDraft<'a> {
    pub(super) kind: MediaKind,
    pub(super) direction: Direction,
    pub(super) codecs: Codecs<'a>,
    pub(super) mappings: Vec<Mapping<'a>>,
    pub(super) layers: Vec<Layer<'a>>,
    pub(super) announced: Announced,
}

/// Decides on every section, in order.
pub(super) fn drafts<'a>(offer: &Offer<'a>) -> Result<Vec<Draft<'a>>, SdpError> {
    let mut drafts = Vec::with_capacity(offer.sections.len());
    for offered in &offer.sections {
        let data_taken = drafts.iter().any(|d| matches!(d, Draft::Data(..)));
        drafts.push(match offered.media.kind {
            _ if !offered.live => Draft::Rejected("is stopped"),
            "audio" => media(MediaKind::Audio, offer, offered)?,
            "video" => media(MediaKind::Video, offer, offered)?,
            // All data channels share one SCTP association (RFC 8832 §2).
            "application" if data_taken => Draft::Rejected("is the second data channel section"),
            "application" => data::read(offered)
                .map_or_else(Draft::Rejected, |(section, spelling)| {
                    Draft::Data(section, spelling)
                }),
            _ => Draft::Rejected("is neither audio, video nor data channels"),
        });
    }
    extensions::reconcile(drafts.iter_mut().filter_map(|draft| match draft {
        Draft::Media(media) => Some(&mut media.mappings),
        Draft::Rejected(_) | Draft::Data(..) => None,
    }));
    check_together(offer, &drafts)?;
    Ok(drafts)
}

fn media<'a>(
    kind: MediaKind,
    offer: &Offer<'a>,
    offered: &Offered<'a>,
) -> Result<Draft<'a>, SdpError> {
    let media = &offered.media;
    // Plain RTP is not for browsers; RTP/SAVP(F) is how DTLS-SRTP was first written (RFC 9429 §5.1.2).
    let secure = media.protocol.strip_suffix('F').unwrap_or(media.protocol);
    if !["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVP", "RTP/SAVP"].contains(&secure) {
        return Ok(Draft::Rejected("is over a protocol other than DTLS-SRTP"));
    }
    let codecs = codecs::choose(kind, media);
    if codecs.chosen.is_empty() {
        return Ok(Draft::Rejected("has no codec that this server forwards"));
    }
    let direction = answered_direction(&media.attributes, &offer.session);
    let layers = match direction.recv {
        true => simulcast::layers(&media.attributes, &codecs.payload_types),
        false => vec![],
    };
    let mut draft = MediaDraft {
        kind,
        direction,
        codecs,
        mappings: extensions::choose(kind, &offer.session, media),
        layers,
        announced: streams::announced(offered)?,
    };
    draft.agree_on_feedback();
    Ok(Draft::Media(draft))
}

impl MediaDraft<'_> {
    /// Feedback on transport-wide sequence numbers needs packets that carry them. Without it the other end estimates
    /// by itself what is sent to it: that takes padding to find out what more there is, and so retransmissions.
    fn agree_on_feedback(&mut self) {
        let is_numbered = extensions::ids(&self.mappings).transport_cc.is_some();
        for Chosen { codec, .. } in &mut self.codecs.chosen {
            codec.transport_cc &= is_numbered;
            let has_padding = codec.rtx_payload_type.is_some();
            codec.remb &= self.direction.send && has_padding && !codec.transport_cc;
        }
    }
}

/// The offer's direction seen from here (RFC 3264 §6.1): whatever is sent is received, and back.
fn answered_direction(media: &Attributes<'_>, session: &Attributes<'_>) -> Direction {
    let of = |attributes: &Attributes<'_>| {
        let directions = [
            ("sendrecv", true, true),
            ("sendonly", false, true),
            ("recvonly", true, false),
            ("inactive", false, false),
        ];
        let mut offered = directions.iter().filter(|d| attributes.has(d.0));
        offered
            .next()
            .map(|&(_, send, recv)| Direction { send, recv })
    };
    let both = Direction {
        send: true,
        recv: true,
    };
    of(media).or_else(|| of(session)).unwrap_or(both)
}

/// What must hold of the sections taken, which share one transport.
fn check_together(offer: &Offer<'_>, drafts: &[Draft<'_>]) -> Result<(), SdpError> {
    let pairs = || offer.sections.iter().zip(drafts);
    let taken: Vec<_> = pairs()
        .filter(|(_, draft)| !matches!(draft, Draft::Rejected(_)))
        .map(|(offered, _)| offered)
        .collect();
    check_bundle(offer, &taken)?;
    check_rtcp_mux(offer, pairs())?;
    check_payload_types(pairs())
}

fn check_bundle(offer: &Offer<'_>, taken: &[&Offered<'_>]) -> Result<(), SdpError> {
    if taken.len() < 2 {
        return Ok(());
    }
    match (&offer.bundle, taken.iter().find(|s| !offer.bundles(s))) {
        (_, None) => Ok(()),
        (None, Some(_)) => refuse(
            "the offer has several media sections and no a=group:BUNDLE: this server takes everything over one transport (bundlePolicy \"max-bundle\")",
        ),
        (Some(_), Some(outside)) => refuse(format!(
            "{} is not in the BUNDLE group: this server takes everything over one transport (bundlePolicy \"max-bundle\")",
            outside.name()
        )),
    }
}

/// Multiplexing holds for the transport, so in a group one section may say it for all
/// (RFC 9143 §9.3).
fn check_rtcp_mux<'o, 'a: 'o>(
    offer: &Offer<'_>,
    pairs: impl Iterator<Item = (&'o Offered<'a>, &'o Draft<'a>)>,
) -> Result<(), SdpError> {
    let mux = |s: &Offered<'_>| {
        s.media.attributes.has("rtcp-mux") || s.media.attributes.has("rtcp-mux-only")
    };
    let said = offer.sections.iter().any(|s| offer.bundles(s) && mux(s));
    for (offered, draft) in pairs {
        let bundled = said && offer.bundles(offered);
        if matches!(draft, Draft::Media(_)) && !bundled && !mux(offered) {
            return refuse(format!(
                "{} has no a=rtcp-mux: this server takes RTP and RTCP over one port (rtcpMuxPolicy \"require\")",
                offered.name()
            ));
        }
    }
    Ok(())
}

/// On one transport a payload type means one codec (RFC 9143 §10.1.1).
fn check_payload_types<'o, 'a: 'o>(
    pairs: impl Iterator<Item = (&'o Offered<'a>, &'o Draft<'a>)>,
) -> Result<(), SdpError> {
    let mut meanings = [None; 128];
    for (offered, draft) in pairs {
        let Draft::Media(media) = draft else { continue };
        for codec in media.codecs.chosen.iter().map(|choice| &choice.codec) {
            let rtx = codec.rtx_payload_type.map(|pt| (pt, true));
            for (payload_type, rtx) in [(codec.payload_type, false)].into_iter().chain(rtx) {
                let meaning = (codec.kind, rtx);
                let slot = &mut meanings[usize::from(payload_type & 0x7f)];
                if slot.is_some_and(|known| known != meaning) {
                    return refuse(format!(
                        "payload type {payload_type} is another codec in {} than in a section before it",
                        offered.name()
                    ));
                }
                *slot = Some(meaning);
            }
        }
    }
    Ok(())
}
