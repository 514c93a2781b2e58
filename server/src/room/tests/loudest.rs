//! Who is heard where there are more voices than slots.

use std::time::{Duration, Instant};

use ferrite_protocol::ParticipantId;

use super::*;
use crate::media::Voice;
use crate::room::Speaking;

struct Party {
    me: Subscriber,
    now: Instant,
}

impl Party {
    fn new(others: &[&str], pairs: usize) -> Self {
        let mut me = Subscriber::new(others, pairs);
        me.watch = Some(BTreeMap::new());
        let now = Instant::now();
        Self { me, now }
    }

    /// Somebody's sound is so loud, or not there.
    fn hear(&mut self, id: &str, key: &str, loudness: Option<u8>) {
        let voice = Voice {
            is_speaking: loudness.is_some(),
            loudness: loudness.unwrap_or(0),
        };
        let view = self.me.seats[0].view();
        let publication = PublicationId::of(&id.into(), key);
        let track = view.publication(&publication).unwrap().1.track;
        self.me.seat(id).hear(self.now, track, voice);
        self.now += Duration::from_millis(100);
    }

    fn speak(&mut self, id: &str) {
        self.hear(id, "mic", Some(30));
    }

    fn all_speak(&mut self, ids: &[&str]) {
        ids.iter().for_each(|id| self.speak(id));
    }

    fn stop(&mut self, id: &str) {
        self.hear(id, "mic", None);
    }

    /// The names of those who are heard, by slot.
    fn heard(&mut self) -> Vec<String> {
        let assigned = self.me.assigned();
        let sounds = assigned.iter().filter(|(mid, _)| mid.starts_with('a'));
        let names = sounds.map(|(_, it)| it.publication.0.replace("/mic", ""));
        let names: Vec<_> = names.collect();
        let mut once = names.clone();
        once.sort();
        once.dedup();
        assert_eq!(
            once.len(),
            names.len(),
            "somebody is there twice: {names:?}"
        );
        assert!(!once.contains(&"me".to_owned()));
        names
    }

    fn told(&mut self, own: usize) -> Speaking {
        let serial = self.me.seats[own].serial();
        self.me.seats[own].view().speaking(serial)
    }
}

const EIGHT: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[test]
fn without_levels_the_first_are_heard() {
    assert_eq!(Party::new(&EIGHT, 3).heard(), ["a", "b", "c"]);
}

#[test]
fn where_there_are_slots_for_all_nothing_changes_whoever_speaks() {
    let mut party = Party::new(&["a", "b", "c"], 3);
    let before = party.heard();
    party.all_speak(&["c", "b", "a", "c"]);
    assert_eq!(party.heard(), before);
}

#[test]
fn who_begins_to_speak_takes_the_slot_of_who_has_been_silent_longest() {
    let mut party = Party::new(&EIGHT, 3);
    party.heard();
    party.all_speak(&["h", "g", "f"]);
    let slots = party.heard();
    assert_eq!(slots.len(), 3);
    assert!(
        ["f", "g", "h"]
            .iter()
            .all(|id| slots.contains(&(*id).to_owned()))
    );
    // All three speak: who comes late is not heard.
    party.speak("e");
    assert_eq!(party.heard(), slots);
    // A pause is not an end, as long as nobody else begins.
    party.stop("e");
    party.stop("g");
    assert_eq!(party.heard(), slots);
    party.speak("d");
    let mut after = party.heard();
    // The others keep their slots.
    let is_at = slots.iter().position(|id| id == "g").unwrap();
    assert_eq!(after.remove(is_at), "d");
    assert!(after.iter().all(|id| slots.contains(id)));
}

#[test]
fn as_many_are_heard_as_there_are_slots_for_sound_however_many_there_are_for_pictures() {
    for count in [1, 2, 6] {
        let mut party = Party::new(&EIGHT, 8);
        let is_few = |mid: &str| (0..count).any(|n| mid == format!("a{n}"));
        (party.me.slots).retain(|it| it.kind == MediaKind::Video || is_few(&it.mid));
        for (n, id) in EIGHT.iter().enumerate() {
            party.me.watch(&format!("v{n}"), &format!("{id}/cam"), None);
        }
        party.heard();
        party.speak("h");
        let heard = party.heard();
        assert_eq!(heard.len(), count);
        assert!(heard.contains(&"h".to_owned()), "{heard:?}");
    }
}

