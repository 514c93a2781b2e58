//! Which RTP header extensions (RFC 8285) of an offered section are taken, and under which id.
//!
//! Ids are the offer's. It knows names and numbers, not what is in an extension.

use super::agreed::{Extensions, MediaKind};
use super::description::{Attributes, Media};

/// One `a=extmap` taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping<'a> {
    /// The local identifier.
    pub(super) id: u8,
    /// Which way it goes, seen from this end; empty for both.
    pub(super) direction: &'static str,
    /// The name and its attributes, as offered.
    pub(super) name: &'a str,
    extension: Extension,
}

/// The extensions of [`Extensions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    Mid,
    Rid,
    RepairedRid,
    TransportCc,
    AbsSendTime,
    AudioLevel,
    VideoOrientation,
    DependencyDescriptor,
}

impl Extension {
    fn named(uri: &str) -> Option<Self> {
        Some(match uri {
            "urn:ietf:params:rtp-hdrext:sdes:mid" => Extension::Mid,
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" => Extension::Rid,
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" => Extension::RepairedRid,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" => {
                Extension::TransportCc
            }
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" => Extension::AbsSendTime,
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => Extension::AudioLevel,
            "urn:3gpp:video-orientation" => Extension::VideoOrientation,
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension" => {
                Extension::DependencyDescriptor
            }
            _ => return None,
        })
    }

    fn fits(self, kind: MediaKind) -> bool {
        match self {
            Extension::AudioLevel => kind == MediaKind::Audio,
            Extension::Rid
            | Extension::RepairedRid
            | Extension::VideoOrientation
            | Extension::DependencyDescriptor => kind == MediaKind::Video,
            Extension::Mid | Extension::TransportCc | Extension::AbsSendTime => true,
        }
    }

    /// Whether it is read before a packet's section is known.
    fn names_section(self) -> bool {
        matches!(
            self,
            Extension::Mid | Extension::Rid | Extension::RepairedRid
        )
    }

    fn slot(self, extensions: &mut Extensions) -> &mut Option<u8> {
        match self {
            Extension::Mid => &mut extensions.mid,
            Extension::Rid => &mut extensions.rid,
            Extension::RepairedRid => &mut extensions.repaired_rid,
            Extension::TransportCc => &mut extensions.transport_cc,
            Extension::AbsSendTime => &mut extensions.abs_send_time,
            Extension::AudioLevel => &mut extensions.audio_level,
            Extension::VideoOrientation => &mut extensions.video_orientation,
            Extension::DependencyDescriptor => &mut extensions.dependency_descriptor,
        }
    }
}

/// Chooses from a section, or from what the session says for every section.
pub(super) fn choose<'a>(
    kind: MediaKind,
    session: &Attributes<'a>,
    media: &Media<'a>,
) -> Vec<Mapping<'a>> {
    let mut taken: Vec<Mapping<'a>> = Vec::new();
    let lines = media.attributes.values("extmap");
    for mapping in lines.chain(session.values("extmap")).filter_map(parse) {
        let clash =
            |other: &Mapping<'_>| other.id == mapping.id || other.extension == mapping.extension;
        if mapping.extension.fits(kind) && !taken.iter().any(clash) {
            taken.push(mapping);
        }
    }
    taken
}

/// Drops what would make a packet's section ambiguous: one id must not mean a section's name in one
/// section and something else in another (RFC 9143 §15). The first section that names it decides.
pub(super) fn reconcile<'s, 'a: 's>(sections: impl Iterator<Item = &'s mut Vec<Mapping<'a>>>) {
    let mut naming: Vec<(u8, Extension)> = Vec::new();
    let mut sections: Vec<_> = sections.collect();
    for mapping in sections.iter().flat_map(|mappings| mappings.iter()) {
        let known = |&(id, extension): &_| id == mapping.id || extension == mapping.extension;
        if mapping.extension.names_section() && !naming.iter().any(known) {
            naming.push((mapping.id, mapping.extension));
        }
    }
    for mappings in &mut sections {
        mappings.retain(|mapping| {
            let own = (mapping.id, mapping.extension);
            let clash = |&(id, extension): &_| id == own.0 || extension == own.1;
            naming.contains(&own) || !naming.iter().any(clash)
        });
    }
}

/// The meaning of what was taken.
pub(super) fn ids(mappings: &[Mapping<'_>]) -> Extensions {
    let mut extensions = Extensions::default();
    for mapping in mappings {
        *mapping.extension.slot(&mut extensions) = Some(mapping.id);
    }
    extensions
}

fn parse(value: &str) -> Option<Mapping<'_>> {
    let (number, name) = value.split_once(' ')?;
    let (id, direction) = number.split_once('/').unwrap_or((number, "sendrecv"));
    // The name comes back with its attributes, which no known one has many of.
    let name = Some(name.trim()).filter(|name| name.len() <= 256)?;
    Some(Mapping {
        id: id.parse().ok().filter(|id| matches!(id, 1..=14 | 16..))?,
        direction: mirrored(direction)?,
        extension: Extension::named(name.split(' ').next()?)?,
        name,
    })
}

/// What one end sends is what the other receives (RFC 8285 §6).
fn mirrored(direction: &str) -> Option<&'static str> {
    match direction {
        "sendrecv" => Some(""),
        "sendonly" => Some("/recvonly"),
        "recvonly" => Some("/sendonly"),
        _ => None,
    }
}
