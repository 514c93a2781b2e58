//! The slots of a peer connection in a room: how many there should be, which there are, and which
//! picture each is to show. Knows publications by name; knows neither tiles nor who is in the room.

use std::collections::BTreeMap;

use ferrite_protocol::{MediaKind, Priority, PublicationId, TrackUse, Tracks, Watch};

use crate::sorted::Map;

/// Offered to begin with, for sound and for pictures each.
const FIRST: usize = 4;
/// Beyond these, nobody could tell one tile from another, nor one voice.
const MOST: usize = 32;
/// At most so many others are heard at a time, if that is asked for.
pub const MAX_VOICES: usize = MOST;

/// In a room with more than so many others nobody can follow all who speak.
const FEW: usize = 8;
/// So many of those who speak are heard there: the server chooses the loudest.
const LOUDEST: usize = 5;

/// How many slots there should be of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotCounts {
    pub(crate) pictures: usize,
    pub(crate) sounds: usize,
}

impl SlotCounts {
    /// With so many for pictures, where at most so many `voices` are to be heard, if that is said.
    fn of(pictures: usize, voices: Option<usize>) -> Self {
        let sounds = match voices {
            Some(voices) => voices.clamp(1, MAX_VOICES).min(pictures),
            None if pictures > FEW => LOUDEST,
            None => pictures,
        };
        Self { pictures, sounds }
    }
}

/// A picture that the page has a place for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) publication: PublicationId,
    /// In pixels of the screen. Without, the best there is is wanted.
    pub(crate) width: Option<u16>,
    pub(crate) height: Option<u16>,
    /// Nobody looks at the moment.
    pub(crate) paused: bool,
    pub(crate) priority: Priority,
}

impl Sight {
    fn watch(&self) -> Watch {
        Watch {
            publication: self.publication.clone(),
            width: self.width,
            height: self.height,
            paused: self.paused,
            priority: self.priority,
        }
    }
}

/// What each slot for pictures is to show, by its `mid`.
pub(super) type Wish = BTreeMap<String, Option<Watch>>;

#[derive(Debug, Default)]
pub(super) struct Slots {
    /// So many were asked for, for pictures.
    asked: usize,
    /// Those of the offer that is not answered yet.
    offered: Vec<String>,
    /// Those for pictures that the server knows, in the order of their sections.
    pictures: Vec<String>,
    /// What each was last wished to show.
    shown: Map<String, PublicationId>,
}

impl Slots {
    /// The number of slots there should be of each kind, if that is more than there are: in steps, so
    /// that many who come one after the other cost one offer.
    pub(super) fn grow(&mut self, needed: usize, voices: Option<usize>) -> Option<SlotCounts> {
        let wanted = needed.next_power_of_two().clamp(FIRST, MOST);
        (wanted > self.asked).then(|| {
            self.asked = wanted;
            SlotCounts::of(wanted, voices)
        })
    }

    /// An offer goes to the server.
    pub(super) fn offered(&mut self, sdp: &str, tracks: &Tracks) {
        let mids = sdp.lines().filter_map(|line| line.strip_prefix("a=mid:"));
        let slots = mids.filter(|mid| match tracks.get(*mid) {
            Some(TrackUse::Receive(MediaKind::Video)) => true,
            Some(TrackUse::Receive(MediaKind::Audio) | TrackUse::Publish { .. }) | None => false,
        });
        self.offered = slots.map(str::to_owned).collect();
    }

    /// The server took it.
    pub(super) fn agreed(&mut self) {
        self.pictures = std::mem::take(&mut self.offered);
    }

