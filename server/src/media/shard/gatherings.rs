//! Who of which room is on this shard, and whom a lossy message of the room goes to. Pure: what becomes of
//! the message there is its receiver's matter, and which peer is meant by a name the shard's.
//!
//! A message to a room of hundreds is hundreds of messages to send. So in each turn of the shard a few members get
//! theirs, and the others after what came meanwhile. Rooms have their turns one after the other, each with a queue of
//! its own: what floods one delays no other by more than a turn.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::media::plan::Gathering;

/// Members who are given messages in a turn: each costs some ten microseconds.
pub const MAX_RECEIVERS: usize = 4;

/// Messages that are given in a turn, to all of them together: each costs one or two.
pub const MAX_GIVEN: usize = 16;

/// Messages that wait for another turn. Of more the oldest goes that the room with most of them has.
pub const MAX_WAITING: usize = 1024;

/// A lossy message on its way.
#[derive(Clone, Debug)]
pub struct Lossy {
    /// The room.
    pub gathering: Gathering,
    /// Who sent it, and is not sent it.
    pub from: Arc<str>,
    /// Who it is for, each once and in order; `None` is everybody else.
    pub to: Option<Arc<[Box<str>]>>,
    /// The message as it is sent.
    pub bytes: Bytes,
}

/// The rooms with members on a shard. `P` names a peer.
#[derive(Debug)]
pub struct Gatherings<P> {
    shard: usize,
    rooms: FxHashMap<usize, Here<P>>,
    /// The rooms in which somebody is still to get something, in the order of their turns.
    late: VecDeque<usize>,
    /// The messages that wait in all of them.
    waiting: usize,
}

/// A room.
#[derive(Debug)]
struct Here<P> {
    gathering: Gathering,
    /// In an order that no one's name makes slow, nor two runs different.
    members: BTreeMap<Arc<str>, P>,
    /// It is among those that wait for their turns.
    is_late: bool,
    waiting: VecDeque<Lossy>,
    /// The messages that some have got.
    batch: Vec<Lossy>,
    /// Who has not, and may have left since.
    receivers: Vec<Arc<str>>,
}

impl<P: Copy + Eq> Gatherings<P> {
    /// Nobody is on this shard yet.
    pub fn new(shard: usize) -> Self {
        Self {
            shard,
            rooms: FxHashMap::default(),
            late: VecDeque::new(),
            waiting: 0,
        }
    }

    /// A participant of a room is this peer from now on. Who was before is not sent anything any more.
    pub fn enter(&mut self, gathering: &Gathering, participant: &Arc<str>, peer: P) {
        let room = self.rooms.entry(gathering.key());
        let room = room.or_insert_with(|| Here {
            gathering: gathering.clone(),
            members: BTreeMap::new(),
            is_late: false,
            waiting: VecDeque::new(),
            batch: Vec::new(),
            receivers: Vec::new(),
        });
        if room.members.insert(participant.clone(), peer).is_none() {
            gathering.add_member();
        }
        gathering.enter(self.shard);
    }

    /// A peer is not this participant any more. Another may be by now.
    pub fn leave(&mut self, gathering: &Gathering, participant: &str, peer: P) {
        let Some(room) = self.rooms.get_mut(&gathering.key()) else {
            return;
        };
        if room.members.get(participant) == Some(&peer) {
            room.members.remove(participant);
            gathering.remove_members(1);
        }
        if room.members.is_empty() {
            gathering.leave(self.shard);
            self.waiting -= room.waiting.len();
            // Another room may have the key soon.
            self.late.retain(|key| *key != gathering.key());
            self.rooms.remove(&gathering.key());
        }
    }

    /// Forgets everybody, and what waits for them.
    pub fn clear(&mut self) {
        self.late.clear();
        self.waiting = 0;
        for (_, room) in self.rooms.drain() {
            room.gathering.remove_members(room.members.len());
            room.gathering.leave(self.shard);
        }
    }

    /// How many rooms have members here.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether no room has.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Takes messages for those here. Returns how many are lost of those that wait.
    pub fn take(&mut self, messages: impl Iterator<Item = Lossy>) -> usize {
        let lost = messages.filter_map(|message| self.take_one(message));
        lost.count()
    }

    /// Takes a message, where somebody is here whom it may be for. Returns one that is lost.
    fn take_one(&mut self, message: Lossy) -> Option<Lossy> {
        let key = message.gathering.key();
        let room = self.rooms.get_mut(&key)?;
        if !std::mem::replace(&mut room.is_late, true) {
            self.late.push_back(key);
        }
        room.waiting.push_back(message);
        self.waiting += 1;
        (self.waiting > MAX_WAITING).then(|| self.drop_oldest())?
    }

