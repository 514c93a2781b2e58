//! Which paths lead to a peer here, and how it goes to the shard on which the packets of the one in use land.

use std::time::Instant;

use crate::media::net::path::{FourTuple, Transport};
use crate::media::shard::command::Command;
use crate::media::shard::core::ShardCore;
use crate::media::shard::outlet::Outlet;
use crate::media::shard::paths::MAX_PATHS;
use crate::media::shard::peers::{PeerKey, Place, touch};
use crate::media::shard::resident::Resident;

impl ShardCore {
    pub(super) fn learn_path(
        &mut self,
        now: Instant,
        key: PeerKey,
        path: FourTuple,
        out: &mut impl Outlet,
    ) {
        let Some(place) = self.peers.get_mut(key) else {
            return;
        };
        if !place.paths.contains(&path) {
            let mut forgotten = Vec::new();
            if place.paths.len() >= MAX_PATHS {
                let peer = &place.resident.peer;
                forgotten.extend(place.paths.extract_if(.., |path| !peer.knows(path)));
            }
            place.paths.push(path);
            self.forget_paths(now, key, &forgotten, out);
        }
        self.paths.own(path, key);
        out.introduce(now, &path);
    }

    pub(super) fn forget_paths(
        &mut self,
        now: Instant,
        key: PeerKey,
        paths: &[FourTuple],
        out: &mut impl Outlet,
    ) {
        for path in paths {
            if self.paths.disown(path, key) {
                out.dismiss(now, path);
            }
        }
    }

    /// Where the packets of the path in use land on another shard, the peer goes there.
    pub(super) fn follow_packets(
        &mut self,
        now: Instant,
        key: PeerKey,
        landed_on: usize,
        path: FourTuple,
        out: &mut impl Outlet,
    ) {
        let Some(place) = self.peers.get(key) else {
            return;
        };
        let resident = &place.resident;
        let is_in_use = resident.peer.selected_path() == Some(path);
        if landed_on != self.index && is_in_use && resident.moves.may_move(now) {
            self.move_out(now, key, landed_on, out);
        }
    }

    fn move_out(&mut self, now: Instant, key: PeerKey, shard: usize, out: &mut impl Outlet) {
        self.settle_touched(now, out);
        let Some(Place {
            mut resident,
            paths,
            ..
        }) = self.peers.remove(key)
        else {
            return;
        };
        let shown = resident.shown();
        let shown: Vec<_> = shown
            .map(|track| (track, self.router.watched_by(track, key)))
            .collect();
        resident.unroute(&mut self.router, key);
        resident.disperse(&mut self.gatherings, key);
        self.tell_before_a_move(shard, out);
        let id = resident.id;
        let moves = resident.moves.note(now);
        let mut left: Vec<_> = (paths.iter().copied())
            .filter(|path| self.paths.disown(path, key))
            .collect();
        // Of another shard's connection nothing lands here, and of one of this shard's its checks say
        // where its peer is.
        left.retain(|path| path.transport != Transport::Tcp || out.has_connection(path));
        // First the peer, then the word of it: what is sent after the word arrives after the peer.
        let refused = out.command(shard, Command::Adopt { resident, paths });
        if let Err(Command::Adopt { resident, paths }) = refused {
            // No room: it stays, and tries again with another check.
            self.adopt(resident, paths);
            return;
        }
        self.directory.moved(id, shard, moves);
        let peers = self.peers.len();
        for path in left {
            self.paths.note_elsewhere(path, shard, now, peers);
        }
        // It goes on being shown what comes from here: that follows it, and word of what it wants comes.
        for (track, watched) in shown {
            if self.router.comes_from_here(track) {
                self.router.expect_interest(shard, track, watched);
            }
        }
    }

    pub(super) fn adopt(&mut self, mut resident: Box<Resident>, paths: Vec<FourTuple>) -> PeerKey {
        resident.peer.move_to(&self.budget);
        let key = self.peers.insert(resident, paths);
        if let Some(place) = self.peers.get_mut(key) {
            for path in &place.paths {
                self.paths.own_unless_taken(*path, key);
            }
            self.busy = Some((key, "routing what a peer sends"));
            place.resident.route(&mut self.router, key);
            place.resident.gather(&mut self.gatherings, key);
            self.busy = None;
            touch(&mut self.touched, key, place);
        }
        key
    }
}
