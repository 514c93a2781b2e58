//! What of a shard's router belongs to one peer: the tracks it publishes and those it is sent, by section.
//! They are compared with what its session and its behaviour say, whole, and brought into line.

use crate::media::Behaviour;
use crate::media::forward::router::{Router, TrackKey};
use crate::media::forward::track::Place;
use crate::media::id::{PeerId, TrackId};
use crate::media::peer::Peer;
use crate::media::sdp::{Direction, Section};

/// A peer's tracks.
#[derive(Debug, Default)]
pub struct Routes {
    /// What comes on each section.
    published: Vec<Option<TrackKey>>,
    /// What each section shows.
    shown: Vec<Option<TrackKey>>,
}

impl Routes {
    /// The track that comes on a section.
    pub fn published(&self, section: usize) -> Option<TrackKey> {
        self.published.get(section).copied().flatten()
    }

    /// The track that a section shows.
    pub fn shown(&self, section: usize) -> Option<TrackKey> {
        self.shown.get(section).copied().flatten()
    }

    /// Follows what the peer agreed on.
    pub fn follow<P: Copy + Eq>(
        &mut self,
        router: &mut Router<P>,
        (key, id): (P, PeerId),
        peer: &mut Peer,
        behaviour: &dyn Behaviour,
    ) {
        let sections = peer.session().map_or(&[][..], |session| &session.sections);
        let directions: Vec<_> = sections.iter().map(direction).collect();
        let place = |section| Place { peer: key, section };
        self.published.resize(directions.len(), None);
        for (section, published) in self.published.iter_mut().enumerate() {
            match directions[section].recv {
                true => {
                    let track = TrackId::of_section(id, section);
                    published.get_or_insert_with(|| router.publish(track, place(section)));
                }
                false => {
                    let before = published.take();
                    before
                        .into_iter()
                        .for_each(|key| router.unpublish(key, place(section)));
                }
            }
        }
        let mut wanted = vec![None; directions.len()];
        for (section, published) in self.published.iter().enumerate() {
            let shown_on = behaviour.shown_on(section);
            if let Some(shown_on) =
                shown_on.filter(|at| directions.get(*at).is_some_and(|d| d.send))
            {
                wanted[shown_on] = *published;
            }
        }
        self.show(router, key, wanted, peer);
    }

    /// Shows these tracks, by section, and no others.
    fn show<P: Copy + Eq>(
        &mut self,
        router: &mut Router<P>,
        key: P,
        wanted: Vec<Option<TrackKey>>,
        peer: &mut Peer,
    ) {
        for section in 0..wanted.len().max(self.shown.len()) {
            let (before, after) = (self.shown(section), wanted.get(section).copied().flatten());
            let sink = Place { peer: key, section };
            if before != after {
                before
                    .into_iter()
                    .for_each(|track| router.unsubscribe(track, sink));
                after
                    .into_iter()
                    .for_each(|track| router.subscribe(track, sink));
            }
            // Also where the section's stream is a new one.
            peer.select(section, after.and_then(|track| router.id(track)));
        }
        self.shown = wanted;
    }

    /// Lets go of everything.
    pub fn clear<P: Copy + Eq>(&mut self, router: &mut Router<P>, key: P) {
        for (section, track) in std::mem::take(&mut self.shown).into_iter().enumerate() {
            let sink = Place { peer: key, section };
            track
                .into_iter()
                .for_each(|track| router.unsubscribe(track, sink));
        }
        for (section, track) in std::mem::take(&mut self.published).into_iter().enumerate() {
            let source = Place { peer: key, section };
            track
                .into_iter()
                .for_each(|track| router.unpublish(track, source));
        }
    }
}

/// Which way media may go on a section.
fn direction(section: &Section) -> Direction {
    match section {
        Section::Media(media) => Direction {
            send: media.send.is_some(),
            ..media.direction
        },
        Section::Data(_) | Section::Rejected { .. } => Direction {
            send: false,
            recv: false,
        },
    }
}
