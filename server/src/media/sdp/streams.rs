//! The RTP streams that the other end announces in a section (`a=ssrc`, RFC 5576), and the MediaStream
//! that they are in (`a=msid`, RFC 8830).

use std::collections::HashSet;

use super::agreed::{RemoteStream, SdpError, refuse};
use super::description::Attributes;
use super::offer::{Offered, is_token};
use super::simulcast::MAX_LAYERS;

/// The most SSRCs one section may announce.
pub const MAX_SSRCS: usize = 64;

/// What a section announces.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// Media with its retransmissions.
    pub(super) streams: Vec<RemoteStream>,
    /// Those of them that are layers of one picture, best first.
    pub(super) layers: Vec<u32>,
    /// Every SSRC mentioned.
    pub(super) ssrcs: Vec<u32>,
}

/// Reads what a section announces.
pub(super) fn announced(offered: &Offered<'_>) -> Result<Announced, SdpError> {
    let attributes = &offered.media.attributes;
    check_one_track(offered)?;
    let retransmissions = pairs(attributes, "FID");
    let repairs = pairs(attributes, "FEC-FR");
    let lines = attributes.values("ssrc").filter_map(first_number);
    // A group may name an SSRC that has no line of its own (ffmpeg's retransmissions).
    let grouped = retransmissions.iter().chain(&repairs);
    let grouped = grouped.flat_map(|&(first, second)| [first, second]);
    let layers = layers(attributes);
    let ssrcs = distinct(lines.chain(grouped).chain(layers.iter().copied()));
    if ssrcs.len() > MAX_SSRCS {
        return refuse(format!(
            "{} announces more than {MAX_SSRCS} SSRCs",
            offered.name()
        ));
    }
    let secondary = |ssrc: &u32| retransmissions.iter().chain(&repairs).any(|p| p.1 == *ssrc);
    let media = ssrcs.iter().copied().filter(|ssrc| !secondary(ssrc));
    let streams = media.map(|ssrc| RemoteStream {
        ssrc,
        rtx_ssrc: retransmission_of(ssrc, &retransmissions),
    });
    Ok(Announced {
        streams: streams.collect(),
        layers,
        ssrcs,
    })
}

/// The SSRCs of the first `a=ssrc-group:SIM`, best first: simulcast from before there were rids, which
/// Chromium can still be made to send, and older libraries do. libwebrtc writes the smallest first.
fn layers(attributes: &Attributes<'_>) -> Vec<u32> {
    let mut groups = attributes.values("ssrc-group");
    let group = groups.find_map(|value| value.strip_prefix("SIM "));
    let ssrcs = group.into_iter().flat_map(str::split_ascii_whitespace);
    let mut layers = Vec::new();
    for ssrc in ssrcs.filter_map(first_number).take(MAX_LAYERS) {
        if !layers.contains(&ssrc) {
            layers.push(ssrc);
        }
    }
    layers.reverse();
    layers
}

/// The SSRC of a stream's retransmissions: it retransmits for no other (RFC 4588 §5.3).
fn retransmission_of(ssrc: u32, pairs: &[(u32, u32)]) -> Option<u32> {
    let &(_, rtx) = pairs.iter().find(|pair| pair.0 == ssrc)?;
    let first = pairs.iter().find(|pair| pair.1 == rtx)?;
    (first.0 == ssrc).then_some(rtx)
}

/// Each once, in the order of their first appearance; cut off where there are too many.
fn distinct(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut seen = HashSet::new();
    let fresh = numbers.filter(|&number| seen.insert(number));
    fresh.take(MAX_SSRCS + 1).collect()
}

/// The pairs of an `a=ssrc-group` (RFC 5576 §4.2).
fn pairs(attributes: &Attributes<'_>, semantics: &str) -> Vec<(u32, u32)> {
    let pair = |value: &str| {
        let mut words = value.split_ascii_whitespace();
        if words.next() != Some(semantics) {
            return None;
        }
        let mut ssrc = || words.next().and_then(first_number);
        Some((ssrc()?, ssrc()?))
    };
    attributes.values("ssrc-group").filter_map(pair).collect()
}

/// The SSRC a value begins with. 0 is no SSRC that anything here could send or be told apart by.
fn first_number(value: &str) -> Option<u32> {
    let number = value.split(' ').next()?;
    number.parse().ok().filter(|&ssrc| ssrc != 0)
}

/// Plan B put several tracks into one section; JSEP has a section for each.
fn check_one_track(offered: &Offered<'_>) -> Result<(), SdpError> {
    let mut tracks: Vec<&str> = ssrc_msids(&offered.media.attributes)
        .filter_map(|msid| msid.split(' ').nth(1))
        .collect();
    tracks.sort_unstable();
    tracks.dedup();
    if tracks.len() > 1 {
        return refuse(format!(
            "{} holds {} tracks (Plan B): offer one section for each track (Unified Plan, RFC 9429)",
            offered.name(),
            tracks.len()
        ));
    }
    Ok(())
}

/// The values of the older `a=ssrc:… msid:…`.
fn ssrc_msids<'s, 'a: 's>(attributes: &'s Attributes<'a>) -> impl Iterator<Item = &'a str> + 's {
    attributes
        .values("ssrc")
        .filter_map(|value| value.split_once(' ')?.1.strip_prefix("msid:"))
}

/// The MediaStream a section's track is in, if the offer names one.
pub(super) fn offered_stream_id<'a>(attributes: &Attributes<'a>) -> Option<&'a str> {
    let msid = attributes.value("msid");
    let msid = msid.or_else(|| ssrc_msids(attributes).next())?;
    let id = msid.split(' ').next()?;
    is_stream_id(id).then_some(id)
}

/// RFC 8830 §2: 1 to 64 characters, and "-" for none.
pub(super) fn is_stream_id(id: &str) -> bool {
    is_token(id) && id.len() <= 64 && id != "-"
}
