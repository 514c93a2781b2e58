//! Which tiles a room has, in which order, and how they fit. Pure: knows who is there and how large the
//! place is, and neither the page nor streams.

use ferrite_protocol::{
    MediaKind, Participant, ParticipantId, ParticipantState, Publication, PublicationId, Source,
};

use crate::words;

/// Sizes are told to the server in such steps, so that a window drawn larger is no flood.
const STEP: f64 = 64.0;
/// A tile's width for its height: cameras are wide, but of faces the sides matter least.
const NARROWEST: f64 = 1.0;
const WIDEST: f64 = 16.0 / 9.0;
/// Between tiles.
const GAP: f64 = 8.0;

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
    let name = participant.name.as_deref().filter(|name| !name.is_empty());
    let is_heard = |it: &Publication| it.kind == MediaKind::Audio && !it.muted;
    let picture = picture.filter(|picture| !picture.muted);
    Tile {
        participant: participant.id.clone(),
        name: name.unwrap_or(words::NAMELESS).to_owned(),
        own: own == Some(&participant.id),
        screen,
        muted: !screen && !participant.publications.iter().any(is_heard),
        reconnecting: participant.state == ParticipantState::Reconnecting,
        picture: picture.map(|picture| picture.id.clone()),
    }
}

/// The largest size at which so many tiles fit into a place of this size.
pub(crate) fn tile_size(count: usize, place: (f64, f64)) -> (f64, f64) {
    let sizes = (1..=count.max(1)).map(|columns| in_columns(count, columns, place));
    let larger = |a: &(f64, f64), b: &(f64, f64)| (a.0 * a.1).total_cmp(&(b.0 * b.1));
    sizes.max_by(larger).unwrap_or_default()
}

fn in_columns(count: usize, columns: usize, (width, height): (f64, f64)) -> (f64, f64) {
    let share = |whole: f64, parts: usize| {
        let parts = parts.max(1) as f64;
        ((whole - GAP * (parts - 1.0)) / parts).floor().max(1.0)
    };
    let width = share(width, columns);
    let height = share(height, count.div_ceil(columns));
    (
        width.min((height * WIDEST).floor()),
        height.min(width / NARROWEST),
    )
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

    /// How many of these tiles fit beside each other.
    fn columns(count: usize, place: (f64, f64)) -> usize {
        let (width, height) = tile_size(count, place);
        let fit = |whole: f64, part: f64| ((whole + GAP) / (part + GAP)) as usize;
        let columns = fit(place.0, width).min(count);
        assert!(
            columns * fit(place.1, height) >= count,
            "{count} do not fit"
        );
        columns
    }

    #[test]
    fn tiles_are_as_large_as_they_can_be() {
        let wide = (1600.0, 900.0);
        let counts = [1, 2, 3, 4, 9, 16];
        assert_eq!(counts.map(|count| columns(count, wide)), [1, 2, 2, 2, 3, 4]);
        let phone = (360.0, 500.0);
        let counts = [1, 2, 4, 16];
        assert_eq!(counts.map(|count| columns(count, phone)), [1, 1, 2, 3]);
    }

    #[test]
    fn no_tile_is_a_strip() {
        assert_eq!(tile_size(1, (2_000.0, 400.0)), (711.0, 400.0));
        assert_eq!(tile_size(1, (400.0, 2_000.0)), (400.0, 400.0));
        let (width, height) = tile_size(0, (0.0, 0.0));
        assert!(width >= 1.0 && height >= 1.0);
    }

    #[test]
    fn a_few_pixels_more_are_no_other_size() {
        assert_eq!(size_for((600.0, 330.0)), size_for((601.0, 331.0)));
        assert_eq!(size_for((640.0, 360.0)), (640, 384));
        assert_eq!(size_for((0.0, 0.0)), (64, 64));
    }
}
