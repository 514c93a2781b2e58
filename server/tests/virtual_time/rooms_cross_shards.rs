//! A room on several shards, while members move from one to another, publish, take over and look at
//! something else, and everything between the shards goes wrong that can. Whoever is shown something gets
//! it in the end, and nothing else; and whatever a decoder is given it can decode.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::Pressure;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::{Plan, Shown, TrackId};
use rand::Rng;

use crate::harness::caller::{Picture, Taken};
use crate::harness::seeds;
use crate::harness::shards::{SomeShards, Trouble};

const SECOND: Duration = Duration::from_secs(1);

/// Members, each of whom publishes a track or none; and their slots.
const MEMBERS: usize = 6;
const SLOTS: usize = 2;

/// A member of the room, whose peer connection is not always the same.
#[derive(Clone, Debug, Default)]
struct Member {
    /// Its caller.
    caller: usize,
    /// The track that it publishes.
    publishes: Option<u64>,
    /// What its slots show.
    shows: [Option<u64>; SLOTS],
}

impl Member {
    fn plan(&self) -> Arc<Plan> {
        let publishes = self.publishes.iter();
        let shows = self.shows.iter().enumerate();
        Arc::new(Plan::Room {
            publishes: publishes
                .map(|track| (0, TrackId::of_publication(*track)))
                .collect(),
            shows: shows
                .filter_map(|(at, track)| {
                    let track = TrackId::of_publication((*track)?);
                    Some((1 + at, Shown::at_best(track)))
                })
                .collect(),
            talk: None,
            pressure: Pressure::default(),
        })
    }
}

/// The room and the shards that it is on.
struct Room {
    world: SomeShards,
    members: Vec<Member>,
    taken: Taken,
    began: Instant,
    happened: Vec<String>,
}

impl Drop for Room {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.happened.join("\n"));
            for (at, member) in self.members.iter().enumerate() {
                eprintln!(
                    "{at} {:?} {:?}",
                    self.world.callers[member.caller].id, member
                );
            }
        }
    }
}

impl Room {
    fn new(shards: usize, seed: u64) -> Self {
        let mut room = Self {
            world: SomeShards::with(shards, seed),
            members: Vec::new(),
            taken: Taken::default(),
            began: Instant::now(),
            happened: Vec::new(),
        };
        room.began = room.world.now;
        for number in 0..MEMBERS {
            let others = [number + 1, number + 2].map(|other| Some((other % MEMBERS) as u64));
            room.members.push(Member {
                caller: 0,
                publishes: Some(number as u64),
                shows: others,
            });
            room.call(number);
            room.world.run_for(Duration::from_millis(100));
        }
        room
    }

    /// A member makes a peer connection.
    fn call(&mut self, member: usize) {
        let plan = self.members[member].plan();
        self.world.join(&self.taken, plan);
        self.members[member].caller = self.world.callers.len() - 1;
    }

    fn hang_up(&mut self, member: usize) {
        let caller = self.members[member].caller;
        self.world.callers[caller].sending = false;
        self.world.callers[caller].far.interval = None;
        self.world.close(caller);
    }

    fn tell(&mut self, member: usize) {
        let Member { caller, .. } = self.members[member];
        self.world.set_plan(caller, self.members[member].plan());
    }

    fn any(&mut self) -> usize {
        self.world.rng.random_range(0..MEMBERS)
    }

    /// Notes what happens, for whoever has to find out why a test failed.
    fn note(&mut self, what: &str) {
        let at = self.world.now.duration_since(self.began).as_millis();
        self.happened.push(format!("{at:6} ms {what}"));
    }

    /// Something happens that happens in rooms.
    fn happen(&mut self) {
        let (one, other) = (self.any(), self.any());
        let what = self.world.rng.random_range(0..6);
        self.note(&format!("{what}: {one} {other}"));
        match what {
            0 => self.world.change_address(self.members[one].caller),
            1 => {
                let slot = self.world.rng.random_range(0..SLOTS);
                let track = self.world.rng.random_bool(0.8).then_some(other as u64);
                self.members[one].shows[slot] = track;
                self.tell(one);
            }
            2 => {
                let mine = self.members[one].publishes;
                let theirs = std::mem::replace(&mut self.members[other].publishes, mine);
                self.members[one].publishes = theirs;
                self.tell(one);
                self.tell(other);
            }
            3 => {
                let tracks: Vec<_> = self.members.iter().map(|m| m.publishes).collect();
                let free = (0..MEMBERS as u64).find(|track| !tracks.contains(&Some(*track)));
                let member = &mut self.members[one];
                member.publishes = match member.publishes {
                    Some(_) => None,
                    None => free,
                };
                self.tell(one);
            }
            4 => {
                self.hang_up(one);
                self.call(one);
            }
            _ => self.world.negotiate(self.members[one].caller),
        }
    }

