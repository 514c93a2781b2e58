//! Members of a room send one another messages over shards in virtual time: who gets which, what becomes
//! of a slow reader, and how much is held for whom.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrite_protocol::{ClientData, Pressure, ServerData};
use ferrite_server::media::net::budget::{Budget, Holding, SHARD_BUDGET};
use ferrite_server::media::shard::command::Command;
use ferrite_server::media::shard::talking::{
    LEAST_RELIABLE_UNDER_WAY, LOSSY_RATE, MAX_LOSSY_UNDER_WAY, MAX_LOSSY_WAITING,
    MAX_RELIABLE_UNDER_WAY, MAX_UNHEARD,
};
use ferrite_server::media::{Gathering, PeerEvent, Plan, Reliable, Talk};

use crate::harness::caller::{LOSSY, RELIABLE, Talker};
use crate::harness::seed;
use crate::harness::shards::{SomeShards, Trouble};

const SECOND: Duration = Duration::from_secs(1);

/// A room on three shards, with members by number: the first on the second shard, and so on.
struct Room {
    world: SomeShards,
    gathering: Gathering,
}

impl Room {
    fn new(members: usize, own_seed: u64) -> Self {
        let mut room = Self {
            world: SomeShards::with(3, seed(own_seed)),
            gathering: Gathering::default(),
        };
        for member in 0..members {
            let plan = room.plan(member, true);
            room.world.talk(plan);
        }
        room.world.run_for(3 * SECOND);
        for member in 0..members {
            let is_open = [PeerEvent::Channel(Reliable::Open)];
            assert_eq!(room.world.told(member), is_open, "{member}");
        }
        room
    }

    fn plan(&self, member: usize, may_send: bool) -> Arc<Plan> {
        Arc::new(Plan::Room {
            publishes: Vec::new(),
            shows: Vec::new(),
            talk: Some(Arc::new(Talk {
                gathering: self.gathering.clone(),
                participant: member.to_string().into(),
                may_send,
            })),
            pressure: Pressure::default(),
        })
    }

    fn talker(&mut self, member: usize) -> &mut Talker {
        self.world.callers[member].talker.as_mut().unwrap()
    }

    fn send(&mut self, from: usize, channel: usize, to: Option<&[&str]>, payload: &[u8]) {
        let (topic, to) = ("t", to.map(<[&str]>::to_vec));
        let message = ClientData { to, topic, payload };
        let (now, message) = (self.world.now, message.encode().unwrap());
        self.talker(from).send(now, channel, message);
    }

    /// The lossy messages that came since the last time: from whom, and what.
    fn take(&mut self, member: usize) -> Vec<(String, Vec<u8>)> {
        let came = std::mem::take(&mut self.talker(member).came[LOSSY]);
        let came = came.iter().map(|message| {
            let message = ServerData::decode(message).unwrap();
            (message.from.to_owned(), message.payload.to_vec())
        });
        came.collect()
    }

    /// Everybody sends something, and everybody else gets it.
    fn all_hear_all(&mut self, members: usize) {
        for from in 0..members {
            self.send(from, LOSSY, None, &[from as u8]);
        }
        self.world.run_for(SECOND);
        for member in 0..members {
            let mut came = self.take(member);
            came.sort();
            let others = (0..members).filter(|other| *other != member);
            let others = others.map(|other| (other.to_string(), vec![other as u8]));
            assert_eq!(came, others.collect::<Vec<_>>(), "{member}");
        }
    }
}

#[test]
fn lossy_messages_reach_members_wherever_they_are_and_go() {
    let mut room = Room::new(6, 1);
    room.all_hear_all(6);
    for round in 0..4 {
        room.world.change_address(round);
        room.world.run_for(3 * SECOND);
        room.all_hear_all(6);
    }
    assert!(room.world.moves > 3, "nobody moved");
    room.send(0, LOSSY, Some(&["0", "2", "4", "4", "nobody"]), b"some");
    room.world.run_for(SECOND);
    for member in 0..6 {
        let count = room.take(member).len();
        assert_eq!(count, usize::from([2, 4].contains(&member)), "{member}");
    }
}