#[test]
fn a_talk_among_as_many_as_there_are_slots_changes_nothing() {
    let mut party = Party::new(&EIGHT, 3);
    party.all_speak(&["f", "g", "h"]);
    let slots = party.heard();
    for turn in 0..60 {
        let id = ["f", "g", "h"][turn * 7 % 3];
        match turn % 5 {
            0 | 3 => party.stop(id),
            _ => party.speak(id),
        }
        assert_eq!(party.heard(), slots);
    }
}

#[test]
fn nobody_hears_themselves_and_nobody_loses_a_slot_to_that() {
    let mut party = Party::new(&EIGHT, 3);
    party.me.seats[0].publish(camera_and_microphone()).unwrap();
    party.all_speak(&["me", "h", "g", "f"]);
    let mut heard = party.heard();
    heard.sort();
    assert_eq!(heard, ["f", "g", "h"]);
    assert!(party.told(0).participants.contains(&"me".into()));
}

#[test]
fn who_speaks_sounds_beside_their_picture_where_that_slot_is_free() {
    let mut party = Party::new(&EIGHT, 3);
    party.me.watch("v2", "h/cam", None);
    party.speak("h");
    assert_eq!(party.me.assigned()["a2"].publication, "h/mic".into());
    // Who is heard already goes on where they are.
    party.me.watch("v0", "h/cam", None);
    party.me.watch("v2", "g/cam", None);
    party.all_speak(&["g", "f"]);
    assert_eq!(party.me.assigned()["a2"].publication, "h/mic".into());
    assert_eq!(party.heard().len(), 3);
}

#[test]
fn a_screen_that_is_watched_is_heard_whoever_speaks() {
    let mut party = Party::new(&EIGHT, 3);
    let mut all = camera_and_microphone();
    all.push(publication("screen", Source::Screen));
    all.push(publication("sound", Source::ScreenAudio));
    party.me.seat("h").publish(all).unwrap();
    party.all_speak(&["a", "b", "c", "d"]);
    assert!(!party.heard().contains(&"h/sound".to_owned()));
    party.me.watch("v1", "h/screen", None);
    assert_eq!(party.heard()[1], "h/sound");
    assert_eq!(party.heard().len(), 3);
    // Nor has it the word.
    for _ in 0..20 {
        party.hear("h", "sound", Some(60));
    }
    assert_ne!(party.told(0).active, Some("h".into()));
}

#[test]
fn who_is_muted_hidden_or_gone_does_not_speak() {
    let mut party = Party::new(&EIGHT, 3);
    for _ in 0..10 {
        party.all_speak(&["a", "b", "c", "d"]);
    }
    let active: ParticipantId = "a".into();
    assert_eq!(party.told(0).active, Some(active.clone()));
    party.me.seat("a").mute(vec!["mic".to_owned()]).unwrap();
    assert!(!party.told(0).participants.contains(&active));
    assert!(!party.heard().contains(&"a".to_owned()));
    let hidden = Grants {
        hidden: true,
        ..Grants::all()
    };
    party.me.seat("b").authorize(hidden).unwrap();
    assert!(!party.told(0).participants.contains(&"b".into()));
    let own = party
        .me
        .seats
        .iter()
        .position(|it| it.participant().0 == "b");
    assert!(party.told(own.unwrap()).participants.contains(&"b".into()));
    party.me.seats.retain(|it| it.participant().0 != "c");
    let told = party.told(0);
    assert_eq!(told.participants, ["d".into()]);
    party.me.seats.retain(|it| it.participant().0 != "a");
    assert_eq!(party.told(0).active, None);
}

/// Whoever lies about how loud they are takes one slot, and nobody's turn.
#[test]
fn who_always_claims_to_speak_takes_one_slot_at_most() {
    let mut party = Party::new(&EIGHT, 3);
    party.heard();
    for turn in 0..200 {
        party.hear("h", "mic", Some(77));
        let id = ["a", "b", "c", "d"][turn / 10 % 4];
        party.speak(id);
        assert!(party.heard().contains(&id.to_owned()), "{id} at {turn}");
        if turn % 10 == 9 {
            party.stop(id);
        }
    }
}

/// What was heard of tracks that are no more is not kept.
#[test]
fn who_publishes_anew_all_the_time_leaves_nothing_behind() {
    let mut party = Party::new(&EIGHT, 3);
    for turn in 0..100 {
        let key = format!("mic{turn}");
        let seat = party.me.seat("a");
        seat.publish(vec![publication(&key, Source::Microphone)])
            .unwrap();
        party.hear("a", &key, Some(30));
    }
    party.speak("b");
    let view = party.me.seats[0].view();
    assert!(format!("{:?}", view.speakers).matches("Speaker {").count() <= 3);
}
