//! Whose a path is, and how a peer follows its packets from one shard to another.

use std::time::{Duration, Instant};

use super::{Shard, Slot, touch};
use crate::media::id::PeerId;
use crate::media::net::path::FourTuple;
use crate::media::shard::mailbox::Command;
use crate::media::shard::resident::Resident;
use crate::media::transport::ice::MAX_PAIRS;

/// Whose a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// One of this shard's peers.
    Here(PeerId),
    /// A peer of another shard, until the time given.
    At(usize, Instant),
}

/// How long a path is remembered as another shard's without a check.
pub(super) const ELSEWHERE_FOR: Duration = Duration::from_secs(30);

/// Paths remembered as other shards'. Whoever knows a peer's user name fragment can make some up, so
/// there is an end; without an entry, only packets on a path that is not nominated yet are lost.
pub(super) const MAX_ELSEWHERE: usize = 1 << 14;

impl Shard {
    /// Nobody has looked at the check's integrity yet, so it takes a path from none of this shard's.
    pub(super) fn note_elsewhere(&mut self, path: FourTuple, shard: usize, now: Instant) {
        let limit = MAX_ELSEWHERE + 2 * MAX_PAIRS * self.peers.len();
        let may = match self.by_path.get(&path) {
            Some(Owner::Here(_)) => false,
            Some(Owner::At(..)) => true,
            None => self.by_path.len() < limit,
        };
        if may {
            let until = now + ELSEWHERE_FOR;
            self.by_path.insert(path, Owner::At(shard, until));
        }
    }

    pub(super) fn learn_path(
        &mut self,
        now: Instant,
        id: PeerId,
        landed_on: usize,
        path: FourTuple,
    ) {
        let Some(slot) = self.peers.get_mut(&id) else {
            return;
        };
        if !slot.paths.contains(&path) {
            let mut forgotten = Vec::new();
            if slot.paths.len() >= 2 * MAX_PAIRS {
                let peer = &slot.resident.peer;
                forgotten.extend(slot.paths.extract_if(.., |path| !peer.knows(path)));
            }
            slot.paths.push(path);
            self.forget_paths(now, id, forgotten);
        }
        self.by_path.insert(path, Owner::Here(id));
        self.tcp.introduce(now, &path);
        let slot = self.peers.get(&id);
        let selected = slot.and_then(|slot| slot.resident.peer.selected_path());
        if landed_on != self.index && selected == Some(path) {
            self.move_out(id, landed_on);
        }
    }

    pub(super) fn forget_paths(&mut self, now: Instant, id: PeerId, paths: Vec<FourTuple>) {
        for path in paths {
            if self.by_path.get(&path) == Some(&Owner::Here(id)) {
                self.by_path.remove(&path);
                self.tcp.dismiss(now, &path);
            }
        }
    }

    pub(super) fn hand_over(
        &self,
        shard: usize,
        landed_on: usize,
        path: FourTuple,
        datagram: &[u8],
    ) {
        let command = Command::Landed {
            on: landed_on,
            path,
            datagram: datagram.to_vec(),
        };
        // Full: lost, like any datagram can be.
        let _ = self.directory.send(shard, command);
    }

    /// The peer's packets land on another shard now, so it goes there.
    pub(super) fn move_out(&mut self, id: PeerId, shard: usize) {
        self.settle(Instant::now(), id);
        let Some(slot) = self.peers.remove(&id) else {
            return;
        };
        for path in &slot.paths {
            let until = Instant::now() + ELSEWHERE_FOR;
            self.by_path.insert(*path, Owner::At(shard, until));
        }
        let command = Command::Adopt {
            resident: slot.resident,
            paths: slot.paths,
        };
        // First the peer, then the word of it: what is sent after the word arrives after the peer.
        if self.directory.send(shard, command).is_err() {
            // The peer went with the command: it is closed, and its client calls again.
            self.directory.remove(id);
            tracing::warn!(shard, "a peer was lost on its way to a busy shard");
        }
        self.directory.moved(id, shard);
    }

    pub(super) fn adopt(&mut self, resident: Box<Resident>, paths: &[FourTuple]) -> PeerId {
        let id = resident.id;
        for path in paths {
            self.by_path.insert(*path, Owner::Here(id));
        }
        let slot = Slot {
            resident,
            paths: paths.to_vec(),
            deadline: None,
            touched: false,
        };
        let slot = self.peers.entry(id).insert_entry(slot).into_mut();
        touch(&mut self.touched, id, slot);
        id
    }
}