    /// What the slots are to show, once there are any. What is shown already stays where it is; of what
    /// does not fit, the last is left out.
    pub(super) fn wish(&mut self, sights: &[Sight]) -> Option<Wish> {
        if self.pictures.is_empty() {
            return None;
        }
        let fitting = &sights[..sights.len().min(self.pictures.len())];
        let shown = &mut self.shown;
        shown.retain(|_, publication| fitting.iter().any(|it| it.publication == *publication));
        for sight in fitting {
            if shown.values().any(|known| *known == sight.publication) {
                continue;
            }
            let mut free = self.pictures.iter().filter(|mid| !shown.contains_key(*mid));
            if let Some(mid) = free.next() {
                shown.insert(mid.clone(), sight.publication.clone());
            }
        }
        let watch = |mid| {
            let publication = shown.get(mid)?;
            let mut fitting = fitting.iter();
            fitting
                .find(|it| it.publication == *publication)
                .map(Sight::watch)
        };
        let pictures = self.pictures.iter();
        // Not collected: that would sort, and bring the code for it.
        let mut wish = Wish::new();
        wish.extend(pictures.map(|mid| (mid.clone(), watch(mid))));
        Some(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(publication: &str) -> Sight {
        Sight {
            publication: publication.into(),
            width: Some(320),
            height: Some(180),
            paused: false,
            priority: Priority::default(),
        }
    }

    fn sights(publications: &[&str]) -> Vec<Sight> {
        publications.iter().map(|it| sight(it)).collect()
    }

    /// So many slots for pictures, between others, that the server took.
    fn slots(count: usize) -> Slots {
        let mut slots = Slots::default();
        let (mut sdp, mut tracks) = (String::new(), Tracks::new());
        for at in 0..count {
            let (sound, picture) = (format!("{}", 2 * at), format!("{}", 2 * at + 1));
            sdp += &format!("a=mid:{sound}\r\na=mid:{picture}\r\n");
            tracks.insert(sound, TrackUse::Receive(MediaKind::Audio));
            tracks.insert(picture, TrackUse::Receive(MediaKind::Video));
        }
        slots.offered(&sdp, &tracks);
        slots.agreed();
        slots
    }

    fn shows(wish: &Wish) -> Vec<(&str, Option<&str>)> {
        let publication = |watch: &Option<Watch>| Some(watch.as_ref()?.publication.0.clone());
        let leak = |text: String| &*text.leak();
        let all = wish.iter();
        all.map(|(mid, watch)| (mid.as_str(), publication(watch).map(leak)))
            .collect()
    }

    #[test]
    fn there_are_more_only_in_steps_and_no_more_than_one_can_look_at() {
        let mut slots = Slots::default();
        let mut grow = |needed| slots.grow(needed, None).map(|it| it.pictures);
        assert_eq!(grow(0), Some(4));
        assert_eq!((1..=4).find_map(&mut grow), None);
        assert_eq!(grow(5), Some(8));
        assert_eq!(grow(3), None);
        assert_eq!(grow(500), Some(32));
        assert_eq!(grow(5_000), None);
    }

    #[test]
    fn in_a_small_room_everybody_is_heard_and_in_a_big_one_the_loudest_or_as_many_as_was_said() {
        let sounds = |voices| [4, 8, 16, 32].map(|it| SlotCounts::of(it, voices).sounds);
        assert_eq!(sounds(None), [4, 8, 5, 5]);
        assert_eq!(sounds(Some(2)), [2; 4]);
        assert_eq!(sounds(Some(12)), [4, 8, 12, 12]);
        assert_eq!(sounds(Some(0)), [1; 4]);
        assert_eq!(sounds(Some(usize::MAX)), [4, 8, 16, 32]);
    }

    #[test]
    fn nothing_is_wished_before_the_server_took_a_slot() {
        assert_eq!(Slots::default().wish(&sights(&["a/cam"])), None);
        let mut slots = slots(1);
        slots.offered(
            "a=mid:9\r\n",
            &Tracks::from([("9".to_owned(), TrackUse::Receive(MediaKind::Video))]),
        );
        let wish = slots.wish(&sights(&["a/cam", "b/cam"])).unwrap();
        assert_eq!(shows(&wish), [("1", Some("a/cam"))]);
    }

    #[test]
    fn the_order_of_slots_is_that_of_their_sections() {
        let mut slots = slots(6);
        let wish = slots
            .wish(&sights(&["a", "b", "c", "d", "e", "f"]))
            .unwrap();
        let of = |mid: &str| wish[mid].as_ref().map(|it| it.publication.0.as_str());
        assert_eq!((of("9"), of("11")), (Some("e"), Some("f")));
    }

    #[test]
    fn what_is_shown_stays_where_it_is() {
        let mut slots = slots(3);
        slots.wish(&sights(&["a", "b", "c"]));
        let wish = slots.wish(&sights(&["d", "c", "a"])).unwrap();
        assert_eq!(
            shows(&wish),
            [("1", Some("a")), ("3", Some("d")), ("5", Some("c"))]
        );
    }

    #[test]
    fn a_free_slot_shows_nothing_and_the_last_finds_none() {
        let mut slots = slots(2);
        let wish = slots.wish(&sights(&["a"])).unwrap();
        assert_eq!(shows(&wish), [("1", Some("a")), ("3", None)]);
        let wish = slots.wish(&sights(&["c", "b", "a"])).unwrap();
        assert_eq!(shows(&wish), [("1", Some("c")), ("3", Some("b"))]);
    }
}