    fn live_for(&mut self, span: Duration, pause: u64) {
        let end = self.world.now + span;
        while self.world.now < end {
            self.happen();
            let pause = self.world.rng.random_range(1..pause);
            self.world.run_for(Duration::from_millis(pause));
        }
    }

    /// Who publishes a track.
    fn publisher(&self, track: u64) -> Option<PeerId> {
        let mut members = self.members.iter();
        let member = members.find(|member| member.publishes == Some(track))?;
        Some(self.world.callers[member.caller].id)
    }

    /// The pictures that came on a member's slot since its peer connection began, in their order.
    fn pictures(&self, member: usize, slot: usize) -> Vec<(u16, u32, Picture)> {
        let caller = &self.world.callers[self.members[member].caller];
        let came = caller.far.rtp_on(caller.slot(1 + slot));
        let came = came.iter().map(|received| {
            let picture = Picture::read(received.payload());
            (received.header.sequence, received.header.timestamp, picture)
        });
        let mut came: Vec<_> = came.collect();
        let first = came.first().map_or(0, |(sequence, ..)| *sequence);
        came.sort_by_key(|(sequence, ..)| sequence.wrapping_sub(first).wrapping_add(1000));
        came
    }

    /// Everybody is shown what they should be, and nothing else.
    fn everybody_sees(&mut self) {
        let count = |room: &Self| -> Vec<usize> {
            let slots = (0..MEMBERS).flat_map(|member| (0..SLOTS).map(move |slot| (member, slot)));
            slots.map(|(m, s)| room.pictures(m, s).len()).collect()
        };
        let before = count(self);
        self.world.run_for(SECOND);
        for (at, before) in before.into_iter().enumerate() {
            let (member, slot) = (at / SLOTS, at % SLOTS);
            let track = self.members[member].shows[slot];
            let expected = track.and_then(|track| self.publisher(track));
            let pictures = self.pictures(member, slot).split_off(before);
            let name = format!("member {member}, slot {slot}, track {track:?}");
            match expected {
                Some(of) => {
                    let theirs = pictures.iter().filter(|(.., picture)| picture.of == of);
                    let count = (theirs.count(), pictures.len());
                    assert_eq!(
                        (count.0 >= 45, count.0),
                        (true, count.1),
                        "{name} of {of:?}"
                    );
                }
                None => assert_eq!(pictures.len(), 0, "{name}"),
            }
        }
    }

    /// Time goes on in what came on each slot, and no number is there for two; and where `is_calm`, there
    /// is no gap either but what the server never had, so that everything can be decoded.
    fn everybody_can_decode(&self, since: &[usize], is_calm: bool) {
        for (at, since) in since.iter().enumerate() {
            let (member, slot) = (at / SLOTS, at % SLOTS);
            let pictures = self.pictures(member, slot);
            let name = format!("member {member}, slot {slot}");
            for pair in pictures.windows(2).skip(*since) {
                let [(n, t, before), (m, u, after)] = pair else {
                    continue;
                };
                let steps = m.wrapping_sub(*n);
                assert_ne!(steps, 0, "{name}: {pair:?}");
                assert!((u.wrapping_sub(*t) as i32) > 0, "{name}: {pair:?}");
                if !is_calm {
                    continue;
                }
                let is_next = before.of == after.of
                    && after.number.wrapping_sub(before.number) == u32::from(steps);
                assert!(is_next || after.is_keyframe, "{name}: {pair:?}");
                let mut missed =
                    (1..steps).map(|step| (before.of, before.number + u32::from(step)));
                let taken = self.taken.lock().unwrap();
                // What overtakes a keyframe while nothing goes out is left out before that is known.
                let order = taken.get(&(before.of, before.number));
                let was_had = missed.find(|missed| taken.get(missed) > order);
                assert_eq!(was_had, None, "{name}: {pair:?}");
            }
        }
    }

    /// How many pictures came on each slot.
    fn came(&self) -> Vec<usize> {
        let slots = (0..MEMBERS).flat_map(|member| (0..SLOTS).map(move |slot| (member, slot)));
        slots.map(|(m, s)| self.pictures(m, s).len()).collect()
    }

