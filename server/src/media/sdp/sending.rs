//! The RTP streams that this end sends: their SSRCs and ids, which stay from answer to answer.

use std::collections::{HashMap, HashSet};

use super::agreed::{Agreed, Local, SdpError, Section, SendStream, refuse};
use super::draft::{Draft, MediaDraft};
use super::offer::{Offer, Offered};
use super::streams::{is_stream_id, offered_stream_id};

/// The MediaStream of what this end sends where the offer names none.
const DEFAULT_STREAM_ID: &str = "ferrite";

/// Gives what this end sends its SSRCs and ids.
pub(super) struct SendStreams<'r> {
    /// Streams of sections that go on, by label.
    kept: HashMap<String, SendStream>,
    /// SSRCs in use at either end.
    taken: HashSet<u32>,
    /// The MediaStreams that this end would have sections in, by label.
    wanted: &'r HashMap<String, String>,
    random: &'r mut dyn FnMut() -> u32,
}

impl<'r> SendStreams<'r> {
    /// Keeps what goes on. All is kept before anything is made, so that no new SSRC is an old one.
    pub(super) fn new(
        offer: &Offer<'_>,
        drafts: &[Draft<'_>],
        local: &'r Local,
        previous: Option<&Agreed>,
        random: &'r mut dyn FnMut() -> u32,
    ) -> Result<Self, SdpError> {
        let mut streams = SendStreams {
            kept: HashMap::new(),
            taken: remote_ssrcs(drafts)?,
            wanted: &local.streams,
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
        let stream_id = offered_stream_id(&offered.media.attributes);
        let wanted = || self.wanted.get(offered.label.as_ref()).map(String::as_str);
        let stream_id = stream_id.or_else(|| wanted().filter(|id| is_stream_id(id)));
        let stream_id = stream_id.map(str::to_owned).or(kept_id);
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
