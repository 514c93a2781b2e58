//! Rooms as a whole: seats, what is seen from them, and what each slot shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::{
    Idle, LeaveCause, MediaKind, Participant, ParticipantState, Priority, PublicationId, Source,
    Watch,
};
use futures_util::FutureExt;

use super::*;
use crate::auth::Grants;
use crate::media::TrackId;
use crate::media::rtp::work;
use crate::media::sdp::{CodecKind, Format};

const LIMITS: RoomLimits = RoomLimits {
    participants: 10,
    publications: 4,
    room_publications: 8,
};

fn rooms(limits: RoomLimits) -> Arc<Rooms> {
    Arc::new(Rooms::new(3, limits))
}

fn newcomer(id: &str) -> Newcomer {
    Newcomer {
        id: id.into(),
        name: None,
        metadata: None,
        grants: None,
        may_open: true,
        max_participants: None,
    }
}

fn sit(rooms: &Arc<Rooms>, room: &str, id: &str) -> Seat {
    Seat::take(rooms, room.into(), newcomer(id)).unwrap()
}

fn participants(seat: &mut Seat) -> Vec<Participant> {
    seat.view().snapshot(seat.serial()).participants
}

fn ids(seat: &mut Seat) -> Vec<String> {
    let participants = participants(seat).into_iter();
    participants.map(|participant| participant.id.0).collect()
}

fn publication(key: &str, source: Source) -> NewPublication {
    let is_sound = matches!(source, Source::Microphone | Source::ScreenAudio);
    let (kind, codec) = match is_sound {
        true => (MediaKind::Audio, CodecKind::Opus),
        false => (MediaKind::Video, CodecKind::Vp8),
    };
    NewPublication {
        key: key.to_owned(),
        kind,
        source,
        label: None,
        size: (Some(1280), Some(720)),
        formats: vec![Format::of(codec, "")],
        layers: 3,
    }
}

fn camera_and_microphone() -> Vec<NewPublication> {
    vec![
        publication("cam", Source::Camera),
        publication("mic", Source::Microphone),
    ]
}

#[test]
fn a_room_is_there_while_somebody_is_in_it() {
    let rooms = rooms(LIMITS);
    let mut first = sit(&rooms, "r", "1");
    let second = sit(&rooms, "r", "2");
    assert_eq!(ids(&mut first), ["1", "2"]);
    drop(second);
    assert_eq!(ids(&mut first), ["1"]);
    drop(first);
    assert!(rooms.is_empty());
}

#[test]
fn limits_are_said_and_hold_until_somebody_left() {
    let rooms = rooms(RoomLimits {
        participants: 1,
        ..LIMITS
    });
    let only = sit(&rooms, "a", "1");
    let refused = |room: &str| Seat::take(&rooms, room.into(), newcomer("2")).unwrap_err();
    assert_eq!(refused("a"), RoomError::Full(1));
    let _others = ["b", "c"].map(|room| sit(&rooms, room, "1"));
    assert_eq!(refused("d"), RoomError::TooManyRooms(3));
    assert_eq!(rooms.len(), 3);
    drop(only);
    assert!(Seat::take(&rooms, "a".into(), newcomer("2")).is_ok());
}

#[test]
fn what_goes_on_under_its_key_stays_the_same_track() {
    let rooms = rooms(LIMITS);
    let mut ann = sit(&rooms, "r", "ann");
    let before = ann.publish(camera_and_microphone()).unwrap();
    let mut wanted = camera_and_microphone();
    wanted.reverse();
    wanted.push(publication("screen", Source::Screen));
    let after = ann.publish(wanted).unwrap();
    assert_eq!((after[0], after[1]), (before[1], before[0]));
    assert!(!before.contains(&after[2]));
    // Under a key of another kind it is another track.
    let other = ann
        .publish(vec![publication("mic", Source::Camera)])
        .unwrap();
    assert!(!after.contains(&other[0]));
    assert_eq!(participants(&mut ann)[0].publications.len(), 1);
}

