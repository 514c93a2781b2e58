//! A room at one moment, as its members see it, and what is different at another. A view is shared by all
//! who look: what did not change between two of them is the same object.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use ferrite_protocol::{
    DepartureCause, MediaKind, Participant, ParticipantId, Publication, PublicationId, RoomId,
    RoomSnapshot, Source,
};
use foldhash::fast::RandomState;

use super::departures::Departures;
use super::speakers::{MAX_SPEAKERS, Speakers, Speaking};
use crate::media::TrackId;
use crate::media::rtp::work;
use crate::media::sdp::Format;

/// A room at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The room.
    pub room: RoomId,
    /// Everybody in it, in the order they came.
    pub members: Vec<Arc<Member>>,
    /// The number of what was said last.
    pub said: u64,
    /// Who speaks.
    pub speakers: Arc<Speakers>,
    pub(super) departures: Departures,
    index: Index,
}

/// What is looked up in a view, found by the first who looks: hundreds do at each change, and each would search through
/// hundreds for each of its slots. A copy, which is about to be another view, has none.
#[derive(Debug, Default)]
struct Index(OnceLock<Found>);

impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Members by their place among all, and what they publish by its place among theirs. Nothing of who is hidden.
#[derive(Debug, Default)]
struct Found {
    members: HashMap<String, usize, RandomState>,
    /// Everything that may be heard: in the order in which who speaks is to be heard, then in the one they came.
    sounds: Vec<(usize, usize)>,
    /// All pictures, screens first.
    pictures: Vec<(usize, usize)>,
}

impl Found {
    fn of(members: &[Arc<Member>], speakers: &Speakers) -> Self {
        let mut found = Self::default();
        let mut cameras = Vec::new();
        let seen = members.iter().enumerate().filter(|(_, it)| !it.hidden);
        for (at, member) in seen {
            let id = member.participant.id.0.clone();
            found.members.insert(id, at);
            let publications = member.participant.publications.iter().enumerate();
            for (place, publication) in publications {
                match (publication.kind, publication.source) {
                    (MediaKind::Audio, _) if publication.muted => {}
                    (MediaKind::Audio, _) => found.sounds.push((at, place)),
                    (MediaKind::Video, Source::Screen) => found.pictures.push((at, place)),
                    (MediaKind::Video, _) => cameras.push((at, place)),
                }
            }
        }
        work::count(members.len());
        found.rank(members, speakers);
        found.pictures.append(&mut cameras);
        found
    }

    fn rank(&mut self, members: &[Arc<Member>], speakers: &Speakers) {
        let ranks = speakers.order().enumerate();
        let ranks: HashMap<_, _, RandomState> = ranks.map(|(rank, track)| (track, rank)).collect();
        let rank = |(at, place): &(usize, usize)| {
            let carried = members.get(*at).and_then(|it| it.carried.get(*place));
            let rank = carried.and_then(|it| ranks.get(&it.track));
            rank.copied().unwrap_or(usize::MAX)
        };
        self.sounds.sort_by_cached_key(rank);
    }
}

/// Somebody in a room, and how what they publish is carried.
#[derive(Clone, Debug)]
pub struct Member {
    /// Grows with each member there ever is: an identity that comes again gets another.
    pub serial: u64,
    /// As others see them.
    pub participant: Participant,
    /// Nobody sees them.
    pub hidden: bool,
    /// How each of the participant's publications is carried.
    pub carried: Vec<Carried>,
}

/// How a publication is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its name in the media plane.
    pub track: TrackId,
    /// What it may come as.
    pub formats: Vec<Format>,
    /// How many simulcast layers it has; 1 without simulcast.
    pub layers: u8,
}

impl Member {
    /// Each publication and how it is carried.
    pub fn published(&self) -> impl Iterator<Item = (&Publication, &Carried)> {
        self.participant.publications.iter().zip(&self.carried)
    }

    /// Ends what they publish, but for these.
    pub(super) fn keep(&mut self, stays: impl Fn(&Publication) -> bool) {
        let publications = std::mem::take(&mut self.participant.publications);
        let published = publications
            .into_iter()
            .zip(std::mem::take(&mut self.carried));
        let kept = published.filter(|(publication, _)| stays(publication));
        (self.participant.publications, self.carried) = kept.unzip();
    }
}

