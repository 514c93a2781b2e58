//! What goes out of what comes: of one track, in one layer, whole from a keyframe on. What it was chosen for, a peer says.

use std::time::{Duration, Instant};

use super::Egress;
use super::source::{Began, LAYER_SILENCE, Source};
use crate::media::plan::Shown;
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::MediaKind;

/// A layer of which nothing came for this long, while others came, is switched off: the layers of a frame come
/// together. Until it is on again another is shown.
const LAYER_UNSEEN: Duration = Duration::from_millis(100);

impl Egress {
    /// Shows something else: another track from its next keyframe on, and nothing until then; another
    /// layer from its next keyframe on; or nothing.
    pub fn select(&mut self, shown: Option<Shown>) {
        if self.selected == shown {
            return;
        }
        self.selected = shown;
        self.began = None;
        self.has_seen_best = false;
        let goes_on = |source: &Source| {
            !source.is_over && shown.is_some_and(|shown| shown.track == source.track)
        };
        let has_it = |source: &Source| {
            goes_on(source) && shown.is_some_and(|shown| shown.best_layer == source.layer)
        };
        self.wants_keyframe = shown.is_some() && !self.source.as_ref().is_some_and(has_it);
        if let Some(source) = &mut self.source {
            source.is_over = !goes_on(source);
        }
    }

    /// What comes next may not follow what came before: there was a time in which nothing came here.
    pub fn rejoin(&mut self) {
        if let Some(source) = &mut self.source {
            source.may_be_over = true;
        }
    }

    /// Whether a packet is of the track and the layer that go out: of the selected track's the best there
    /// is that may be sent. Another begins with a keyframe, and so does what has a gap nobody lost.
    pub(super) fn takes(&mut self, now: Instant, media: &MediaPacket) -> bool {
        let Some(selected) = self.selected.filter(|shown| shown.track == media.track) else {
            return false;
        };
        let began = *self.began.get_or_insert(now);
        let is_due = now >= began + LAYER_SILENCE;
        let is_best = media.layer == selected.best_layer;
        self.has_seen_best |= is_best;
        let may_be_sent = media.layer >= selected.best_layer;
        let follows = self.follows(media);
        let Some(source) = &mut self.source else {
            let is_off = !self.has_seen_best && now >= began + LAYER_UNSEEN;
            let may_begin = is_best || may_be_sent && (is_due || is_off);
            let is_beginning = media.starts_keyframe || selected.from_the_start;
            self.wants_keyframe |= may_begin && !is_beginning;
            return may_begin && is_beginning;
        };
        source.may_be_over |= media.resumes;
        if follows && source.may_be_over {
            // What came before may come again from elsewhere.
            let ahead = source.numbering.ahead(media.header.sequence);
            source.may_be_over = ahead <= 0;
            source.is_over = ahead > 1;
        }
        let is_same = source.track == media.track && !source.is_over;
        if is_same && (source.layer, source.ssrc) == (media.layer, media.header.ssrc) {
            return true;
        }
        let is_silent = now >= source.last_at + LAYER_SILENCE;
        let may_begin = may_be_sent
            && match is_same {
                true if source.layer < selected.best_layer => is_best || is_due || is_silent,
                true => media.layer <= source.layer || is_silent,
                false => true,
            };
        self.wants_keyframe |= may_begin && !media.starts_keyframe;
        may_begin && media.starts_keyframe
    }

    pub(super) fn leaves_out(&mut self, media: &MediaPacket, congested: bool) -> bool {
        if self.kind == MediaKind::Audio {
            return false;
        }
        if congested {
            self.awaits_keyframe = true;
        } else if self.awaits_keyframe {
            // What overtook one was left out with its number.
            let is_late = self.follows(media)
                && (self.source.as_ref())
                    .is_some_and(|source| !source.numbering.is_newest(media.header.sequence));
            self.awaits_keyframe = !media.starts_keyframe || is_late;
            // The one that was wished for as the path had room again may have been lost.
            self.wants_keyframe |= self.awaits_keyframe;
        }
        self.awaits_keyframe
    }

    /// Whether a keyframe was missed since this was last asked.
    pub fn take_keyframe_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }

    /// What a source of pictures began with since this was last asked.
    pub fn take_beginning(&mut self) -> Option<Began> {
        self.has_begun.take()
    }

    /// Whether another source, or another layer, goes out once it begins with a keyframe.
    pub(super) fn may_begin(&self) -> bool {
        let goes_on = |source: &Source| {
            !source.is_over && self.selected.is_none_or(|it| it.best_layer == source.layer)
        };
        self.begins_with_a_keyframe() && !self.source.as_ref().is_some_and(goes_on)
    }

    /// Whether nothing can be sent before the next keyframe.
    pub fn awaits_keyframe(&self) -> bool {
        self.awaits_keyframe
    }

    /// Whether what goes out begins with a keyframe: nothing from before that is of any use.
    pub(super) fn begins_with_a_keyframe(&self) -> bool {
        self.kind == MediaKind::Video && self.selected.is_some_and(|shown| !shown.from_the_start)
    }
}
