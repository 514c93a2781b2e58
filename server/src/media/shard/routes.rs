//! What of a shard's router belongs to one peer: the tracks it publishes and those it is sent, by section.
//! They are compared with what its session and its plan say, whole, and brought into line.

use crate::media::forward::router::{Router, TrackKey};
use crate::media::forward::track::Place;
use crate::media::id::{PeerId, TrackId};
use crate::media::peer::Peer;
use crate::media::plan::{Plan, Shown};
use crate::media::sdp::{Direction, Section};

/// A track, and where the router has it.
type Route = (TrackId, TrackKey);

/// A peer's tracks.
#[derive(Debug, Default)]
pub struct Routes {
    /// What comes on each section.
    published: Vec<Option<Route>>,
    /// What each section shows.
    shown: Vec<Option<Route>>,
    /// The tracks that came from this peer where it was before.
    carried: Vec<TrackId>,
}

impl Routes {
    /// The track that comes on a section.
    pub fn published(&self, section: usize) -> Option<TrackKey> {
        at(&self.published, section).map(|(_, key)| key)
    }

    /// The track that a section shows.
    pub fn shown(&self, section: usize) -> Option<TrackKey> {
        at(&self.shown, section).map(|(_, key)| key)
    }

    /// All tracks that are shown.
    pub fn all_shown(&self) -> impl Iterator<Item = TrackId> {
        self.shown.iter().flatten().map(|(id, _)| *id)
    }

    /// Follows what the peer agreed on.
    pub fn follow<P: Copy + Eq>(
        &mut self,
        router: &mut Router<P>,
        (key, id): (P, PeerId),
        peer: &mut Peer,
        plan: &Plan,
    ) {
        let sections = peer.session().map_or(&[][..], |session| &session.sections);
        let directions: Vec<_> = sections.iter().map(direction).collect();
        let place = |section| Place { peer: key, section };
        let publishes = publishes(plan, id, &directions);
        let before = std::mem::take(&mut self.published);
        let carried = std::mem::take(&mut self.carried);
        // What goes on from another section is never without a source in between.
        for (section, track) in publishes.iter().enumerate() {
            let goes_on = at(&before, section).filter(|(id, _)| Some(*id) == *track);
            let mut publish = |id| match carried.contains(&id) {
                true => router.publish_on(id, place(section)),
                false => router.publish(id, place(section)),
            };
            let publish = || track.map(|id| (id, publish(id)));
            self.published.push(goes_on.or_else(publish));
        }
        self.show(router, key, &shows(plan, id, &directions), peer);
        for (section, route) in before.into_iter().enumerate() {
            if let Some((id, key)) = route
                && publishes.get(section).copied().flatten() != Some(id)
            {
                router.unpublish(key, place(section));
            }
        }
    }

    /// Shows these tracks, by section, and no others.
    fn show<P: Copy + Eq>(
        &mut self,
        router: &mut Router<P>,
        key: P,
        wanted: &[Option<Shown>],
        peer: &mut Peer,
    ) {
        let sink = |section| Place { peer: key, section };
        let before = std::mem::take(&mut self.shown);
        for (section, shown) in wanted.iter().enumerate() {
            let goes_on =
                at(&before, section).filter(|(id, _)| shown.map(|s| s.track) == Some(*id));
            if goes_on.is_none() {
                peer.rejoin(section);
            }
            let subscribe = || shown.map(|s| (s.track, router.subscribe(s.track, sink(section))));
            let route = goes_on.or_else(subscribe);
            if let (Some((_, key)), Some(shown)) = (route, shown) {
                router.limit(key, sink(section), shown.best_layer);
            }
            self.shown.push(route);
            // Also where the section's stream is a new one.
            peer.select(section, *shown);
        }
        for (section, route) in before.into_iter().enumerate() {
            let shown = wanted.get(section).copied().flatten();
            if let Some((id, key)) = route
                && shown.map(|shown| shown.track) != Some(id)
            {
                router.unsubscribe(key, sink(section));
            }
        }
    }

    /// Lets go of everything. It may be taken up on another shard.
    pub fn clear<P: Copy + Eq>(&mut self, router: &mut Router<P>, key: P) {
        let place = |section| Place { peer: key, section };
        for (section, route) in std::mem::take(&mut self.shown).into_iter().enumerate() {
            let track = route.map(|(_, track)| track);
            track
                .into_iter()
                .for_each(|track| router.unsubscribe(track, place(section)));
        }
        for (section, route) in std::mem::take(&mut self.published).into_iter().enumerate() {
            if let Some((id, track)) = route {
                if router.comes_from(track, place(section)) {
                    self.carried.push(id);
                }
                router.unpublish(track, place(section));
            }
        }
    }
}

fn at(routes: &[Option<Route>], section: usize) -> Option<Route> {
    routes.get(section).copied().flatten()
}

/// By section: what comes on it.
fn publishes(plan: &Plan, id: PeerId, directions: &[Direction]) -> Vec<Option<TrackId>> {
    let receives = |section: usize| directions.get(section).is_some_and(|d| d.recv);
    let mut tracks = vec![None; directions.len()];
    match plan {
        Plan::Echo => {
            let received = (0..directions.len()).filter(|section| receives(*section));
            received.for_each(|at| tracks[at] = Some(TrackId::of_section(id, at)));
        }
        Plan::Room { publishes, .. } => {
            let received = publishes.iter().filter(|(section, _)| receives(*section));
            received.for_each(|(at, track)| tracks[*at] = Some(*track));
        }
    }
    tracks
}

/// By section: what is shown on it.
fn shows(plan: &Plan, id: PeerId, directions: &[Direction]) -> Vec<Option<Shown>> {
    let sends = |section: usize| directions.get(section).is_some_and(|d| d.send);
    let mut shown = vec![None; directions.len()];
    match plan {
        Plan::Echo => {
            let comes_back = |at: &usize| sends(*at) && directions[*at].recv;
            let both_ways = (0..directions.len()).filter(comes_back);
            both_ways.for_each(|at| shown[at] = Some(Shown::echoed(TrackId::of_section(id, at))));
        }
        Plan::Room { shows, .. } => {
            let sent = shows.iter().filter(|(section, _)| sends(*section));
            sent.for_each(|(at, track)| shown[*at] = Some(*track));
        }
    }
    shown
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