    fn drop_oldest(&mut self) -> Option<Lossy> {
        let waiting = |key: &usize| self.rooms.get(key).map(|room| room.waiting.len());
        let most = (self.late.iter().copied()).max_by_key(waiting)?;
        let oldest = self.rooms.get_mut(&most)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some(oldest)
    }

    /// Gives what waits to as many of those whom it is for as have their turn.
    pub fn deliver(&mut self, mut give: impl FnMut(P, &Bytes)) {
        let (mut members, mut messages) = (MAX_RECEIVERS, MAX_GIVEN);
        while members > 0
            && messages > 0
            && let Some(key) = self.late.pop_front()
        {
            let Some(room) = self.rooms.get_mut(&key) else {
                continue;
            };
            if room.receivers.is_empty() {
                self.waiting -= room.begin();
            }
            // Who gets any gets the whole batch, and for that the turn has to last. A whole turn always does.
            let batch = room.batch.len();
            if batch > messages {
                self.late.push_front(key);
                break;
            }
            while members > 0
                && messages >= batch
                && let Some(name) = room.receivers.pop()
            {
                members -= 1;
                let Some(peer) = room.members.get(&name) else {
                    continue;
                };
                for message in room.batch.iter().filter(|message| message.is_for(&name)) {
                    give(*peer, &message.bytes);
                    messages = messages.saturating_sub(1);
                }
            }
            room.is_late = !room.receivers.is_empty() || !room.waiting.is_empty();
            if room.is_late {
                self.late.push_back(key);
            }
        }
    }

    /// Whether somebody is still to get something.
    pub fn is_late(&self) -> bool {
        !self.late.is_empty()
    }
}

impl Lossy {
    fn is_for(&self, name: &str) -> bool {
        let named = self.to.as_ref();
        *self.from != *name
            && named.is_none_or(|to| to.binary_search_by(|it| (**it).cmp(name)).is_ok())
    }
}

impl<P> Here<P> {
    /// Begins with the next messages: those that wait go together, so that each who gets some is written to once.
    /// Returns how many.
    fn begin(&mut self) -> usize {
        let count = self.waiting.len().min(MAX_GIVEN);
        self.batch.clear();
        self.batch.extend(self.waiting.drain(..count));
        self.receivers = self.receivers();
        count
    }

