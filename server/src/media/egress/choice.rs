//! What goes out of what comes: of one track, in one layer, whole from a keyframe on. What it was chosen for, a peer says.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use super::Egress;
use super::source::{Began, LAYER_SILENCE, Source};
use super::spatial::SpatialSelection;
use super::thinning::counted_picture;
use crate::congestion::ALL_TEMPORAL;
use crate::media::plan::Shown;
use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::spatial::Spatial;
use crate::media::sdp::MediaKind;

/// A layer of which nothing came for this long, while others came, is switched off: the layers of a frame come
/// together. Until it is on again another is shown.
const LAYER_UNSEEN: Duration = Duration::from_millis(100);

impl Egress {
    /// Shows something else: another track from its next keyframe on, and nothing until then; another
    /// layer from its next keyframe on; or nothing.
    pub fn select(&mut self, shown: Option<Shown>) {
        let whole = |shown: Option<Shown>| shown.map(Shown::whole);
        let is_same = whole(self.selected) == whole(shown);
        self.selected = shown;
        if is_same {
            return;
        }
        self.began = None;
        self.has_seen_best = false;
        let goes_on = |source: &Source| {
            !source.is_over && shown.is_some_and(|shown| shown.track == source.track)
        };
        // Of what has spatial layers its pictures say whether another begins without a keyframe.
        let has_it = |source: &Source| {
            let is_best = |shown: Shown| shown.best_layer == source.layer;
            goes_on(source) && (source.spatial.is_some() || shown.is_some_and(is_best))
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
        let is_best = media.spatial.is_some() || media.layer == selected.best_layer;
        self.has_seen_best |= is_best;
        let may_be_sent = is_best || media.layer > selected.best_layer;
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

    /// Whether a packet of what goes out is of a frame that the spatial layer needs that does.
    pub(super) fn takes_spatial(&mut self, media: &MediaPacket) -> bool {
        // What comes back does as it is.
        let is_chosen = self.selected.is_some_and(|shown| !shown.from_the_start);
        let is_chosen = is_chosen && self.follows(media);
        if !is_chosen || media.is_padding {
            return true;
        }
        let Some(spatial) = media.spatial else {
            self.takes_unlayered(media);
            return true;
        };
        let limit = self.spatial_limit(&spatial);
        let Some(source) = &mut self.source else {
            return true;
        };
        let ahead = source.numbering.ahead(media.header.sequence);
        let Some(selection) = &mut source.spatial else {
            // It has them since now; what came before was no keyframe of theirs.
            source.spatial = (media.starts_keyframe)
                .then(|| SpatialSelection::new(media, limit))
                .flatten()
                .map(Box::new);
            // All goes out until then; of each picture it is wished for once.
            let is_wish = source.spatial.is_none() && spatial.id == 0 && spatial.ends;
            self.wants_keyframe |= is_wish && limit < spatial.live;
            return true;
        };
        let takes = selection.takes(media, &spatial, ahead, limit);
        self.wants_keyframe |= selection.take_keyframe_wish();
        takes
    }

    /// Notes one that is of no layer: where there were such, who is shown one may lack what it needs.
    fn takes_unlayered(&mut self, media: &MediaPacket) {
        let Some(source) = &mut self.source else {
            return;
        };
        if source.spatial.is_none() || source.numbering.ahead(media.header.sequence) <= 0 {
            return;
        }
        match media.starts_keyframe {
            true => source.spatial = None,
            false => self.wants_keyframe = true,
        }
    }

    /// Up to which spatial layer may be shown: no larger than it is watched, than there is room for, and than comes.
    pub(super) fn spatial_limit(&self, spatial: &Spatial) -> u8 {
        let layer = (self.selected).map_or(0, |shown| shown.best_spatial(spatial));
        spatial.id(layer).min(spatial.live)
    }

    /// Whether a packet of what goes out is of a temporal layer that does.
    pub(super) fn takes_temporal(&mut self, now: Instant, media: &MediaPacket) -> bool {
        if !self.follows(media) {
            return true;
        }
        let of_source = |source: &Source| (source.layer_of(media), source.thinning.shown());
        let (layer, shown) = self
            .source
            .as_ref()
            .map_or((media.layer, ALL_TEMPORAL), of_source);
        let limit = self.limit(layer, shown);
        let Some(source) = &mut self.source else {
            return true;
        };
        let ahead = source.numbering.ahead(media.header.sequence);
        let takes = source.thinning.takes(now, media, ahead, limit);
        self.wants_keyframe |= source.thinning.take_stuck(now);
        takes
    }

    /// Whether a packet goes out whole that comes late, of a temporal layer that does not. Where a gap in the numbers of
    /// pictures is a loss it does, if nothing of its picture was left out: none has taken its number.
    pub(super) fn fills_a_gap(&self, media: &MediaPacket) -> bool {
        let picture = counted_picture(media);
        let source = self.source.as_ref();
        (source.zip(picture)).is_some_and(|(it, picture)| !it.numbering.has_left_out(picture))
    }

    /// How many temporal layers of a layer may go out, where so many do. Of a better one than there is room for, which
    /// goes out until that begins, there are no more than before; a worse one stands in whole.
    pub(super) fn limit(&self, layer: u8, shown: u8) -> u8 {
        let Some(selected) = self.selected else {
            return shown;
        };
        match layer.cmp(&selected.best_layer) {
            Ordering::Equal => selected.temporal,
            Ordering::Less if selected.is_pressed && self.is_smaller_than_watched(&selected) => 0,
            Ordering::Less => shown,
            Ordering::Greater => ALL_TEMPORAL,
        }
    }

    /// Whether a layer is smaller than the one for the size that it is watched at.
    fn is_smaller_than_watched(&self, selected: &Shown) -> bool {
        let spatial = self.source.as_ref().and_then(|it| it.spatial.as_ref());
        spatial.is_none_or(|it| selected.best_layer > selected.watched_layer(it.said()))
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
            let is_best = |it: Shown| source.spatial.is_some() || it.best_layer == source.layer;
            !source.is_over && self.selected.is_none_or(is_best)
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
