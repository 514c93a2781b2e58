//! What is different in a room between two moments, one thing at a time: programs hear of changes, the
//! rules only know what is. Knows neither JavaScript nor the server.

use ferrite_protocol::room::Idle;
use ferrite_protocol::{Participant, ParticipantId, Publication, PublicationId, RoomId, Slot};

use crate::call::{Quality, Room, Speaking};
use crate::sorted::Map;

/// A room as a program knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    /// Once this client is in.
    pub(super) place: Option<(RoomId, ParticipantId)>,
    pub(super) people: Vec<Participant>,
    pub(super) shown: Map<PublicationId, Shown>,
    pub(super) speaking: Speaking,
    pub(super) quality: Quality,
}

/// Where a publication comes, and why nothing does.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) mid: String,
    pub(super) idle: Option<Idle>,
    /// Whether the browser has a track for the slot.
    pub(super) plugged: bool,
}

/// One thing that is different.
#[derive(Debug, PartialEq)]
pub(super) enum Change<'a> {
    Joined,
    ParticipantJoined(&'a Participant),
    /// Only their publications are as before.
    ParticipantChanged(&'a Participant),
    Published(&'a Participant, &'a Publication),
    PublicationChanged(&'a Participant, &'a Publication),
    Shown(&'a PublicationId, Option<&'a Shown>),
    Speaking(&'a Speaking),
    Quality(&'a Quality),
    Unpublished(&'a Participant, &'a Publication),
    ParticipantLeft(&'a Participant),
    Left,
}

impl Snapshot {
    /// The room as it is, with the slots for which there are tracks.
    pub(super) fn of(room: &Room, plugged: impl Fn(&str) -> bool) -> Self {
        let (Some(id), Some(own)) = (room.wanted(), room.own()) else {
            return Self::default();
        };
        let shown = |(mid, slot): (&String, &Slot)| {
            let (idle, plugged) = (slot.idle, plugged(mid));
            let mid = mid.clone();
            (slot.publication.clone(), Shown { mid, idle, plugged })
        };
        Self {
            place: Some((id.clone(), own.clone())),
            people: room.people().to_vec(),
            shown: room.carried().iter().map(shown).collect(),
            speaking: room.speaking().clone(),
            quality: room.quality().clone(),
        }
    }

    /// What became different up to `later`. What goes is told before who goes, and who comes before what
    /// comes.
    pub(super) fn changes<'a>(&'a self, later: &'a Self) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        if later.place.is_some() && later.place != self.place {
            changes.push(Change::Joined);
        }
        let gone = self
            .shown
            .keys()
            .filter(|it| !later.shown.contains_key(*it));
        changes.extend(gone.map(|it| Change::Shown(it, None)));
        for known in &self.people {
            let now = later.person(&known.id);
            let gone = known.publications.iter();
            let gone = gone.filter(|it| now.is_none_or(|now| find(now, &it.id).is_none()));
            changes.extend(gone.map(|it| Change::Unpublished(known, it)));
            if now.is_none() {
                changes.push(Change::ParticipantLeft(known));
            }
        }
        for now in &later.people {
            person(self.person(&now.id), now, &mut changes);
        }
        let shown = later.shown.iter();
        let shown = shown.filter(|(id, shown)| self.shown.get(*id) != Some(*shown));
        changes.extend(shown.map(|(id, shown)| Change::Shown(id, Some(shown))));
        if later.speaking != self.speaking {
            changes.push(Change::Speaking(&later.speaking));
        }
        if later.quality != self.quality {
            changes.push(Change::Quality(&later.quality));
        }
        if self.place.is_some() && later.place.is_none() {
            changes.push(Change::Left);
        }
        changes
    }

    fn person(&self, id: &ParticipantId) -> Option<&Participant> {
        self.people.iter().find(|it| it.id == *id)
    }
}

fn find<'a>(participant: &'a Participant, id: &PublicationId) -> Option<&'a Publication> {
    participant.publications.iter().find(|it| it.id == *id)
}