    /// Those here whom any of them is for.
    fn receivers(&self) -> Vec<Arc<str>> {
        let is_for_all = self.batch.iter().any(|message| message.to.is_none());
        if is_for_all {
            return self.members.keys().cloned().collect();
        }
        let named = self.batch.iter().filter_map(|message| message.to.as_ref());
        let named = named.flat_map(|to| to.iter());
        let there = named.filter_map(|name| Some(self.members.get_key_value(&**name)?.0.clone()));
        let mut there: Vec<_> = there.collect();
        there.sort_unstable();
        there.dedup();
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(gathering: &Gathering, to: Option<&[&str]>) -> Lossy {
        Lossy {
            gathering: gathering.clone(),
            from: "ann".into(),
            to: to.map(|to| to.iter().map(|name| (*name).into()).collect()),
            bytes: Bytes::new(),
        }
    }

    fn reached(gatherings: &mut Gatherings<u32>, message: &Lossy) -> Vec<u32> {
        let mut peers = Vec::new();
        assert_eq!(gatherings.take([message.clone()].into_iter()), 0);
        while gatherings.is_late() {
            gatherings.deliver(|peer, _| peers.push(peer));
        }
        peers.sort_unstable();
        peers
    }

    #[test]
    fn a_message_reaches_whom_it_is_for_and_never_its_sender() {
        let (tea, coffee) = (Gathering::default(), Gathering::default());
        let mut here = Gatherings::new(1);
        for (peer, name) in [(1, "ann"), (2, "bob"), (3, "cid")] {
            here.enter(&tea, &name.into(), peer);
        }
        here.enter(&coffee, &"bob".into(), 4);
        assert_eq!(reached(&mut here, &message(&tea, None)), [2, 3]);
        let some = ["ann", "cid", "nobody"];
        assert_eq!(reached(&mut here, &message(&tea, Some(&some))), [3]);
        assert_eq!(reached(&mut here, &message(&coffee, None)), [4]);
    }

    #[test]
    fn in_a_turn_some_get_all_that_waits_and_the_others_in_the_next() {
        let room = Gathering::default();
        let mut here = Gatherings::new(1);
        for peer in 0..300 {
            here.enter(&room, &format!("member {peer}").into(), peer);
        }
        assert_eq!(room.members(), 300);
        let messages: Vec<_> = (0..2000).map(|_| message(&room, None)).collect();
        assert_eq!(here.take(messages.into_iter()), 2000 - MAX_WAITING);
        let mut given = [0; 300];
        while here.is_late() {
            let before = given;
            here.deliver(|peer, _| given[peer] += 1);
            let some = (0..300).filter(|peer| given[*peer] > before[*peer]);
            assert!(some.count() <= MAX_RECEIVERS);
            let now = (0..300)
                .map(|peer| given[peer] - before[peer])
                .sum::<usize>();
            assert!(now <= MAX_GIVEN, "{now}");
        }
        assert_eq!(given, [MAX_WAITING; 300]);
    }

    #[test]
    fn what_floods_a_room_neither_delays_another_nor_takes_its_place() {
        let (loud, quiet) = (Gathering::default(), Gathering::default());
        let mut here = Gatherings::new(1);
        (0..100).for_each(|peer| here.enter(&loud, &format!("loud {peer}").into(), peer));
        (100..102).for_each(|peer| here.enter(&quiet, &format!("quiet {peer}").into(), peer));
        let mut lost = 0;
        for turn in 0..200 {
            let flood = (0..100).map(|_| message(&loud, None));
            lost += here.take(flood.chain([message(&quiet, None)]));
            assert!(here.waiting <= MAX_WAITING);
            let mut heard = 0;
            for _ in 0..2 {
                here.deliver(|peer, _| heard += usize::from(peer >= 100));
            }
            assert_eq!(heard, 2, "turn {turn}");
        }
        assert!(lost > 0, "no flood");
    }

    #[test]
    fn a_room_whose_batch_does_not_fit_into_a_turn_any_more_has_the_next() {
        let (busy, other) = (Gathering::default(), Gathering::default());
        let mut here = Gatherings::new(1);
        here.enter(&busy, &"bob".into(), 1);
        here.enter(&other, &"cid".into(), 2);
        for (room, count) in [(&busy, MAX_GIVEN - 1), (&other, 2)] {
            here.take((0..count).map(|_| message(room, None)));
        }
        let mut turn = || {
            let mut got = [0; 3];
            here.deliver(|peer, _| got[peer] += 1);
            here.take([message(&busy, None)].into_iter());
            got
        };
        assert_eq!(turn(), [0, MAX_GIVEN - 1, 0]);
        assert_eq!(turn(), [0, 1, 2]);
    }

    #[test]
    fn nothing_waits_for_a_room_that_nobody_is_in_any_more() {
        let room = Gathering::default();
        let mut here = Gatherings::new(1);
        here.enter(&room, &"ann".into(), 1);
        here.take((0..10).map(|_| message(&room, None)));
        here.leave(&room, "ann", 1);
        assert!(!here.is_late() && here.waiting == 0);
        here.take([message(&room, None)].into_iter());
        assert!(!here.is_late());
        here.enter(&room, &"bob".into(), 2);
        here.deliver(|_, _| panic!("said before"));
    }

    #[test]
    fn who_leaves_in_between_and_whoever_has_the_place_then_get_nothing() {
        let (room, other) = (Gathering::default(), Gathering::default());
        let mut here = Gatherings::new(1);
        let name = |peer: usize| format!("member {peer:02}").into();
        (0..50).for_each(|peer| here.enter(&room, &name(peer), peer));
        here.take([message(&room, None)].into_iter());
        let mut got = Vec::new();
        here.deliver(|peer, _| got.push(peer));
        assert_eq!(got.len(), MAX_RECEIVERS);
        for peer in (0..50).filter(|peer| !got.contains(peer)) {
            here.leave(&room, &name(peer), peer);
            here.enter(&other, &name(peer), peer);
        }
        while here.is_late() {
            here.deliver(|peer, _| panic!("{peer}"));
        }
        assert_eq!(
            (room.members(), other.members()),
            (MAX_RECEIVERS, 50 - MAX_RECEIVERS)
        );
    }

    #[test]
    fn others_know_whether_somebody_of_a_room_is_here() {
        let tea = Gathering::default();
        let mut here = Gatherings::new(1);
        assert!(!tea.is_at(1));
        here.enter(&tea, &"ann".into(), 1);
        // The same participant over another peer connection, which comes before the first goes.
        here.enter(&tea, &"ann".into(), 2);
        here.leave(&tea, "ann", 1);
        assert!(tea.is_at(1) && !tea.is_at(0));
        here.leave(&tea, "ann", 2);
        assert!(!tea.is_at(1) && here.is_empty());
        here.enter(&tea, &"ann".into(), 2);
        here.clear();
        assert!(!tea.is_at(1));
        let mut many = Gatherings::new(100);
        many.enter(&tea, &"ann".into(), 1);
        many.clear();
        assert!(tea.is_at(70), "nobody knows whether that one has members");
    }
}
