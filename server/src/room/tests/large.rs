//! What it costs to look at a large room.

use super::*;

/// Everybody looks at every change: what one does must not grow with the room.
#[test]
fn who_looks_at_a_large_room_looks_up_no_more_than_in_a_small_one() {
    let steps = |members: usize| {
        let rooms = rooms(RoomLimits {
            participants: members,
            room_publications: 2 * members,
            ..LIMITS
        });
        let sit = |at| sit(&rooms, "tea", &format!("member-{at}"));
        let mut seats: Vec<_> = (0..members).map(sit).collect();
        for seat in &seats {
            seat.publish(camera_and_microphone()).unwrap();
        }
        let sound = (MediaKind::Audio, CodecKind::Opus);
        let kinds = [sound, (MediaKind::Video, CodecKind::Vp8)];
        let slots = (0..10)
            .zip(kinds.iter().cycle())
            .map(|(at, (kind, codec))| SlotKind {
                mid: at.to_string(),
                kind: *kind,
                formats: vec![Format::of(*codec, "")],
            });
        let slots: Vec<_> = slots.collect();
        let watch = BTreeMap::from([1, 3, 5, 7, 9].map(|at| {
            let watched = Watch {
                publication: PublicationId(format!("member-{}/cam", members - at)),
                width: None,
                height: None,
                paused: false,
                priority: Priority::default(),
            };
            (at.to_string(), Some(watched))
        }));
        let view = seats[0].view();
        let look = |own| {
            let assigned = assign(&view, own, &slots, Some(&watch), &BTreeMap::new());
            assert!(assigned.iter().flatten().all(|it| it.state.is_ok()));
            assert_eq!(assigned.iter().flatten().count(), 10);
        };
        let first = work::steps_of(|| look(seats[0].serial()));
        (first, work::steps_of(|| look(seats[1].serial())))
    };
    let ((_, small), (first, large)) = (steps(20), steps(200));
    assert!(large <= small, "{small} steps among 20, {large} among 200");
    assert!(first <= 200 + large, "{first} for who looks first");
}