#[test]
fn who_may_not_send_is_not_heard_and_who_left_hears_nothing() {
    let mut room = Room::new(3, 2);
    let silent = room.plan(0, false);
    room.world.set_plan(0, silent);
    room.world.set_plan(
        2,
        Arc::new(Plan::Room {
            publishes: Vec::new(),
            shows: Vec::new(),
            talk: None,
            pressure: Pressure::default(),
        }),
    );
    room.world.run_for(SECOND);
    (0..3).for_each(|member| room.send(member, LOSSY, None, b"x"));
    room.world.run_for(SECOND);
    let counts: Vec<_> = (0..3).map(|member| room.take(member).len()).collect();
    assert_eq!(counts, [1, 0, 0]);
}

#[test]
fn nothing_is_left_where_nobody_is() {
    let mut room = Room::new(6, 3);
    let ended = room.world.start_over(1);
    assert!(!room.gathering.is_at(1) && !ended.is_empty());
    for member in 0..6 {
        if !ended.contains(&room.world.callers[member].id) {
            assert!((0..3).any(|shard| room.gathering.is_at(shard)));
            room.world.close(member);
            room.world.run_for(SECOND);
        }
    }
    assert!((0..3).all(|shard| !room.gathering.is_at(shard)));
}

#[test]
fn lossy_messages_that_find_no_room_between_shards_are_lost_and_counted() {
    let mut room = Room::new(6, 4);
    room.world.set_trouble(Trouble {
        lost: 1.0,
        ..Trouble::NONE
    });
    room.send(0, LOSSY, None, b"x");
    room.world.run_for(SECOND);
    let count = (0..6).map(|member| room.take(member).len()).sum::<usize>();
    let lost = room.world.tracks().1;
    assert!(count < 5 && lost > 0, "{count} came, {lost} were lost");
    room.world.set_trouble(Trouble::NONE);
    room.all_hear_all(6);
}

#[test]
fn who_is_slow_gets_the_newest_and_nobody_waits() {
    let mut room = Room::new(3, 5);
    let number =
        |(_, payload): &(String, Vec<u8>)| u32::from_be_bytes(*payload.first_chunk().unwrap());
    room.world.callers[2].is_deaf = true;
    let count = 2000_u32;
    for n in 0..count {
        let mut payload = n.to_be_bytes().to_vec();
        payload.resize(200, 7);
        room.send(0, LOSSY, None, &payload);
        room.world.run_for(Duration::from_millis(5));
        if n > 100 && n % 100 == 0 {
            let came = room.take(1);
            assert!(came.iter().map(number).any(|it| it > n - 20), "it waits");
        }
    }
    room.world.run_for(SECOND / 2);
    room.world.callers[2].is_deaf = false;
    room.world.run_for(10 * SECOND);
    let came: Vec<_> = room.take(2).iter().map(number).collect();
    // What SCTP had, and was given up; and what waited for that: the newest.
    let newest = count - MAX_LOSSY_WAITING.0 as u32..count;
    assert!(newest.clone().all(|n| came.contains(&n)), "{came:?}");
    let old = came.iter().filter(|n| **n < newest.start).count();
    assert!(old * 200 <= MAX_LOSSY_UNDER_WAY, "{old} old ones were kept");
    room.take(1);
    room.all_hear_all(3);
}

#[test]
fn who_sends_too_many_lossy_messages_is_heard_at_the_rate_that_is_allowed() {
    let mut room = Room::new(2, 6);
    let (rate, at_once) = (LOSSY_RATE.0 as usize, LOSSY_RATE.1 as usize);
    for _ in 0..3 {
        // Four seconds at twice the rate.
        for _ in 0..800 {
            (0..5).for_each(|_| room.send(0, LOSSY, None, b"x"));
            room.world.run_for(Duration::from_millis(5));
        }
        room.world.run_for(2 * SECOND);
        let came = room.take(1).len();
        let allowed = 4 * rate + at_once;
        assert!((allowed - at_once / 2..=allowed).contains(&came), "{came}");
    }
}

