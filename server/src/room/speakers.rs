//! Who speaks in a room, in the order in which they are to be heard where there is no room for all: those who speak,
//! the loudest first, then those who did, the last first. Who begins does not push out who speaks, unless they
//! are much louder; so of a talk among few nothing changes, whoever speaks. Pure: time comes in, and what is
//! heard of each track, from whatever shard.

use std::time::{Duration, Instant};

use ferrite_protocol::ParticipantId;

use crate::media::{TrackId, Voice};

/// So much louder, in dB, is who gets before somebody who speaks.
const MARGIN: u8 = 6;
/// Who speaks for that long may have the word.
const MOMENT: Duration = Duration::from_millis(600);
/// Of whom nothing was heard for so long after they were said to speak, they do not: they are cut off.
const PATIENCE: Duration = Duration::from_secs(3);
/// Speakers told of, at most.
pub(crate) const MAX_SPEAKERS: usize = 8;

/// Who speaks, and who did.
#[derive(Clone, Debug, Default)]
pub struct Speakers {
    /// In the order in which they are to be heard.
    order: Vec<Speaker>,
    /// Who has the word, by serial number.
    active: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Speaker {
    track: TrackId,
    serial: u64,
    voice: Voice,
    /// It is their own: that of a screen never has the word.
    is_own: bool,
    since: Instant,
    heard: Instant,
}

impl Speakers {
    /// Something is heard of a member's track. Returns whether anything is different for others.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        (serial, track, is_own): (u64, TrackId, bool),
        voice: Voice,
    ) -> bool {
        let before = self.told();
        let silenced = |it: &mut Speaker| {
            let is_cut_off = now.saturating_duration_since(it.heard) > PATIENCE;
            it.voice.is_speaking &= !is_cut_off;
        };
        self.order.iter_mut().for_each(silenced);
        let at = self.order.iter().position(|it| it.track == track);
        let known = at.map(|at| self.order.remove(at));
        if known.is_none() && !voice.is_speaking {
            return false;
        }
        let goes_on = known.filter(|it| it.voice.is_speaking && voice.is_speaking);
        let speaker = Speaker {
            track,
            serial,
            voice,
            is_own,
            since: goes_on.map_or(now, |it| it.since),
            heard: now,
        };
        // In a row: those who speak before those who do not.
        self.order.sort_by_key(|it| !it.voice.is_speaking);
        let speaking = self.speaking().count();
        let mut place = match goes_on.and(at) {
            Some(at) => at.min(speaking),
            None => speaking,
        };
        let is_louder = |than: &Speaker| {
            goes_on.is_some() && voice.loudness >= than.voice.loudness.saturating_add(MARGIN)
        };
        while place > 0 && is_louder(&self.order[place - 1]) {
            place -= 1;
        }
        self.order.insert(place, speaker);
        self.give_the_word(now);
        before != self.told()
    }

    fn give_the_word(&mut self, now: Instant) {
        let is_more = |it: &&Speaker| now.saturating_duration_since(it.since) >= MOMENT;
        let first = self.speaking().filter(|it| it.is_own).find(is_more);
        self.active = first.map(|it| it.serial).or(self.active);
    }

    fn speaking(&self) -> impl Iterator<Item = &Speaker> {
        self.order.iter().take_while(|it| it.voice.is_speaking)
    }

    /// Those who speak, and on which track.
    pub(super) fn voices(&self) -> impl Iterator<Item = (u64, TrackId)> {
        self.speaking().map(|it| (it.serial, it.track))
    }

    /// Who has the word.
    pub(super) fn active(&self) -> Option<u64> {
        self.active
    }

    /// What others are told: the order, how many of it speak, and who has the word.
    fn told(&self) -> (Vec<TrackId>, usize, Option<u64>) {
        let order = self.order().collect();
        (order, self.speaking().count(), self.active)
    }

    /// All tracks on which somebody speaks or spoke, in the order in which they are to be heard.
    pub(super) fn order(&self) -> impl Iterator<Item = TrackId> {
        self.order.iter().map(|it| it.track)
    }

    /// Forgets whom `is_there` does not know.
    pub(super) fn retain(&mut self, is_there: impl Fn(u64, TrackId) -> bool) {
        self.order.retain(|it| is_there(it.serial, it.track));
    }
}

