//! What is watched of what a peer sends in layers, and what of that its session was told. Pure: what
//! follows from it is the session's matter.

use crate::media::event::{PeerEvent, Tell};
use crate::media::forward::track::Watched;
use crate::media::sdp::{Agreed, Section};

/// By section.
#[derive(Debug, Default)]
pub(super) struct WatchedSections {
    watched: Vec<Watched>,
    /// What the session was told; `None` where that is not as it is.
    told: Option<Vec<(usize, Watched)>>,
}

impl WatchedSections {
    /// This is watched of what comes on a section.
    pub(super) fn note(&mut self, section: usize, watched: Watched) {
        if self.watched.len() <= section {
            self.watched.resize(section + 1, None);
        }
        if let Some(known) = self.watched.get_mut(section) {
            *known = watched;
        }
    }

    /// Tells the session, where there is news. What it has no room for is told another time.
    pub(super) fn tell(&mut self, agreed: &Agreed, tell: &mut impl Tell) {
        let sections = agreed.sections.iter().enumerate();
        let layered = sections.filter(|(_, section)| is_layered(section));
        let watched = layered.map(|(at, _)| (at, self.watched.get(at).copied().flatten()));
        let is_told = (self.told.as_deref()).map_or_else(
            || watched.clone().next().is_none(),
            |told| told.iter().copied().eq(watched.clone()),
        );
        if is_told {
            return;
        }
        let watched: Vec<_> = watched.collect();
        if tell(PeerEvent::Watched(watched.clone())).is_ok() {
            self.told = Some(watched);
        }
    }
}

fn is_layered(section: &Section) -> bool {
    match section {
        Section::Media(media) => media.rids.len() > 1 || media.may_have_spatial_layers(),
        Section::Data(_) | Section::Rejected { .. } => false,
    }
}
