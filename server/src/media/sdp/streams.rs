//! The RTP streams of a section: those the other end announces (`a=ssrc`, RFC 5576) and the one this
//! end sends, with its place in a MediaStream (`a=msid`, RFC 8830).

use std::collections::{HashMap, HashSet};

use super::description::Attributes;
use super::draft::{Draft, MediaDraft};
use super::offer::{Offer, Offered, is_token};
use super::{MAX_LAYERS, RemoteStream, SdpError, Section, SendStream, Session, refuse};

/// The most SSRCs one section may announce.
pub const MAX_SSRCS: usize = 64;

/// The MediaStream of what this end sends where the offer names none.
const DEFAULT_STREAM_ID: &str = "ferrite";

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
fn offered_stream_id<'a>(attributes: &Attributes<'a>) -> Option<&'a str> {
    let msid = attributes.value("msid");
    let msid = msid.or_else(|| ssrc_msids(attributes).next())?;
    let id = msid.split(' ').next()?;
    // RFC 8830 §2: 1 to 64 characters, and "-" for none.
    (is_token(id) && id.len() <= 64 && id != "-").then_some(id)
}

/// Gives what this end sends its SSRCs and ids.
pub(super) struct SendStreams<'r> {
    /// Streams of sections that go on, by label.
    kept: HashMap<String, SendStream>,
    /// SSRCs in use at either end.
    taken: HashSet<u32>,
    random: &'r mut dyn FnMut() -> u32,
}

impl<'r> SendStreams<'r> {
    /// Keeps what goes on. All is kept before anything is made, so that no new SSRC is an old one.
    pub(super) fn new(
        offer: &Offer<'_>,
        drafts: &[Draft<'_>],
        previous: Option<&Session>,
        random: &'r mut dyn FnMut() -> u32,
    ) -> Result<Self, SdpError> {
        let mut streams = SendStreams {
            kept: HashMap::new(),
            taken: remote_ssrcs(drafts)?,
            random,
        };
        let before = previous.iter().flat_map(|previous| &previous.sections);
        for ((before, offered), draft) in before.zip(&offer.sections).zip(drafts) {
            let (Section::Media(before), Draft::Media(_)) = (before, draft) else {
                continue;
            };
            if before.mid == offered.label
                && let Some(stream) = &before.send
            {
                streams.keep(&before.mid, stream);
            }
        }
        Ok(streams)
    }

    /// An SSRC that the other end has taken for itself since is not kept (RFC 3550 §8.2).
    fn keep(&mut self, label: &str, stream: &SendStream) {
        let mut stream = stream.clone();
        stream.rtx_ssrc = stream.rtx_ssrc.filter(|&rtx| self.taken.insert(rtx));
        if self.taken.insert(stream.ssrc) {
            self.kept.insert(label.to_owned(), stream);
        }
    }

    /// The stream of a section, if it sends: as it was, as far as it was.
    pub(super) fn of(
        &mut self,
        offered: &Offered<'_>,
        draft: &MediaDraft<'_>,
    ) -> Option<SendStream> {
        let kept = self.kept.remove(offered.label.as_ref());
        if !draft.direction.send {
            return None;
        }
        let (kept_ssrc, kept_rtx, kept_id) = match kept {
            Some(kept) => (Some(kept.ssrc), kept.rtx_ssrc, Some(kept.stream_id)),
            None => (None, None, None),
        };
        let ssrc = kept_ssrc.unwrap_or_else(|| self.fresh());
        let rtx = draft
            .codecs
            .chosen
            .iter()
            .any(|choice| choice.rtx.is_some());
        // Under the id of the stream it comes back for: what was one MediaStream stays one.
        let stream_id = offered_stream_id(&offered.media.attributes).map(str::to_owned);
        let stream_id = stream_id.or(kept_id);
        Some(SendStream {
            ssrc,
            rtx_ssrc: rtx.then(|| kept_rtx.unwrap_or_else(|| self.fresh())),
            stream_id: stream_id.unwrap_or_else(|| DEFAULT_STREAM_ID.to_owned()),
            track_id: format!("{}-{ssrc}", draft.kind.name()),
        })
    }

    fn fresh(&mut self) -> u32 {
        let mut ssrc = (self.random)();
        // Counting on comes to an end even where the source of randomness repeats itself.
        while !self.taken.insert(ssrc) {
            ssrc = ssrc.wrapping_add(1);
        }
        ssrc
    }
}

/// The SSRCs of the offer, and 0, which some receivers take for none.
fn remote_ssrcs(drafts: &[Draft<'_>]) -> Result<HashSet<u32>, SdpError> {
    let mut ssrcs = HashSet::from([0]);
    for draft in drafts {
        let Draft::Media(media) = draft else { continue };
        for &ssrc in &media.announced.ssrcs {
            if !ssrcs.insert(ssrc) {
                return refuse(format!("two media sections announce the SSRC {ssrc}"));
            }
        }
    }
    Ok(ssrcs)
}