/// Who speaks, as a member of the room is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaking {
    /// Who has the word.
    pub active: Option<ParticipantId>,
    /// Those who speak right now.
    pub participants: Vec<ParticipantId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        speakers: Speakers,
        now: Instant,
    }

    impl Rig {
        fn new() -> Self {
            let (speakers, now) = (Speakers::default(), Instant::now());
            Self { speakers, now }
        }

        fn hear(&mut self, who: u64, loudness: Option<u8>) -> bool {
            let voice = Voice {
                is_speaking: loudness.is_some(),
                loudness: loudness.unwrap_or(0),
            };
            let track = TrackId::of_publication(who);
            self.speakers.hear(self.now, (who, track, true), voice)
        }

        /// So many reports of each of these, one each 500 ms.
        fn talk(&mut self, reports: u32, voices: &[(u64, u8)]) {
            for _ in 0..reports {
                for (who, loudness) in voices {
                    self.hear(*who, Some(*loudness));
                }
                self.now += Duration::from_millis(500);
            }
        }

        fn order(&self) -> Vec<u64> {
            self.speakers.order.iter().map(|it| it.serial).collect()
        }
    }

    #[test]
    fn who_begins_comes_after_those_who_speak_and_before_those_who_spoke() {
        let mut rig = Rig::new();
        for who in 1..=3 {
            assert!(rig.hear(who, Some(30)));
        }
        rig.hear(2, None);
        assert_eq!(rig.order(), [1, 3, 2]);
        rig.hear(4, Some(30));
        assert_eq!(rig.order(), [1, 3, 4, 2]);
        rig.hear(1, None);
        assert_eq!(rig.order(), [3, 4, 1, 2]);
        rig.hear(2, Some(30));
        assert_eq!(rig.order(), [3, 4, 2, 1]);
        assert!(!rig.hear(9, None), "who never spoke stops");
    }

    #[test]
    fn who_is_a_little_louder_now_and_then_changes_nothing() {
        let mut rig = Rig::new();
        rig.talk(4, &[(1, 30), (2, 30), (3, 30)]);
        for turn in 0..100_u8 {
            let loud = |who: u8| 27 + (turn + who * 3) % 6;
            for who in 1..=3 {
                assert!(!rig.hear(u64::from(who), Some(loud(who))));
            }
        }
        assert_eq!(rig.order(), [1, 2, 3]);
    }

    #[test]
    fn who_is_much_louder_is_heard_before_others() {
        let mut rig = Rig::new();
        rig.talk(2, &[(1, 20), (2, 20), (3, 20), (4, 40)]);
        assert_eq!(rig.order(), [4, 1, 2, 3]);
    }

    #[test]
    fn who_has_the_word_speaks_for_more_than_a_moment_and_keeps_it() {
        let mut rig = Rig::new();
        rig.hear(1, Some(30));
        assert_eq!(rig.speakers.active, None);
        rig.talk(3, &[(1, 30)]);
        assert_eq!(rig.speakers.active, Some(1));
        rig.hear(1, None);
        // A cough.
        rig.hear(2, Some(40));
        rig.hear(2, None);
        assert_eq!(rig.speakers.active, Some(1));
        rig.talk(4, &[(2, 30)]);
        assert_eq!(rig.speakers.active, Some(2));
        // Both at once: who was first has it.
        rig.talk(10, &[(2, 30), (1, 32)]);
        assert_eq!(rig.speakers.active, Some(2));
    }

    #[test]
    fn what_a_screen_plays_never_has_the_word() {
        let mut rig = Rig::new();
        let voice = Voice {
            is_speaking: true,
            loudness: 60,
        };
        for _ in 0..5 {
            let screen = (1, TrackId::of_publication(1), false);
            rig.speakers.hear(rig.now, screen, voice);
            rig.now += Duration::from_millis(500);
        }
        assert_eq!((rig.order(), rig.speakers.active), (vec![1], None));
    }

    #[test]
    fn who_is_cut_off_does_not_speak_for_ever() {
        let mut rig = Rig::new();
        rig.talk(2, &[(1, 50), (2, 20)]);
        rig.talk(10, &[(2, 20)]);
        assert_eq!(rig.speakers.speaking().count(), 1);
        assert_eq!(rig.order(), [2, 1]);
    }
}