    /// Everybody leaves, and nothing is left of the room.
    fn nothing_is_left(&mut self) {
        (0..MEMBERS).for_each(|member| self.hang_up(member));
        self.world.run_for(35 * SECOND);
        assert_eq!(self.world.held(), [0; 3], "peers, paths, timers");
        assert_eq!(self.world.tracks().0, 0, "tracks");
        assert_eq!(self.world.waiting(), 0);
    }
}

fn slow() -> Trouble {
    Trouble {
        slow: Duration::from_millis(40),
        ..Trouble::NONE
    }
}

#[test]
fn whoever_is_shown_something_gets_it_in_the_end_whatever_went_wrong() {
    let mut moves = 0;
    for seed in seeds(8) {
        let mut room = Room::new(3, seed);
        room.world.set_trouble(Trouble {
            full: 0.3,
            lost: 0.1,
            slow: Duration::from_millis(80),
        });
        room.live_for(12 * SECOND, 500);
        assert!(room.world.tracks().1 > 0, "nothing was lost between shards");
        room.world.set_trouble(Trouble::NONE);
        // Checks find everybody's path.
        room.world.run_for(8 * SECOND);
        room.everybody_sees();
        room.everybody_can_decode(&[0; MEMBERS * SLOTS], false);
        moves += room.world.moves;
        room.nothing_is_left();
    }
    assert!(moves > 0, "nobody moved");
}

#[test]
fn there_is_no_gap_but_what_was_lost_on_the_way_to_the_server() {
    for seed in seeds(8) {
        for trouble in [Trouble::NONE, slow()] {
            let mut room = Room::new(3, seed);
            room.world.set_trouble(trouble);
            room.live_for(10 * SECOND, 400);
            room.world.run_for(5 * SECOND);
            room.everybody_can_decode(&[0; MEMBERS * SLOTS], true);
            room.everybody_sees();
            assert_eq!(room.world.tracks().1, 0, "lost between shards");
            room.nothing_is_left();
        }
    }
}

#[test]
fn of_what_was_taken_nothing_is_missed_where_its_publisher_moves() {
    for seed in seeds(8) {
        let (mut world, taken) = (SomeShards::with(2, seed), Taken::default());
        world.set_trouble(slow());
        let [publisher, viewer] = [(Some(0), None), (None, Some(0))].map(|(publishes, shown)| {
            let shows = [shown, None];
            let member = Member {
                caller: 0,
                publishes,
                shows,
            };
            let id = world.join(&taken, member.plan());
            world.run_for(SECOND);
            id
        });
        for _ in 0..8 {
            world.change_address(0);
            world.run_for(3 * SECOND);
        }
        assert!(world.moves >= 8, "{} moves", world.moves);
        world.set_sending(false);
        world.run_for(SECOND);
        let caller = &world.callers[1];
        assert_eq!((caller.id, world.callers[0].id), (viewer, publisher));
        let came = caller.far.rtp_on(caller.slot(1));
        let came = came
            .iter()
            .map(|received| Picture::read(received.payload()).number);
        let came: BTreeSet<_> = came.collect();
        let first = came.first().copied().unwrap();
        let taken = taken.lock().unwrap();
        let theirs = taken.keys().filter(|(of, _)| *of == publisher);
        let numbers = theirs.map(|(_, number)| *number);
        let taken: BTreeSet<_> = numbers.filter(|number| *number >= first).collect();
        assert_eq!(taken.difference(&came).collect::<Vec<_>>(), [&0; 0]);
        assert!(came.len() > 1000, "{}", came.len());
    }
}

#[test]
fn a_shard_that_starts_over_is_told_everything_again_and_tells_nothing_stale() {
    for seed in seeds(8) {
        let mut room = Room::new(3, seed);
        room.world.run_for(2 * SECOND);
        for shard in 0..3 {
            room.world.set_trouble(Trouble {
                full: 0.3,
                ..slow()
            });
            let ended = room.world.start_over(shard);
            for member in 0..MEMBERS {
                let caller = room.members[member].caller;
                if ended.contains(&room.world.callers[caller].id) {
                    room.world.callers[caller].sending = false;
                    room.world.callers[caller].far.interval = None;
                    room.call(member);
                }
            }
            room.live_for(SECOND, 300);
            room.world.set_trouble(Trouble::NONE);
            room.world.run_for(8 * SECOND);
            room.everybody_sees();
        }
        room.nothing_is_left();
    }
}