impl View {
    /// A room without anybody.
    pub(super) fn empty(room: RoomId) -> Self {
        Self {
            room,
            members: Vec::new(),
            said: 0,
            speakers: Arc::default(),
            departures: Departures::default(),
            index: Index::default(),
        }
    }

    /// Who has this serial number.
    #[must_use]
    pub fn member(&self, serial: u64) -> Option<&Arc<Member>> {
        let at = (self.members).binary_search_by_key(&serial, |member| member.serial);
        self.members.get(at.ok()?)
    }

    /// A publication of somebody whom others see.
    #[must_use]
    pub fn publication(&self, id: &PublicationId) -> Option<(&Publication, &Carried)> {
        let (participant, _) = id.parts()?;
        let mut published = self.published_by(participant)?;
        published.find(|(publication, _)| publication.id == *id)
    }

    /// What somebody publishes whom others see.
    pub(super) fn published_by(
        &self,
        participant: &str,
    ) -> Option<impl Iterator<Item = (&Publication, &Carried)>> {
        let at = self.found().members.get(participant)?;
        work::count(1);
        Some(self.members.get(*at)?.published())
    }

    /// Everything of others than `own` that may be heard, those first who are to be heard first.
    pub(super) fn sounds(&self, own: u64) -> impl Iterator<Item = (&Publication, &Carried)> {
        self.of_others(own, &self.found().sounds)
    }

    /// All pictures of others than `own`, screens first.
    pub(super) fn pictures(&self, own: u64) -> impl Iterator<Item = (&Publication, &Carried)> {
        self.of_others(own, &self.found().pictures)
    }

    fn of_others<'a>(
        &'a self,
        own: u64,
        places: &'a [(usize, usize)],
    ) -> impl Iterator<Item = (&'a Publication, &'a Carried)> {
        places.iter().filter_map(move |(at, place)| {
            work::count(1);
            let member = self.members.get(*at).filter(|it| it.serial != own)?;
            let publication = member.participant.publications.get(*place)?;
            Some((publication, member.carried.get(*place)?))
        })
    }

    fn found(&self) -> &Found {
        self.index
            .0
            .get_or_init(|| Found::of(&self.members, &self.speakers))
    }

    /// Where a member's track comes from, while they publish it.
    pub(super) fn source(&self, serial: u64, track: TrackId) -> Option<Source> {
        let mut published = self.member(serial)?.published();
        let found = published.find(|(_, carried)| carried.track == track);
        found.map(|(publication, _)| publication.source)
    }

    /// Who speaks, of those whom the member `own` sees and who are not muted.
    #[must_use]
    pub fn speaking(&self, own: u64) -> Speaking {
        let seen = |serial| self.member(serial).filter(|member| is_seen(member, own));
        let mut participants: Vec<_> = Vec::new();
        for (serial, track) in self.speakers.voices() {
            let member = seen(serial).filter(|member| {
                let mut published = member.published();
                published.any(|(sound, carried)| carried.track == track && !sound.muted)
            });
            let Some(id) = member.map(|it| &it.participant.id) else {
                continue;
            };
            if participants.len() < MAX_SPEAKERS && !participants.contains(id) {
                participants.push(id.clone());
            }
        }
        let active = self.speakers.active().and_then(seen);
        Speaking {
            active: active.map(|it| it.participant.id.clone()),
            participants,
        }
    }

    /// Whether everybody is as they were in an earlier view: then only something was said.
    #[must_use]
    pub fn has_same_members(&self, before: &Self) -> bool {
        let pairs = self.members.iter().zip(&before.members);
        self.members.len() == before.members.len()
            && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Whether the same are to be heard first as in an earlier view.
    #[must_use]
    pub fn has_same_speakers(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.speakers, &before.speakers)
    }

    /// Those whom everybody sees, in the order they came.
    pub(super) fn seen_by_all(&self) -> impl Iterator<Item = &Participant> {
        let seen = self.members.iter().filter(|member| !member.hidden);
        seen.map(|member| &member.participant)
    }

    /// What a member is shown: everybody but those who are hidden, and itself.
    #[must_use]
    pub fn snapshot(&self, own: u64) -> RoomSnapshot {
        let seen = self.members.iter().filter(|member| is_seen(member, own));
        RoomSnapshot {
            id: self.room.clone(),
            participants: seen.map(|member| member.participant.clone()).collect(),
        }
    }
}

