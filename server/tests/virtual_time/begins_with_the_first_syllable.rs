//! Who begins to speak in a room where they were not forwarded is heard from the first syllable on: what they said
//! until somebody noticed is sent ahead, in numbers and timestamps that go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::Pressure;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::{Plan, Shown, TrackId};

use crate::harness::bare::packet_with;
use crate::harness::offer::{AUDIO_LEVEL, MID, OPUS, Section};
use crate::harness::seed;
use crate::harness::shards::{SomeShards, Trouble};

const PACKET: Duration = Duration::from_millis(20);
const QUIET: u8 = 75;
const LOUD: u8 = 25;
/// From what a session is told to what it says of it: rooms on a busy machine.
const ROOM_TAKES: Duration = Duration::from_millis(60);

const fn sound(mid: &'static str, direction: &'static str) -> Section {
    Section::Audio { mid, direction }
}

/// Some who speak one after the other, and a listener with one slot.
struct Hall {
    world: SomeShards,
    speakers: Vec<usize>,
    listener: usize,
    /// Who speaks, as far as the room knows.
    speaking: Vec<bool>,
    /// Who is to be shown, and when.
    planned: Vec<(Instant, u64)>,
    sent: u16,
    next: Instant,
}

/// A packet that came: whose it was, and its number among theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    speaker: u8,
    number: u16,
}

fn plan(publishes: Option<u64>, shows: Option<u64>) -> Arc<Plan> {
    let track = |it: u64| TrackId::of_publication(it);
    Arc::new(Plan::Room {
        publishes: publishes.map(|it| (0, track(it))).into_iter().collect(),
        shows: shows
            .map(|it| (0, Shown::at_best(track(it))))
            .into_iter()
            .collect(),
        talk: None,
        pressure: Pressure::default(),
    })
}

impl Hall {
    fn new(shards: usize, speakers: u64, seed: u64) -> Self {
        let mut world = SomeShards::with(shards, seed);
        let speaking = vec![false; speakers as usize];
        let speakers = (0..speakers)
            .map(|it| world.enter(&[sound("0", "sendonly")], plan(Some(it), None)))
            .collect();
        let listener = world.enter(&[sound("0", "recvonly")], plan(None, Some(0)));
        world.run_for(Duration::from_secs(3));
        Self {
            next: world.now,
            world,
            speakers,
            listener,
            speaking,
            planned: Vec::new(),
            sent: 0,
        }
    }

    /// So many packets of everybody, of which one speaks. Who begins is shown once the room has noticed.
    fn run(&mut self, packets: u16, speaker: usize) {
        for _ in 0..packets {
            self.next += PACKET;
            self.sent += 1;
            for at in 0..self.speakers.len() {
                let level = if at == speaker { LOUD } else { QUIET };
                self.send(at, level);
            }
            while self.world.now < self.next {
                self.world.run_for(Duration::from_millis(5));
                self.follow();
            }
        }
    }

    fn send(&mut self, at: usize, level: u8) {
        let elements: [(u8, &[u8]); 2] = [(MID, b"0"), (AUDIO_LEVEL, &[0x80 | level])];
        let [high, low] = self.sent.to_be_bytes();
        let payload = [at as u8, high, low];
        let timestamp = 960 * u32::from(self.sent);
        let ssrc = 50 + at as u32;
        let packet = packet_with(OPUS, ssrc, self.sent, timestamp, &elements, &payload);
        let caller = self.speakers[at];
        self.world.callers[caller].far.send_rtp(&packet);
    }

    fn follow(&mut self) {
        for at in 0..self.speakers.len() {
            for event in self.world.told(self.speakers[at]) {
                // Only who begins: here nobody is louder than another.
                let PeerEvent::Voice { voice, .. } = event else {
                    continue;
                };
                let spoke = std::mem::replace(&mut self.speaking[at], voice.is_speaking);
                if voice.is_speaking && !spoke {
                    self.planned.push((self.world.now + ROOM_TAKES, at as u64));
                }
            }
        }
        let now = self.world.now;
        for (_, track) in self.planned.extract_if(.., |(at, _)| *at <= now) {
            self.world.set_plan(self.listener, plan(None, Some(track)));
        }
    }

    /// What the listener got, checked for numbers and timestamps that go on.
    fn heard(&mut self) -> Vec<Heard> {
        let received = std::mem::take(&mut self.world.callers[self.listener].far.rtp);
        for pair in received.windows(2) {
            let [before, after] = [&pair[0].header, &pair[1].header];
            assert_eq!(after.sequence, before.sequence.wrapping_add(1));
            let ticks = after.timestamp.wrapping_sub(before.timestamp);
            // What comes sooner than the packet before is long a decoder takes for old.
            assert!((960..48_000).contains(&ticks), "{ticks}");
        }
        let heard = received.iter().map(|it| match it.payload() {
            [speaker, high, low] => Heard {
                speaker: *speaker,
                number: u16::from_be_bytes([*high, *low]),
            },
            other => panic!("{other:?}"),
        });
        heard.collect()
    }
}

/// What of a burst that began with this packet was not heard.
fn lost(heard: &[Heard], speaker: u8, first: u16, packets: u16) -> Duration {
    let is_there = |number| heard.contains(&Heard { speaker, number });
    let lost = (first..first + packets).filter(|number| !is_there(*number));
    PACKET * lost.count() as u32
}

fn bursts(shards: usize, seed: u64, trouble: Trouble) {
    let mut hall = Hall::new(shards, 4, seed);
    hall.world.set_trouble(trouble);
    hall.run(50, 0);
    let mut spoken = Vec::new();
    for turn in 0..12_u8 {
        let speaker = (1 + turn * 3) % 4;
        spoken.push((speaker, hall.sent + 1));
        hall.run(40, speaker.into());
        // A pause of a second.
        hall.run(50, usize::MAX);
    }
    let heard = hall.heard();
    for (speaker, first) in spoken {
        let lost = lost(&heard, speaker, first, 40);
        assert!(lost < Duration::from_millis(40), "{lost:?} of {speaker}");
    }
    let mut once = heard.clone();
    once.dedup();
    assert_eq!(once.len(), heard.len(), "something was sent twice");
}

#[test]
fn bursts_of_who_was_not_forwarded_lose_nothing() {
    bursts(1, seed(1), Trouble::NONE);
}

#[test]
fn nor_do_they_from_another_shard() {
    for at in 2..8 {
        bursts(3, seed(at), Trouble::NONE);
    }
}

#[test]
fn a_slow_room_costs_no_more_than_it_is_slow() {
    let slow = Trouble {
        slow: Duration::from_millis(80),
        ..Trouble::NONE
    };
    bursts(2, seed(9), slow);
}

#[test]
fn of_who_does_not_speak_nothing_is_sent_ahead() {
    let mut hall = Hall::new(1, 2, seed(10));
    hall.run(50, usize::MAX);
    hall.heard();
    let shown = hall.sent;
    hall.world.set_plan(hall.listener, plan(None, Some(1)));
    hall.run(10, usize::MAX);
    let heard = hall.heard();
    let first = heard.iter().find(|it| it.speaker == 1).unwrap();
    assert!(first.number + 3 > shown, "{first:?} of {shown}");
}