fn person<'a>(known: Option<&Participant>, now: &'a Participant, changes: &mut Vec<Change<'a>>) {
    match known {
        None => changes.push(Change::ParticipantJoined(now)),
        Some(known) => {
            let looks = |it: &Participant| (it.name.clone(), it.metadata.clone(), it.state);
            if looks(known) != looks(now) {
                changes.push(Change::ParticipantChanged(now));
            }
        }
    }
    for publication in &now.publications {
        match known.and_then(|known| find(known, &publication.id)) {
            None => changes.push(Change::Published(now, publication)),
            Some(known) if known != publication => {
                changes.push(Change::PublicationChanged(now, publication));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ferrite_protocol::{MediaKind, Source};

    use super::*;

    fn person(id: &str, keys: &[&str]) -> Participant {
        let publication = |key: &&str| Publication {
            id: PublicationId::of(&id.into(), key),
            kind: MediaKind::Video,
            source: Source::Camera,
            label: None,
            muted: false,
            width: None,
            height: None,
        };
        Participant {
            publications: keys.iter().map(publication).collect(),
            ..Participant::new(id.into())
        }
    }

    fn room(people: Vec<Participant>, shown: &[(&str, &str, Option<Idle>)]) -> Snapshot {
        let shown = shown.iter().map(|(publication, mid, idle)| {
            let mid = (*mid).to_owned();
            let (idle, plugged) = (*idle, true);
            ((*publication).into(), Shown { mid, idle, plugged })
        });
        Snapshot {
            place: Some(("kitchen".into(), "me".into())),
            people,
            shown: shown.collect(),
            speaking: Speaking::default(),
            quality: Quality::default(),
        }
    }

    /// In short.
    fn told(before: &Snapshot, after: &Snapshot) -> Vec<String> {
        let changes = before.changes(after);
        let word = |change: &Change<'_>| match change {
            Change::Joined => "in".to_owned(),
            Change::ParticipantJoined(who) => format!("+{}", who.id.0),
            Change::ParticipantChanged(who) => format!("~{}", who.id.0),
            Change::ParticipantLeft(who) => format!("-{}", who.id.0),
            Change::Published(_, it) => format!("+{}", it.id.0),
            Change::PublicationChanged(_, it) => format!("~{}", it.id.0),
            Change::Unpublished(_, it) => format!("-{}", it.id.0),
            Change::Shown(id, Some(shown)) if shown.idle.is_none() => {
                format!("{} on {}", id.0, shown.mid)
            }
            Change::Shown(id, _) => format!("{} dark", id.0),
            Change::Speaking(speaking) => format!("{} speak", speaking.participants.len()),
            Change::Quality(quality) => format!("{:?} bit/s", quality.bits_per_second),
            Change::Left => "out".to_owned(),
        };
        changes.iter().map(word).collect()
    }

    #[test]
    fn whoever_joins_hears_of_all_that_is_there() {
        let there = room(vec![person("a", &["cam"])], &[("a/cam", "3", None)]);
        let words = told(&Snapshot::default(), &there);
        assert_eq!(words, ["in", "+a", "+a/cam", "a/cam on 3"]);
        assert_eq!(told(&there, &there), [""; 0]);
    }

    #[test]
    fn whoever_leaves_hears_all_go() {
        let there = room(vec![person("a", &["cam"])], &[("a/cam", "3", None)]);
        let words = told(&there, &Snapshot::default());
        assert_eq!(words, ["a/cam dark", "-a/cam", "-a", "out"]);
    }

    #[test]
    fn only_what_is_different_is_told() {
        let before = room(
            vec![person("a", &["cam", "mic"]), person("b", &[])],
            &[("a/cam", "3", None)],
        );
        let mut a = person("a", &["cam", "screen"]);
        a.publications[0].muted = true;
        let mut b = person("b", &[]);
        b.name = Some("Bo".to_owned());
        let after = room(vec![a, b], &[("a/cam", "3", Some(Idle::Muted))]);
        let words = told(&before, &after);
        assert_eq!(words, ["-a/mic", "~a/cam", "+a/screen", "~b", "a/cam dark"]);
    }

    #[test]
    fn who_speaks_is_told_and_that_nobody_does_before_one_is_out() {
        let quiet = room(vec![person("a", &["mic"])], &[]);
        let mut loud = quiet.clone();
        loud.speaking.participants.push("a".into());
        assert_eq!(told(&quiet, &loud), ["1 speak"]);
        assert_eq!(told(&loud, &loud), [""; 0]);
        let words = told(&loud, &Snapshot::default());
        assert_eq!(words, ["-a/mic", "-a", "0 speak", "out"]);
    }

    #[test]
    fn how_well_pictures_do_is_told_where_that_is_news() {
        let before = room(vec![person("a", &["cam"])], &[]);
        let mut later = before.clone();
        later.quality.bits_per_second = Some(7);
        assert_eq!(told(&before, &later), ["Some(7) bit/s"]);
        assert_eq!(told(&later, &later), [""; 0]);
    }

    #[test]
    fn a_picture_that_moves_to_another_slot_is_told() {
        let a = || vec![person("a", &["cam"])];
        let before = room(a(), &[("a/cam", "3", None)]);
        let mut after = room(a(), &[("a/cam", "5", None)]);
        assert_eq!(told(&before, &after), ["a/cam on 5"]);
        after.place = Some(("kitchen".into(), "somebody else".into()));
        assert_eq!(told(&before, &after), ["in", "a/cam on 5"]);
    }
}