#[test]
fn publishing_has_limits_and_needs_the_right() {
    let rooms = rooms(LIMITS);
    let mut ann = sit(&rooms, "r", "ann");
    let many = (0..5).map(|n| publication(&n.to_string(), Source::Camera));
    let refused = ann.publish(many.collect());
    assert_eq!(refused, Err(RoomError::TooManyPublications(4)));
    for key in ["", "a/b"] {
        let refused = ann.publish(vec![publication(key, Source::Camera)]);
        assert_eq!(refused, Err(RoomError::BadKey));
    }
    let twice = vec![publication("a", Source::Camera); 2];
    assert_eq!(ann.publish(twice), Err(RoomError::BadKey));
    let grants = Grants {
        sources: Some(vec![Source::Microphone]),
        ..Grants::all()
    };
    let before = ann.publish(camera_and_microphone()).unwrap();
    ann.authorize(grants).unwrap();
    let view = ann.view();
    let [(left, carried)] = view.members[0].published().collect::<Vec<_>>()[..] else {
        panic!("{:?}", view.members);
    };
    assert_eq!((&left.id.0[..], carried.track), ("ann/mic", before[1]));
    let refused = ann.publish(camera_and_microphone());
    assert_eq!(refused, Err(RoomError::NotAllowed("publish that")));
    let sound = vec![publication("mic", Source::Microphone)];
    assert!(ann.publish(sound).is_ok());
}

#[test]
fn a_room_has_so_many_publications_and_no_more() {
    let rooms = rooms(RoomLimits {
        room_publications: 3,
        ..LIMITS
    });
    let ann = sit(&rooms, "r", "ann");
    let bob = sit(&rooms, "r", "bob");
    ann.publish(camera_and_microphone()).unwrap();
    let refused = bob.publish(camera_and_microphone());
    assert_eq!(refused, Err(RoomError::TooManyInRoom(3)));
    bob.publish(vec![publication("mic", Source::Microphone)])
        .unwrap();
    // What goes on is not counted twice, and what has ended not at all.
    ann.publish(camera_and_microphone()).unwrap();
    ann.publish(Vec::new()).unwrap();
    bob.publish(camera_and_microphone()).unwrap();
    drop(bob);
    let mut three = camera_and_microphone();
    three.push(publication("screen", Source::Screen));
    ann.publish(three).unwrap();
    let other = sit(&rooms, "another", "bob");
    assert!(other.publish(camera_and_microphone()).is_ok());
}

#[test]
fn only_who_came_first_moderates_an_open_room() {
    let rooms = rooms(LIMITS);
    let ann = sit(&rooms, "r", "ann");
    let bob = sit(&rooms, "r", "bob");
    ann.publish(camera_and_microphone()).unwrap();
    bob.publish(camera_and_microphone()).unwrap();
    let refused = Err(RoomError::NotAllowed("moderate this room"));
    assert_eq!(bob.kick(&"ann".into(), None), refused);
    assert_eq!(bob.mute_publication(&"ann/mic".into(), None), refused);
    assert_eq!(bob.end(None), refused);
    assert_eq!(ann.kick(&"eve".into(), None), Err(RoomError::NoParticipant));
    let nothing = ann.mute_publication(&"bob/screen".into(), None);
    assert_eq!(nothing, Err(RoomError::NoPublication));
    assert!(ann.removal().is_none() && bob.removal().is_none());
}

#[test]
fn who_is_removed_learns_why_and_the_room_is_gone_with_the_last() {
    let rooms = rooms(LIMITS);
    let ann = sit(&rooms, "r", "ann");
    let mut bob = sit(&rooms, "r", "bob");
    ann.kick(&"bob".into(), Some("enough".to_owned())).unwrap();
    let removal = bob.removal().unwrap();
    assert_eq!(removal.cause, LeaveCause::Kicked);
    assert_eq!(removal.reason.as_deref(), Some("enough"));
    assert_eq!(ids(&mut bob), ["ann"]);
    assert_eq!(bob.publish(Vec::new()), Err(RoomError::NoParticipant));
    ann.end(Some("late")).unwrap();
    assert_eq!(ann.removal().unwrap().cause, LeaveCause::RoomEnded);
    drop((ann, bob));
    assert!(rooms.is_empty());
}

