//! Who of which room is on this shard, and whom a lossy message of the room goes to. Pure: what becomes of
//! the message there is its receiver's matter, and which peer is meant by a name the shard's.
//!
//! A message to a room of hundreds is hundreds of messages to send. So in each turn of the shard so many members get
//! theirs, and the others after what came meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::media::plan::Gathering;

/// Members who are given messages in a turn.
pub const MAX_RECEIVERS: usize = 32;

/// Messages that they are given at once.
const MAX_BATCH: usize = 64;

/// Messages that wait for another turn.
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
    waiting: VecDeque<Lossy>,
    batch: Batch,
}

/// Messages of a room that some have got.
#[derive(Debug, Default)]
struct Batch {
    gathering: Gathering,
    messages: Vec<Lossy>,
    /// Who has not, and may have left since.
    receivers: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Here<P> {
    gathering: Gathering,
    members: FxHashMap<Arc<str>, P>,
}

impl<P: Copy + Eq> Gatherings<P> {
    /// Nobody is on this shard yet.
    pub fn new(shard: usize) -> Self {
        Self {
            shard,
            rooms: FxHashMap::default(),
            waiting: VecDeque::new(),
            batch: Batch::default(),
        }
    }

    /// A participant of a room is this peer from now on. Who was before is not sent anything any more.
    pub fn enter(&mut self, gathering: &Gathering, participant: &Arc<str>, peer: P) {
        let room = self.rooms.entry(gathering.key());
        let room = room.or_insert_with(|| Here {
            gathering: gathering.clone(),
            members: FxHashMap::default(),
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
            self.rooms.remove(&gathering.key());
        }
    }

    /// Forgets everybody, and what waits for them.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.batch = Batch::default();
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

    /// Takes messages for those here. Returns how many there is no room for.
    pub fn take(&mut self, messages: impl ExactSizeIterator<Item = Lossy>) -> usize {
        let room = MAX_WAITING - self.waiting.len();
        let lost = messages.len().saturating_sub(room);
        self.waiting.extend(messages.take(room));
        lost
    }

    /// Gives what waits to as many of those whom it is for as have their turn.
    pub fn deliver(&mut self, mut give: impl FnMut(P, &Bytes)) {
        let mut left = MAX_RECEIVERS;
        while left > 0 && self.has_batch() {
            let Some(name) = self.batch.receivers.pop() else {
                continue;
            };
            let room = self.rooms.get(&self.batch.gathering.key());
            if let Some(peer) = room.and_then(|room| room.members.get(&name)) {
                let messages = self.batch.messages.iter();
                let theirs = messages.filter(|message| message.is_for(&name));
                theirs.for_each(|message| give(*peer, &message.bytes));
                left -= 1;
            }
        }
    }

    /// Whether somebody is still to get something.
    pub fn is_late(&self) -> bool {
        !self.waiting.is_empty() || !self.batch.receivers.is_empty()
    }

    /// Begins with the next messages where all have the last. Those that are for the same room go together: each who
    /// gets some is written to once.
    fn has_batch(&mut self) -> bool {
        if !self.batch.receivers.is_empty() {
            return true;
        }
        let Some(first) = self.waiting.pop_front() else {
            return false;
        };
        self.batch.gathering = first.gathering.clone();
        self.batch.messages.clear();
        self.batch.messages.push(first);
        while self.batch.messages.len() < MAX_BATCH
            && let Some(next) =
                (self.waiting).pop_front_if(|next| next.gathering == self.batch.gathering)
        {
            self.batch.messages.push(next);
        }
        if let Some(room) = self.rooms.get(&self.batch.gathering.key()) {
            self.batch.receivers = room.receivers(&self.batch.messages);
        }
        true
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
    /// Those here whom any of these is for.
    fn receivers(&self, messages: &[Lossy]) -> Vec<Arc<str>> {
        let is_for_all = messages.iter().any(|message| message.to.is_none());
        if is_for_all {
            return self.members.keys().cloned().collect();
        }
        let named = messages.iter().filter_map(|message| message.to.as_ref());
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
            let most = (0..300).map(|peer| given[peer] - before[peer]).max();
            assert!(most <= Some(MAX_BATCH));
        }
        assert_eq!(given, [MAX_WAITING; 300]);
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
        here.deliver(|peer, _| panic!("{peer}"));
        assert!(!here.is_late());
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
