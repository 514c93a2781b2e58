//! What of a shard's router belongs to one peer: the tracks it publishes and those it is sent, by section.
//! They are compared with what its session and its plan say, whole, and brought into line.

use crate::media::forward::router::{Router, TrackKey};
use crate::media::forward::track::{BEST, Place};
use crate::media::id::{PeerId, TrackId};
use crate::media::peer::Peer;
use crate::media::plan::{Plan, Shown};
use crate::media::sdp::{Direction, Section};

/// A track, and where the router has it.
type Route = (TrackId, TrackKey);

/// A track that a section shows.
#[derive(Clone, Copy, Debug)]
struct View {
    track: TrackId,
    /// Where the router has it.
    key: TrackKey,
    /// The best layer of it that is watched, as the router was told.
    watched: u8,
}

/// A peer's tracks.
#[derive(Debug, Default)]
pub struct Routes {
    /// What comes on each section.
    published: Vec<Option<Route>>,
    /// What each section shows.
    shown: Vec<Option<View>>,
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
        at(&self.shown, section).map(|view| view.key)
    }

    /// All tracks that are shown.
    pub fn all_shown(&self) -> impl Iterator<Item = TrackId> {
        self.shown.iter().flatten().map(|view| view.track)
    }

    /// Follows what the peer agreed on.
    pub fn follow<P: Copy + Eq>(
        &mut self,
        router: &mut Router<P>,
        (key, id): (P, PeerId),
        peer: &mut Peer,
        plan: &Plan,
    ) {
        let sections = peer.agreed().map_or(&[][..], |agreed| &agreed.sections);
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
            let goes_on = at(&before, section).filter(|view| is_of(view, *shown));
            if goes_on.is_none() {
                peer.rejoin(section);
            }
            let view = shown.map(|shown| keep(router, sink(section), goes_on, shown));
            self.shown.push(view);
            // Also where the section's stream is a new one.
            peer.select(section, *shown);
        }
        for (section, view) in before.into_iter().enumerate() {
            let shown = wanted.get(section).copied().flatten();
            if let Some(view) = view
                && !is_of(&view, shown)
            {
                router.unsubscribe(view.key, sink(section));
            }
        }
    }

    /// Lets go of everything. It may be taken up on another shard.
    pub fn clear<P: Copy + Eq>(&mut self, router: &mut Router<P>, key: P) {
        let place = |section| Place { peer: key, section };
        for (section, view) in std::mem::take(&mut self.shown).into_iter().enumerate() {
            if let Some(view) = view {
                router.unsubscribe(view.key, place(section));
            }
        }
        for (section, route) in std::mem::take(&mut self.published).into_iter().enumerate() {
            if let Some((id, track)) = route {
                if router.has_come_from(track, place(section)) {
                    self.carried.push(id);
                }
                router.unpublish(track, place(section));
            }
        }
    }
}

fn at<T: Copy>(sections: &[Option<T>], section: usize) -> Option<T> {
    sections.get(section).copied().flatten()
}

fn is_of(view: &View, shown: Option<Shown>) -> bool {
    shown.is_some_and(|shown| shown.track == view.track)
}

/// Shows a section this, which may go on. The router is told what is news, for that costs a look at all who are
/// sent the track.
fn keep<P: Copy + Eq>(
    router: &mut Router<P>,
    sink: Place<P>,
    goes_on: Option<View>,
    shown: Shown,
) -> View {
    let mut view = goes_on.unwrap_or_else(|| View {
        track: shown.track,
        key: router.subscribe(shown.track, sink),
        watched: BEST,
    });
    if view.watched != shown.watched {
        router.limit(view.key, sink, shown.watched);
        view.watched = shown.watched;
    }
    view
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::behaviour::Echo;
    use crate::media::forward::track::Watched;
    use crate::media::rtp::work::steps_of;
    use crate::media::shard::resident::Resident;
    use crate::media::shard::resident::tests::resident;

    const SLOTS: u64 = 8;

    /// Somebody with a plan, in a room whose others are all shown everything, too, in its smallest layer.
    struct Crowd {
        router: Router<usize>,
        routes: Routes,
        resident: Box<Resident>,
        others: usize,
        best: [u8; SLOTS as usize],
    }

    impl Crowd {
        fn of(others: usize) -> Self {
            let mut router = Router::default();
            for track in (0..SLOTS).map(TrackId::of_publication) {
                for peer in 0..others {
                    let sink = Place { peer, section: 0 };
                    let key = router.subscribe(track, sink);
                    router.limit(key, sink, 2);
                }
            }
            let id = PeerId(1);
            let mut crowd = Self {
                router,
                routes: Routes::default(),
                resident: resident(Instant::now(), id, "ours", Box::new(Echo)),
                others,
                best: [1; SLOTS as usize],
            };
            crowd.plan();
            crowd
        }

        /// Follows a plan. Returns the steps it took.
        fn plan(&mut self) -> usize {
            let shown = (0..SLOTS).zip(self.best).map(|(track, best_layer)| {
                Some(Shown {
                    best_layer,
                    watched: best_layer,
                    ..Shown::at_best(TrackId::of_publication(track))
                })
            });
            let shown: Vec<_> = shown.collect();
            let (routes, router) = (&mut self.routes, &mut self.router);
            let peer = &mut self.resident.peer;
            steps_of(|| routes.show(router, self.others, &shown, peer))
        }

        fn wanted(&self) -> Vec<Watched> {
            let tracks = (0..SLOTS).map(TrackId::of_publication);
            tracks.map(|track| self.router.wants(track)).collect()
        }
    }

    #[test]
    fn a_plan_costs_what_is_new_in_it_however_many_are_shown_the_same() {
        let mut crowd = Crowd::of(200);
        assert_eq!(crowd.wanted(), [Some(1); SLOTS as usize]);
        assert_eq!(crowd.plan(), 0, "nothing is new");
        crowd.best[3] = 0;
        let steps = crowd.plan();
        assert!(steps <= 201 + 3, "{steps} for one of {SLOTS}");
        assert_eq!(crowd.wanted()[3], Some(0));
        crowd.best[3] = 2;
        crowd.plan();
        assert_eq!((crowd.wanted()[3], crowd.plan()), (Some(2), 0));
    }

    #[test]
    fn what_is_shown_anew_is_limited_anew() {
        let mut crowd = Crowd::of(1);
        crowd.routes.clear(&mut crowd.router, crowd.others);
        assert_eq!(crowd.wanted(), [Some(2); SLOTS as usize]);
        crowd.plan();
        assert_eq!(crowd.wanted(), [Some(1); SLOTS as usize]);
    }
}
