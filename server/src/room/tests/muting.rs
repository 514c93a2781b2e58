//! What is muted in a room, by whom, and who is told of it.

use super::*;

#[test]
fn muting_is_seen_by_all_outlives_an_offer_and_is_undone_by_its_publisher_alone() {
    let rooms = rooms(LIMITS);
    let mut ann = sit(&rooms, "r", "ann");
    let bob = sit(&rooms, "r", "bob");
    bob.publish(camera_and_microphone()).unwrap();
    let muted = |ann: &mut Seat| {
        let bob = participants(ann).remove(1).publications.into_iter();
        let muted = bob.filter(|publication| publication.muted);
        muted
            .map(|publication| publication.id.0)
            .collect::<Vec<_>>()
    };
    bob.mute(vec!["cam".to_owned()]).unwrap();
    assert_eq!(muted(&mut ann), ["bob/cam"]);
    ann.mute_publication(&"bob/mic".into(), None).unwrap();
    assert_eq!(muted(&mut ann), ["bob/cam", "bob/mic"]);
    bob.publish(camera_and_microphone()).unwrap();
    assert_eq!(muted(&mut ann), ["bob/cam", "bob/mic"]);
    // He has not named that his microphone is muted: this may be from before he heard of it.
    bob.mute(Vec::new()).unwrap();
    assert_eq!(muted(&mut ann), ["bob/mic"]);
    bob.mute(vec!["cam".to_owned()]).unwrap();
    bob.mute(vec!["mic".to_owned()]).unwrap();
    assert_eq!(muted(&mut ann), ["bob/mic"]);
    bob.mute(Vec::new()).unwrap();
    assert!(muted(&mut ann).is_empty());
}

#[test]
fn who_is_muted_by_another_is_told_the_last_of_what_still_is_so() {
    let rooms = rooms(LIMITS);
    let ann = sit(&rooms, "r", "ann");
    let bob = sit(&rooms, "r", "bob");
    let mute = |id: &str, reason: &str| {
        let reason = Some(reason.to_owned());
        ann.mute_publication(&id.into(), reason).unwrap();
    };
    let told = |id: &str, reason: &str| [(id.into(), Some(reason.to_owned()))];
    bob.publish(camera_and_microphone()).unwrap();
    mute("bob/mic", "an echo");
    mute("bob/mic", "still an echo");
    assert_eq!(bob.muted_by_others(), told("bob/mic", "still an echo"));
    assert_eq!(bob.muted_by_others(), []);
    assert_eq!(ann.muted_by_others(), []);
    // Whoever may not have heard of it is told until it is so no more.
    let still = bob.still_muted_by_others();
    assert_eq!(still, told("bob/mic", "still an echo"));
    let unmute = || {
        bob.mute(vec!["mic".to_owned()]).unwrap();
        bob.mute(Vec::new()).unwrap();
    };
    unmute();
    assert_eq!(bob.still_muted_by_others(), []);
    // Of what he unmuted, or publishes no more, there is nothing to tell.
    mute("bob/mic", "an echo");
    unmute();
    mute("bob/cam", "too bright");
    bob.publish(vec![publication("screen", Source::Screen)])
        .unwrap();
    mute("bob/screen", "not now");
    assert_eq!(bob.muted_by_others(), told("bob/screen", "not now"));
}

#[test]
fn what_is_muted_of_ever_new_keys_is_forgotten_when_it_is_too_much_to_keep() {
    let rooms = rooms(LIMITS);
    let mut ann = sit(&rooms, "r", "ann");
    let bob = sit(&rooms, "r", "bob");
    let mut is_muted = |key: usize| {
        let key = key.to_string();
        let camera = vec![publication(&key, Source::Camera)];
        bob.publish(camera).unwrap();
        participants(&mut ann)[1].publications[0].muted
    };
    for key in 0..=LIMITS.publications {
        assert!(!is_muted(key));
        let id = format!("bob/{key}");
        rooms
            .mute_publication(&"r".into(), &id.as_str().into(), None)
            .unwrap();
    }
    // What he publishes is muted still; of the rest nothing is known.
    let muted = (0..=LIMITS.publications).filter(|key| is_muted(*key));
    assert_eq!(muted.collect::<Vec<_>>(), [LIMITS.publications]);
}