#[test]
fn an_identity_is_there_once() {
    let rooms = rooms(RoomLimits {
        participants: 1,
        ..LIMITS
    });
    let before = sit(&rooms, "r", "ann");
    let mut after = sit(&rooms, "r", "ann");
    assert_eq!(before.removal().unwrap().cause, LeaveCause::JoinedElsewhere);
    drop(before);
    assert_eq!(ids(&mut after), ["ann"]);
    assert!(after.removal().is_none());
}

#[test]
fn others_see_who_is_reconnecting_and_what_they_are_called_now() {
    let rooms = rooms(LIMITS);
    let mut ann = sit(&rooms, "r", "ann");
    let bob = sit(&rooms, "r", "bob");
    let before = ann.view();
    bob.set_state(ParticipantState::Reconnecting);
    bob.update(Some("Bob".to_owned()), None).unwrap();
    let now = ann.view();
    let told = changes(&before, &now, ann.serial());
    let [Change::Updated(told)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(told.state, ParticipantState::Reconnecting);
    assert_eq!(told.name.as_deref(), Some("Bob"));
    // What did not change is the same object.
    assert!(Arc::ptr_eq(&before.members[0], &now.members[0]));
}

fn wish(publication: &str, size: Option<u16>) -> Watch {
    Watch {
        publication: publication.into(),
        width: size.map(|size| size * 16),
        height: size.map(|size| size * 9),
        paused: false,
        priority: Priority::default(),
    }
}

/// A room of some who publish a camera and a microphone each, and a subscriber's slots in it.
struct Subscriber {
    seats: Vec<Seat>,
    slots: Vec<SlotKind>,
    watch: Option<BTreeMap<String, Option<Watch>>>,
    before: BTreeMap<String, PublicationId>,
}

impl Subscriber {
    fn new(others: &[&str], pairs: usize) -> Self {
        let rooms = rooms(RoomLimits {
            participants: 16,
            room_publications: 32,
            ..LIMITS
        });
        let mut seats = vec![sit(&rooms, "r", "me")];
        for id in others {
            let seat = sit(&rooms, "r", id);
            seat.publish(camera_and_microphone()).unwrap();
            seats.push(seat);
        }
        let slot = |n: usize| {
            [("a", MediaKind::Audio), ("v", MediaKind::Video)].map(|(name, kind)| SlotKind {
                mid: format!("{name}{n}"),
                kind,
                formats: vec![
                    Format::of(CodecKind::Opus, ""),
                    Format::of(CodecKind::Vp8, ""),
                ],
            })
        };
        Self {
            seats,
            slots: (0..pairs).flat_map(slot).collect(),
            watch: None,
            before: BTreeMap::new(),
        }
    }

    fn seat(&self, id: &str) -> &Seat {
        let mut seats = self.seats.iter();
        seats.find(|seat| seat.participant().0 == id).unwrap()
    }

    fn watch(&mut self, mid: &str, publication: &str, size: Option<u16>) {
        let watch = self.watch.get_or_insert_default();
        watch.insert(mid.to_owned(), Some(wish(publication, size)));
    }

    fn assigned(&mut self) -> BTreeMap<String, Assigned> {
        let (view, own) = (self.seats[0].view(), self.seats[0].serial());
        let assigned = assign(&view, own, &self.slots, self.watch.as_ref(), &self.before);
        let slots = self.slots.iter().zip(assigned);
        let assigned: BTreeMap<_, _> = slots
            .filter_map(|(slot, assigned)| Some((slot.mid.clone(), assigned?)))
            .collect();
        let shown = assigned.iter();
        self.before = shown
            .map(|(mid, it)| (mid.clone(), it.publication.clone()))
            .collect();
        assigned
    }

    /// `mid publication`, in order.
    fn shows(&mut self) -> Vec<String> {
        let assigned = self.assigned().into_iter();
        assigned
            .map(|(mid, it)| format!("{mid} {}", it.publication))
            .collect()
    }
}

#[test]
fn without_a_wish_slots_fill_in_the_order_people_came_and_keep_what_they_show() {
    let mut me = Subscriber::new(&["a", "b", "c"], 2);
    assert_eq!(me.shows(), ["a0 a/mic", "a1 b/mic", "v0 a/cam", "v1 b/cam"]);
    me.seats.retain(|seat| seat.participant().0 != "a");
    assert_eq!(me.shows(), ["a0 c/mic", "a1 b/mic", "v0 c/cam", "v1 b/cam"]);
    // A screen goes first: there is no room for the last who came, and the others stay.
    let mut all = camera_and_microphone();
    all.push(publication("screen", Source::Screen));
    me.seat("b").publish(all).unwrap();
    assert_eq!(
        me.shows(),
        ["a0 c/mic", "a1 b/mic", "v0 b/screen", "v1 b/cam"]
    );
}

#[test]
fn sound_is_in_one_stream_with_its_picture() {
    let mut me = Subscriber::new(&["a", "b", "c"], 3);
    me.watch("v1", "c/cam", None);
    me.watch("v2", "a/cam", None);
    let shows = me.shows();
    assert_eq!(
        shows,
        ["a0 b/mic", "a1 c/mic", "a2 a/mic", "v1 c/cam", "v2 a/cam"]
    );
    me.watch("v1", "b/cam", None);
    let shows = me.shows();
    assert_eq!(
        shows,
        ["a0 c/mic", "a1 b/mic", "a2 a/mic", "v1 b/cam", "v2 a/cam"]
    );
    // A screen's sound is the screen's.
    let screen = vec![
        publication("screen", Source::Screen),
        publication("screen-audio", Source::ScreenAudio),
        publication("mic", Source::Microphone),
    ];
    me.seat("c").publish(screen).unwrap();
    me.watch("v1", "c/screen", None);
    assert_eq!(me.assigned()["a1"].publication, "c/screen-audio".into());
}

#[test]
fn a_slot_that_carries_nothing_says_why() {
    let mut me = Subscriber::new(&["a", "b"], 5);
    me.watch("v0", "a/cam", None);
    me.watch("v1", "b/cam", None);
    me.watch("v2", "nobody/cam", None);
    me.watch("v3", "a/mic", None);
    me.watch("v4", "a/cam", None);
    let wish = me.watch.as_mut().unwrap().get_mut("v4").unwrap();
    wish.as_mut().unwrap().paused = true;
    me.seat("a")
        .mute(vec!["cam".to_owned(), "mic".to_owned()])
        .unwrap();
    let mut other = publication("cam", Source::Camera);
    other.formats = vec![Format::of(CodecKind::Av1, "")];
    me.seat("b").publish(vec![other]).unwrap();
    let assigned = me.assigned();
    let idle: Vec<_> = assigned
        .iter()
        .map(|(mid, it)| (&mid[..], it.state.err()))
        .collect();
    assert_eq!(
        idle,
        [
            ("v0", Some(Idle::Muted)),
            ("v1", Some(Idle::Codec)),
            ("v2", Some(Idle::NoPublisher)),
            ("v3", Some(Idle::NoPublisher)),
            ("v4", Some(Idle::Paused)),
        ]
    );
}

#[test]
fn the_largest_layer_that_fits_is_sent() {
    let mut me = Subscriber::new(&["a"], 1);
    let mut layer = |size| {
        me.watch("v0", "a/cam", size);
        me.assigned()["v0"].state.unwrap().best_layer
    };
    // Widths of 1920, 1280, 1100, 640, 512, 320, 16; layers of 1280, 640, 320.
    let sizes = [120, 80, 69, 40, 32, 20, 1];
    assert_eq!(sizes.map(|size| layer(Some(size))), [0, 0, 0, 1, 1, 2, 2]);
    assert_eq!(layer(None), 0);
}

#[test]
fn who_publishes_in_one_stream_is_told_how_much_smaller_it_may_be() {
    let mut me = Subscriber::new(&["a"], 1);
    let one = |size, codecs: [CodecKind; 2]| NewPublication {
        layers: 1,
        size,
        formats: codecs.map(|it| Format::of(it, "")).to_vec(),
        ..publication("one", Source::Camera)
    };
    let vp9 = [CodecKind::Vp9, CodecKind::Vp8];
    let vp8 = [CodecKind::Vp8, CodecKind::Vp9];
    for (own, codecs, expected) in [
        ((Some(1280), Some(720)), vp9, [0, 0, 0, 1, 1, 2, 2]),
        ((Some(320), Some(180)), vp9, [0, 0, 0, 0, 0, 0, 2]),
        ((None, None), vp9, [0; 7]),
        ((Some(1280), Some(720)), vp8, [0; 7]),
    ] {
        me.seat("a").publish(vec![one(own, codecs)]).unwrap();
        let sizes = [120, 80, 69, 40, 32, 20, 1];
        let watched = sizes.map(|size| {
            me.watch("v0", "a/one", Some(size));
            let shown = me.assigned()["v0"].state.unwrap();
            assert_eq!(shown.best_layer, 0);
            shown.watched
        });
        assert_eq!(watched, expected, "{own:?} {codecs:?}");
    }
}

#[test]
fn tracks_of_all_rooms_are_different() {
    let rooms = rooms(LIMITS);
    let seats = ["a", "b"].map(|room| sit(&rooms, room, "ann"));
    let tracks = seats.map(|seat| seat.publish(camera_and_microphone()).unwrap());
    let mut tracks: Vec<TrackId> = tracks.into_iter().flatten().collect();
    tracks.sort_unstable();
    tracks.dedup();
    assert_eq!(tracks.len(), 4);
}

#[test]
fn a_program_sees_who_is_hidden_and_no_room_that_has_ended() {
    let rooms = rooms(LIMITS);
    let ann = sit(&rooms, "r", "ann");
    let hidden = Grants {
        hidden: true,
        ..Grants::all()
    };
    ann.authorize(hidden).unwrap();
    let name = "r".into();
    let snapshot = rooms.snapshot(&name).unwrap();
    assert_eq!(snapshot.participants[0].id.0, "ann");
    rooms.end(&name, None).unwrap();
    // Who has not noticed yet is not in it any more.
    assert_eq!(rooms.len(), 1);
    assert!(rooms.names().is_empty() && rooms.snapshot(&name).is_none());
    assert_eq!(rooms.end(&name, None), Err(RoomError::NoRoom));
    let after = sit(&rooms, "r", "bob");
    assert_eq!(rooms.names(), [name]);
    drop((ann, after));
    assert!(rooms.is_empty());
}

mod full;
mod large;
mod loudest;
mod muting;

/// Has one who sits in a room of so many look at it, while somebody changes it without a pause. Returns how often they
/// looked, and the time that this took.
async fn look_on(members: usize, changes: usize) -> (usize, Duration) {
    let rooms = rooms(RoomLimits {
        participants: members,
        ..LIMITS
    });
    let others = (1..members).map(|n| sit(&rooms, "r", &n.to_string()));
    let others: Vec<_> = others.collect();
    let mut looker = sit(&rooms, "r", "looker");
    looker.view();
    let (began, mut looks) = (Instant::now(), 0);
    for n in 1..=changes {
        others[0].update(Some(n.to_string()), None).unwrap();
        if looker.changed().now_or_never().is_some() {
            looker.view();
            looks += 1;
        }
    }
    let took = began.elapsed();
    if looks < changes {
        looker.changed().await;
    }
    let seen = participants(&mut looker).swap_remove(0);
    assert_eq!(seen.name, Some(changes.to_string()));
    (looks, took)
}

#[tokio::test]
async fn small_rooms_are_shown_each_change_and_large_ones_what_gathered() {
    assert_eq!(look_on(32, 20).await.0, 20);
    let (looks, took) = look_on(150, 1000).await;
    assert!(
        looks as u128 <= took.as_millis() / 100,
        "{looks} in {took:?}"
    );
}