fn is_seen(member: &Member, own: u64) -> bool {
    !member.hidden || member.serial == own
}

/// What is different between two views of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody is there now.
    Joined(Participant),
    /// Somebody is not what they were.
    Updated(Participant),
    /// Somebody is no longer there, and why, where that is known.
    Left(ParticipantId, Option<DepartureCause>),
}

/// What to tell a member who knows one view to make it know another.
///
/// Serial numbers grow, so one pass over both finds every difference. Those who left come first: an
/// identity may be back as another member.
#[must_use]
pub fn changes(known: &View, now: &View, own: u64) -> Vec<Change> {
    let (mut left, mut rest) = (Vec::new(), Vec::new());
    let departures = now.departures.since(&known.departures);
    let mut present = now.members.iter().filter(|it| is_seen(it, own)).peekable();
    for before in known.members.iter().filter(|it| is_seen(it, own)) {
        match present.next_if(|there| there.serial == before.serial) {
            None => left.push(Change::Left(
                before.participant.id.clone(),
                departures.why(before.serial),
            )),
            Some(there) if Arc::ptr_eq(there, before) => {}
            Some(there) if there.participant == before.participant => {}
            Some(there) => rest.push(Change::Updated(there.participant.clone())),
        }
    }
    rest.extend(present.map(|member| Change::Joined(member.participant.clone())));
    left.append(&mut rest);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(members: &[(u64, &str)]) -> View {
        let member = |(serial, id): &(u64, &str)| {
            Arc::new(Member {
                serial: *serial,
                participant: Participant::new((*id).into()),
                hidden: false,
                carried: Vec::new(),
            })
        };
        View {
            members: members.iter().map(member).collect(),
            ..View::empty("r".into())
        }
    }

    fn joined(id: &str) -> Change {
        Change::Joined(Participant::new(id.into()))
    }

    fn left(id: &str) -> Change {
        Change::Left(id.into(), None)
    }

    #[test]
    fn nothing_is_told_when_nothing_changed() {
        let both = view(&[(1, "a"), (2, "b")]);
        assert_eq!(changes(&both, &both, 1), []);
        assert_eq!(changes(&both, &view(&[(1, "a"), (2, "b")]), 1), []);
        let mut said = both.clone();
        said.said += 1;
        assert!(said.has_same_members(&both));
        said.members.pop();
        assert!(!said.has_same_members(&both) && !both.has_same_members(&said));
        Arc::make_mut(&mut said.members[0]).hidden = true;
        assert!(!said.has_same_members(&view(&[(1, "a")])));
    }

    #[test]
    fn any_number_of_changes_is_told_at_once() {
        let known = view(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")]);
        let now = view(&[(2, "b"), (4, "d"), (5, "e"), (6, "f")]);
        let told = changes(&known, &now, 2);
        assert_eq!(told, [left("a"), left("c"), joined("e"), joined("f")]);
    }

    #[test]
    fn an_identity_that_came_back_is_told_as_gone_and_come() {
        let told = changes(
            &view(&[(1, "a"), (2, "b")]),
            &view(&[(2, "b"), (3, "a")]),
            2,
        );
        assert_eq!(told, [left("a"), joined("a")]);
    }

    #[test]
    fn who_left_is_told_with_why_where_that_is_known() {
        let known = view(&[(1, "a"), (2, "b"), (3, "c")]);
        let mut now = view(&[(3, "c")]);
        now.departures.push(2, DepartureCause::Lost);
        let lost = Change::Left("b".into(), Some(DepartureCause::Lost));
        assert_eq!(changes(&known, &now, 3), [left("a"), lost]);
    }

    #[test]
    fn who_came_and_went_in_between_is_not_mentioned() {
        assert_eq!(
            changes(&view(&[(1, "a")]), &view(&[(1, "a"), (3, "c")]), 1),
            [joined("c")]
        );
    }

    #[test]
    fn who_is_hidden_is_seen_by_nobody_else() {
        let mut now = view(&[(1, "a"), (2, "b")]);
        Arc::make_mut(&mut now.members[1]).hidden = true;
        assert_eq!(changes(&view(&[(1, "a")]), &now, 1), []);
        assert_eq!(now.snapshot(1).participants.len(), 1);
        assert_eq!(now.snapshot(2).participants.len(), 2);
    }
}
