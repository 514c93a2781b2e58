//! Which tiles a room has, and in which order. Pure: knows who is there and what the user wants to see, and
//! neither the page nor streams.

use ferrite_protocol::{
    MediaKind, Participant, ParticipantId, ParticipantState, Publication, PublicationId, Source,
};

use crate::words;

/// Sizes are told to the server in such steps, so that a window drawn larger is no flood.
const STEP: f64 = 64.0;

/// A picture of somebody, or the place for one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tile {
    pub(crate) participant: ParticipantId,
    pub(crate) name: String,
    /// It is this client's own.
    pub(crate) own: bool,
    /// It shows a screen.
    pub(crate) screen: bool,
    /// Nothing is heard of them.
    pub(crate) muted: bool,
    pub(crate) reconnecting: bool,
    /// What it shows, while something is sent of it.
    pub(crate) picture: Option<PublicationId>,
}

impl Tile {
    /// It is of the same participant, and of their screen or not.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.participant, self.screen) == (&other.participant, other.screen)
    }
}

/// Everybody's tiles: screens first, then who came first.
pub(crate) fn tiles(people: &[Participant], own: Option<&ParticipantId>) -> Vec<Tile> {
    let screens = people.iter().flat_map(|it| {
        let screens = it.publications.iter().filter(|it| shows(it, true));
        screens.map(|screen| tile(it, own, Some(screen), true))
    });
    let faces = people.iter().map(|it| {
        let camera = it.publications.iter().find(|it| shows(it, false));
        tile(it, own, camera, false)
    });
    screens.chain(faces).collect()
}

fn shows(publication: &Publication, screen: bool) -> bool {
    publication.kind == MediaKind::Video && (publication.source == Source::Screen) == screen
}

fn tile(
    participant: &Participant,
    own: Option<&ParticipantId>,
    picture: Option<&Publication>,
    screen: bool,
) -> Tile {
    let is_heard = |it: &Publication| it.kind == MediaKind::Audio && !it.muted;
    let picture = picture.filter(|picture| !picture.muted);
    Tile {
        participant: participant.id.clone(),
        name: words::name(participant).to_owned(),
        own: own == Some(&participant.id),
        screen,
        muted: !screen && !participant.publications.iter().any(is_heard),
        reconnecting: participant.state == ParticipantState::Reconnecting,
        picture: picture.map(|picture| picture.id.clone()),
    }
}

/// What the user wants to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wish {
    /// Who speaks large, the others small.
    pub(crate) speaker: bool,
    /// This tile large, whoever speaks: whose, and whether it is their screen.
    pub(crate) pinned: Option<(ParticipantId, bool)>,
    /// Not the own picture.
    pub(crate) without_self: bool,
}

/// The tiles that have a place, and whether the first of them is to be large: what is pinned, else a screen of
/// somebody else's, else, if that is wanted, who has the word.
pub(crate) fn order<'a>(
    tiles: &'a [Tile],
    wish: &Wish,
    active: Option<&ParticipantId>,
) -> (Vec<&'a Tile>, bool) {
    let is_alone = tiles.len() < 2;
    let is_hidden = |tile: &Tile| wish.without_self && tile.own && !tile.screen && !is_alone;
    let mut order: Vec<_> = tiles.iter().filter(|tile| !is_hidden(tile)).collect();
    let place = |test: &dyn Fn(&Tile) -> bool| order.iter().position(|tile| test(tile));
    let pinned = wish.pinned.as_ref();
    let pinned = pinned
        .and_then(|(id, screen)| place(&|tile| tile.participant == *id && tile.screen == *screen));
    let screen = || place(&|tile| tile.screen && !tile.own);
    let speaker = || {
        let active = place(&|tile| !tile.own && !tile.screen && Some(&tile.participant) == active);
        active
            .or_else(|| place(&|tile| !tile.own))
            .filter(|_| wish.speaker)
    };
    let Some(large) = pinned.or_else(screen).or_else(speaker) else {
        return (order, false);
    };
    let large = order.remove(large);
    order.insert(0, large);
    if large.screen {
        // Who speaks is beside it, however many others there are.
        let speaks = |tile: &&Tile| !tile.screen && Some(&tile.participant) == active;
        if let Some(at) = order.iter().position(speaks) {
            let speaker = order.remove(at);
            order.insert(1, speaker);
        }
    }
    (order, true)
}

