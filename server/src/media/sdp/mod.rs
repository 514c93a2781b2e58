//! Offer in, answer out (RFC 9429 §5.3): the one piece of SDP code the server has.
//!
//! [`answer`] is a pure function of the offer, what the server brings and what was agreed before.
//! It yields the answer's text and an [`Agreed`]: everything the media plane needs to know, parsed
//! and checked, so that nothing behind it looks at SDP again.

mod agreed;
mod codecs;
mod data;
mod description;
mod draft;
mod extensions;
mod format;
mod offer;
mod sending;
mod simulcast;
mod streams;
mod transport;
mod write;

#[cfg(test)]
mod tests;

pub use self::agreed::{
    Agreed, Codec, CodecKind, DataSection, Direction, DtlsRole, Extensions, Fingerprint,
    HashAlgorithm, Local, MediaKind, MediaSection, RemoteStream, SdpError, Section, SendStream,
};
pub use self::data::LOCAL_SCTP_PORT;
pub use self::description::{
    MAX_ATTRIBUTES, MAX_FORMATS, MAX_LINE_BYTES, MAX_OFFER_BYTES, MAX_SECTIONS,
};
pub use self::format::Format;
pub use self::simulcast::MAX_LAYERS;
pub use self::streams::MAX_SSRCS;

use self::agreed::refuse;
use self::draft::Draft;
use self::offer::Offer;
use self::sending::SendStreams;
use self::transport::Transport;
use self::write::Writer;

/// An answer and what it means.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The text for the other end.
    pub sdp: String,
    /// The meaning for this end.
    pub agreed: Agreed,
}

/// Answers an offer.
///
/// `previous` is what the last answer of the same peer connection agreed; `random` gives SSRCs.
///
/// A new `ice_ufrag` in the session asks for an ICE restart, whose answer needs new credentials of
/// this end too (RFC 8839 §4.4.3.1.1): answer again with those in `local`.
pub fn answer(
    offer: &str,
    local: &Local,
    previous: Option<&Agreed>,
    random: &mut dyn FnMut() -> u32,
) -> Result<Answer, SdpError> {
    let offer = Offer::parse(offer)?;
    previous.map_or(Ok(()), |previous| offer.check_continues(previous))?;
    let drafts = draft::drafts(&offer)?;
    let tagged = tagged(&offer, &drafts);
    let transport = match (tagged.and_then(|index| offer.sections.get(index)), previous) {
        (Some(section), _) => Transport::of(&offer, section, previous)?,
        (None, Some(previous)) => Transport::unchanged(previous),
        (None, None) => return refuse(nothing_taken(&offer, &drafts)),
    };
    let agreed = Agreed {
        id: offer.session_id.to_owned(),
        version: previous.map_or(1, |previous| previous.version.saturating_add(1)),
        ice_ufrag: transport.ice_ufrag,
        ice_pwd: transport.ice_pwd,
        dtls_role: transport.dtls_role,
        fingerprints: transport.fingerprints,
        sections: sections(&offer, &drafts, local, previous, random)?,
    };
    let writer = Writer {
        offer: &offer,
        drafts: &drafts,
        agreed: &agreed,
        local,
        tagged,
    };
    let sdp = writer.write();
    Ok(Answer { sdp, agreed })
}

/// Whether an offer is of another session than what was agreed on before: of another peer connection,
/// that knows nothing of it. Nonsense is of none.
pub fn begins_anew(offer: &str, previous: &Agreed) -> bool {
    Offer::parse(offer).is_ok_and(|offer| !offer.is_of(previous))
}

/// The section that speaks for the transport: the first of the group that is taken
/// (RFC 9143 §7.3.1), or without a group the only one.
fn tagged(offer: &Offer<'_>, drafts: &[Draft<'_>]) -> Option<usize> {
    let taken = |index: &usize| !matches!(drafts.get(*index), None | Some(Draft::Rejected(_)));
    let index_of = |tag: &&str| offer.sections.iter().position(|s| s.mid == Some(*tag));
    let mut bundled = offer.bundle.iter().flatten().filter_map(index_of);
    bundled
        .find(taken)
        .or_else(|| (0..drafts.len()).find(taken))
}

/// Why there is nothing to answer with.
fn nothing_taken(offer: &Offer<'_>, drafts: &[Draft<'_>]) -> String {
    let pairs = offer.sections.iter().zip(drafts);
    let reasons = pairs.filter_map(|(offered, draft)| match draft {
        Draft::Rejected(why) => Some(format!("{} {why}", offered.name())),
        Draft::Media(_) | Draft::Data(..) => None,
    });
    let reasons: Vec<_> = reasons.take(4).collect();
    format!("nothing in the offer can be taken: {}", reasons.join("; "))
}

/// The meaning of every section.
fn sections(
    offer: &Offer<'_>,
    drafts: &[Draft<'_>],
    local: &Local,
    previous: Option<&Agreed>,
    random: &mut dyn FnMut() -> u32,
) -> Result<Vec<Section>, SdpError> {
    let mut kept = SendStreams::new(offer, drafts, local, previous, random)?;
    let pairs = offer.sections.iter().zip(drafts);
    Ok(pairs
        .map(|(offered, draft)| match draft {
            Draft::Rejected(_) => Section::Rejected {
                mid: offered.mid.map(str::to_owned),
            },
            Draft::Media(media) => Section::Media(MediaSection {
                mid: offered.label.to_string(),
                kind: media.kind,
                direction: media.direction,
                codecs: media.codecs.meaning(),
                extensions: extensions::ids(&media.mappings),
                reduced_size_rtcp: offered.media.attributes.has("rtcp-rsize"),
                send: kept.of(offered, media),
                remote_streams: media.announced.streams.clone(),
                rids: simulcast::best_first(&media.layers),
                layer_ssrcs: match media.layers.is_empty() {
                    true => media.announced.layers.clone(),
                    false => vec![],
                },
            }),
            Draft::Data(section, _) => Section::Data(section.clone()),
        })
        .collect())
}
