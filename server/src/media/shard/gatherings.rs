//! Who of which room is on this shard, and whom a lossy message of the room goes to. Pure: what becomes of
//! the message there is its receiver's matter, and which peer is meant by a name the shard's.

use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::media::plan::Gathering;

/// A lossy message on its way.
#[derive(Clone, Debug)]
pub struct Lossy {
    /// The room.
    pub gathering: Gathering,
    /// Who sent it, and is not sent it.
    pub from: Arc<str>,
    /// Who it is for, each once; `None` is everybody else.
    pub to: Option<Arc<[Box<str>]>>,
    /// The message as it is sent.
    pub bytes: Bytes,
}

/// The rooms with members on a shard. `P` names a peer.
#[derive(Debug)]
pub struct Gatherings<P> {
    shard: usize,
    rooms: FxHashMap<usize, Here<P>>,
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
        }
    }

    /// A participant of a room is this peer from now on. Who was before is not sent anything any more.
    pub fn enter(&mut self, gathering: &Gathering, participant: &Arc<str>, peer: P) {
        let room = self.rooms.entry(gathering.key());
        let room = room.or_insert_with(|| Here {
            gathering: gathering.clone(),
            members: FxHashMap::default(),
        });
        room.members.insert(participant.clone(), peer);
        gathering.enter(self.shard);
    }

    /// A peer is not this participant any more. Another may be by now.
    pub fn leave(&mut self, gathering: &Gathering, participant: &str, peer: P) {
        let Some(room) = self.rooms.get_mut(&gathering.key()) else {
            return;
        };
        if room.members.get(participant) == Some(&peer) {
            room.members.remove(participant);
        }
        if room.members.is_empty() {
            gathering.leave(self.shard);
            self.rooms.remove(&gathering.key());
        }
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        for (_, room) in self.rooms.drain() {
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

    /// Names those here whom a message goes to.
    pub fn deliver(&self, message: &Lossy, mut give: impl FnMut(P)) {
        let Some(room) = self.rooms.get(&message.gathering.key()) else {
            return;
        };
        match &message.to {
            None => {
                let others = room.members.iter();
                let others = others.filter(|(name, _)| **name != message.from);
                others.for_each(|(_, peer)| give(*peer));
            }
            Some(to) => {
                let others = to.iter().filter(|name| ***name != *message.from);
                let peers = others.filter_map(|name| room.members.get(&**name));
                peers.for_each(|peer| give(*peer));
            }
        }
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

    fn reached(gatherings: &Gatherings<u32>, message: &Lossy) -> Vec<u32> {
        let mut peers = Vec::new();
        gatherings.deliver(message, |peer| peers.push(peer));
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
        assert_eq!(reached(&here, &message(&tea, None)), [2, 3]);
        let some = ["ann", "cid", "nobody"];
        assert_eq!(reached(&here, &message(&tea, Some(&some))), [3]);
        assert_eq!(reached(&here, &message(&coffee, None)), [4]);
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