fn messages(told: Vec<PeerEvent>) -> Vec<Vec<Bytes>> {
    let messages = told.into_iter().map(|event| match event {
        PeerEvent::Messages(messages) => messages,
        other => panic!("{other:?}"),
    });
    messages.collect()
}

#[test]
fn of_reliable_messages_no_more_is_read_than_the_session_hears() {
    let mut room = Room::new(1, 7);
    let payload = [7; 10_000];
    let count = 300;
    (0..count).for_each(|_| room.send(0, RELIABLE, None, &payload));
    room.world.run_for(5 * SECOND);
    let mut batches = messages(room.world.told(0));
    assert_eq!(batches.len(), 1, "the session was told more than it heard");
    let before = room.talker(0).buffered();
    room.world.run_for(5 * SECOND);
    assert_eq!(room.talker(0).buffered(), before, "more was read");
    let mut heard = 0;
    while let Some(batch) = batches.pop() {
        heard += batch.len();
        let bytes: usize = batch.iter().map(Bytes::len).sum();
        assert!(bytes <= MAX_UNHEARD + payload.len() + 10);
        // A peer that moves goes on where it was.
        room.world.change_address(0);
        room.world.tell(0, |id| Command::Heard { id });
        room.world.run_for(3 * SECOND);
        batches = messages(room.world.told(0));
        assert!(batches.len() <= 1);
    }
    assert_eq!(heard, count);
    assert!(room.world.moves > 1, "nobody moved");
}

#[test]
fn of_what_the_session_sends_as_much_is_under_way_as_fits_and_it_hears_when_all_is() {
    let mut room = Room::new(1, 8);
    let messages: Vec<_> = (0..100).map(|n| Bytes::from(vec![n; 10_000])).collect();
    room.world.callers[0].is_deaf = true;
    let sent = messages.clone();
    room.world
        .tell(0, |id| Command::Send { id, messages: sent });
    room.world.run_for(2 * SECOND);
    assert_eq!(room.world.told(0), [], "it takes more");
    assert!(messages.len() * 10_000 > MAX_RELIABLE_UNDER_WAY);
    room.world.callers[0].is_deaf = false;
    room.world.change_address(0);
    room.world.run_for(20 * SECOND);
    assert_eq!(room.world.told(0), [PeerEvent::Sent]);
    assert_eq!(room.talker(0).came[RELIABLE], messages);
}

#[test]
fn where_memory_is_scarce_less_is_under_way_to_each_and_all_of_it_comes() {
    let mut room = Room::new(1, 9);
    let messages: Vec<_> = (0..40).map(|n| Bytes::from(vec![n; 10_000])).collect();
    let others: Vec<_> = (room.world.budgets().into_iter())
        .map(|budget| used_up(&budget))
        .collect();
    let before: usize = room.world.budgets().iter().map(|it| it.used()).sum();
    room.world.callers[0].is_deaf = true;
    let sent = messages.clone();
    room.world
        .tell(0, |id| Command::Send { id, messages: sent });
    room.world.run_for(2 * SECOND);
    let after: usize = room.world.budgets().iter().map(|it| it.used()).sum();
    let held = after - before;
    assert!(held >= LEAST_RELIABLE_UNDER_WAY, "{held}");
    assert!(held < LEAST_RELIABLE_UNDER_WAY + 2 * 10_000, "{held}");
    room.world.callers[0].is_deaf = false;
    room.world.run_for(20 * SECOND);
    assert_eq!(room.world.told(0), [PeerEvent::Sent]);
    assert_eq!(room.talker(0).came[RELIABLE], messages);
    drop(others);
}

/// What others hold, so that there is no more.
fn used_up(budget: &Arc<Budget>) -> Holding {
    let mut holding = Holding::new(budget);
    holding.set(SHARD_BUDGET);
    holding
}