/// What is large enough for a picture that is shown in two places.
pub(super) fn both(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0.max(other.0), one.1.max(other.1))
}

/// The size to ask for where a picture is shown so large, in pixels of the screen.
pub(crate) fn size_for((width, height): (f64, f64)) -> (u16, u16) {
    let step = |pixels: f64| ((pixels / STEP).ceil().max(1.0) * STEP) as u16;
    (step(width), step(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(id: &str, kind: MediaKind, source: Source) -> Publication {
        Publication {
            id: id.into(),
            kind,
            source,
            label: None,
            muted: false,
            width: None,
            height: None,
        }
    }

    fn person(id: &str, publications: &[Publication]) -> Participant {
        Participant {
            publications: publications.to_vec(),
            ..Participant::new(id.into())
        }
    }

    #[test]
    fn screens_come_first_and_everybody_has_a_tile() {
        let camera = publication("b/cam", MediaKind::Video, Source::Camera);
        let screen = publication("b/screen", MediaKind::Video, Source::Screen);
        let people = [person("a", &[]), person("b", &[camera, screen])];
        let tiles = tiles(&people, Some(&"a".into()));
        let shown: Vec<_> = tiles
            .iter()
            .map(|it| {
                (
                    it.participant.0.as_str(),
                    it.picture.as_ref().map(|it| it.0.as_str()),
                    it.own,
                )
            })
            .collect();
        let expected = [
            ("b", Some("b/screen"), false),
            ("a", None, true),
            ("b", Some("b/cam"), false),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_muted_is_neither_seen_nor_heard() {
        let mut camera = publication("a/cam", MediaKind::Video, Source::Camera);
        let mut sound = publication("a/mic", MediaKind::Audio, Source::Microphone);
        let look = |publications: &[Publication]| {
            let tile = tiles(&[person("a", publications)], None).remove(0);
            (tile.picture.is_some(), tile.muted)
        };
        assert_eq!(look(&[camera.clone(), sound.clone()]), (true, false));
        (camera.muted, sound.muted) = (true, true);
        assert_eq!(look(&[camera, sound]), (false, true));
        assert_eq!(look(&[]), (false, true));
    }

    fn shown(people: &[Participant], wish: &Wish, active: &str) -> (Vec<String>, bool) {
        let tiles = tiles(people, Some(&"me".into()));
        let (order, large) = order(&tiles, wish, Some(&active.into()));
        let word = |tile: &&Tile| {
            format!(
                "{}{}",
                tile.participant.0,
                if tile.screen { "!" } else { "" }
            )
        };
        (order.iter().map(word).collect(), large)
    }

    #[test]
    fn what_is_large_comes_first_and_nothing_moves_in_a_grid() {
        let screen = publication("c/screen", MediaKind::Video, Source::Screen);
        let people = [person("me", &[]), person("a", &[]), person("b", &[])];
        let grid = Wish::default();
        for active in ["a", "b", "me", "nobody"] {
            assert_eq!(shown(&people, &grid, active).0, ["me", "a", "b"]);
        }
        let speaker = Wish {
            speaker: true,
            ..Wish::default()
        };
        assert_eq!(shown(&people, &speaker, "b").0, ["b", "me", "a"]);
        // Nobody looks at oneself speaking.
        assert_eq!(shown(&people, &speaker, "me").0, ["a", "me", "b"]);
        let pinned = Wish {
            pinned: Some(("me".into(), false)),
            ..speaker
        };
        assert_eq!(shown(&people, &pinned, "b").0, ["me", "a", "b"]);
        let people = [&people[..], &[person("c", &[screen])]].concat();
        let (order, large) = shown(&people, &grid, "b");
        assert_eq!(order, ["c!", "b", "me", "a", "c"]);
        assert!(large);
    }

    #[test]
    fn the_own_picture_can_be_hidden_unless_it_is_all_there_is() {
        let hide = Wish {
            without_self: true,
            ..Wish::default()
        };
        let people = [person("me", &[]), person("a", &[])];
        assert_eq!(shown(&people, &hide, "a").0, ["a"]);
        assert_eq!(shown(&people[..1], &hide, "a").0, ["me"]);
    }

    #[test]
    fn a_few_pixels_more_are_no_other_size() {
        assert_eq!(size_for((600.0, 330.0)), size_for((601.0, 331.0)));
        assert_eq!(size_for((640.0, 360.0)), (640, 384));
        assert_eq!(size_for((0.0, 0.0)), (64, 64));
    }
}
