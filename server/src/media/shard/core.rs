//! A shard without its thread: datagrams, commands and time come in; datagrams, commands and events
//! go out through an [`Outlet`]. It owns its peers outright and knows no socket, clock or channel.
//!
//! Peers live where their packets land: a peer whose selected path lands on another shard goes there.
//! A bug that a peer meets costs that peer: what panics is removed, and the batch goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::media::forward::router::Router;
use crate::media::net::budget::{Budget, SHARD_BUDGET};
use crate::media::net::demux::{Kind, classify};
use crate::media::net::outbox::Outbox;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::shard::command::Command;
use crate::media::shard::directory::{Directory, Found};
use crate::media::shard::gatherings::{Gatherings, Lossy};
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::others::Others;
use crate::media::shard::outlet::Outlet;
use crate::media::shard::paths::{Owner, Paths};
use crate::media::shard::peers::{PeerKey, Peers, touch};
use crate::media::shard::resident::Resident;
use crate::media::shard::timers::Timers;
use crate::media::transport::ice::addressed_ufrag;

/// How often what has no deadline of its own is looked at.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The core of one shard.
pub struct ShardCore {
    pub(super) index: usize,
    pub(super) directory: Arc<Directory>,
    /// What the peers here, and what leaves for them, hold in all.
    pub(super) budget: Arc<Budget>,
    pub(super) peers: Peers,
    pub(super) paths: Paths,
    pub(super) timers: Timers,
    next_sweep: Instant,
    /// Peers with something to pass on or send after this batch.
    pub(super) touched: Vec<PeerKey>,
    /// Those of them that have passed on what they had, and are yet to send.
    pub(super) driven: Vec<PeerKey>,
    /// Which tracks go where.
    pub(super) router: Router<PeerKey>,
    /// What a peer is sent of them is written here: in the processor's cache, where its own is not.
    pub(super) outbox: Outbox,
    /// Who of which room is here.
    pub(super) gatherings: Gatherings<PeerKey>,
    /// Lossy messages for rooms, to be passed on with this turn.
    pub(super) said: Vec<Lossy>,
    /// The peer in hand and what is done with it: whom a panic costs.
    pub(super) busy: Option<(PeerKey, &'static str)>,
    /// What the other shards are told for the sake of rooms.
    pub(super) others: Others,
    /// What other shards had no room for.
    pub(super) undelivered: Vec<Command>,
    /// When to try again.
    pub(super) retry: Option<Instant>,
}

impl ShardCore {
    /// A shard with this number, of so many, and no peers.
    pub fn new(now: Instant, index: usize, shards: usize, directory: Arc<Directory>) -> Self {
        Self {
            index,
            directory,
            budget: Budget::new(SHARD_BUDGET),
            peers: Peers::default(),
            paths: Paths::default(),
            timers: Timers::new(now),
            next_sweep: now + SWEEP_INTERVAL,
            touched: Vec::new(),
            driven: Vec::new(),
            router: Router::default(),
            outbox: Outbox::default(),
            gatherings: Gatherings::new(index),
            said: Vec::new(),
            busy: None,
            others: Others::new(index, shards),
            undelivered: Vec::new(),
            retry: None,
        }
    }

    /// What everything that queues for a peer here counts in.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Takes a batch of datagrams that landed here, and then sends what comes of them.
    pub fn handle_datagrams<'a>(
        &mut self,
        now: Instant,
        datagrams: impl IntoIterator<Item = (FourTuple, &'a [u8])>,
        out: &mut impl Outlet,
    ) {
        let mut datagrams = datagrams.into_iter();
        self.guard(now, out, |core, out| {
            for (path, datagram) in datagrams.by_ref() {
                core.handle_datagram(now, path, datagram, out);
            }
            core.settle_touched(now, out);
        });
    }

    /// Does as it is told.
    pub fn handle_command(&mut self, now: Instant, command: Command, out: &mut impl Outlet) {
        let mut command = Some(command);
        self.guard(now, out, |core, out| {
            if let Some(command) = command.take() {
                core.follow(now, command, out);
            }
            core.settle_touched(now, out);
        });
    }

    /// The readers of these TCP paths have caught up.
    pub fn handle_relieved(&mut self, now: Instant, paths: &[FourTuple], out: &mut impl Outlet) {
        let mut paths = paths.iter();
        self.guard(now, out, |core, out| {
            for path in paths.by_ref() {
                core.relieve(now, path);
            }
            core.settle_touched(now, out);
        });
    }

    /// These TCP paths are no more.
    pub fn handle_closed(&mut self, paths: &[FourTuple]) {
        for path in paths {
            if let Some(key) = self.paths.closed(path)
                && let Some(place) = self.peers.get_mut(key)
            {
                place.paths.retain(|known| known != path);
            }
        }
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Instant {
        let next = [self.timers.next(), self.retry, self.others.retry];
        let next = next.into_iter().flatten().min();
        let next = next.map_or(self.next_sweep, |at| at.min(self.next_sweep));
        // What did not fit into a turn has the next.
        match self.gatherings.is_late() {
            true => next.min(self.next_sweep - SWEEP_INTERVAL),
            false => next,
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Outlet) {
        self.deliver_again(now, out);
        if self.others.retry.is_some_and(|at| at <= now) || self.gatherings.is_late() {
            self.guard(now, out, |core, out| core.settle_touched(now, out));
        }
        self.guard(now, out, |core, out| {
            while let Some((at, key)) = core.timers.pop_due(now) {
                core.run_timer(now, at, key, out);
            }
        });
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_INTERVAL;
            self.paths.sweep(now);
            self.router.sweep(now);
            // Whoever has waited too long for a check fails, as those do that are heard of.
            if self.index == 0 {
                for resident in self.directory.claim_due(now, self.index) {
                    self.adopt(resident, Vec::new());
                }
            }
            self.guard(now, out, |core, out| core.sweep(now, out));
        }
    }

    /// Closes every peer.
    pub fn shut_down(&mut self, now: Instant, out: &mut impl Outlet) {
        self.guard(now, out, |core, out| {
            for key in core.peers.keys() {
                if let Some(place) = core.peers.get_mut(key) {
                    core.busy = Some((key, "closing a peer"));
                    place.resident.peer.close(now);
                    core.busy = None;
                    touch(&mut core.touched, key, place);
                }
                core.settle_touched(now, out);
            }
        });
    }

    /// What the core holds.
    pub fn gauges(&self) -> MediaGauges {
        let waits = || self.peers.iter().map(|place| place.resident.peer.waits());
        MediaGauges {
            waited: waits().map(|waits| waits.packets).sum(),
            longest_wait: waits().map(|waits| waits.longest).max().unwrap_or_default(),
            housed: self.peers.len(),
            paths: self.paths.len(),
            timers: self.timers.len(),
            tracks: self.router.len(),
            uncrossed: self.others.lost,
            ..MediaGauges::default()
        }
    }

    /// Takes turns to their end. Who panics in one goes, and nobody else; what is left of the turn
    /// then has its time. So `turn` takes up where it was left. Without a culprit everybody goes.
    fn guard<O: Outlet>(
        &mut self,
        now: Instant,
        out: &mut O,
        mut turn: impl FnMut(&mut Self, &mut O),
    ) {
        // What a panic left half done belongs to the peer that goes with it: see `settle`.
        while catch_unwind(AssertUnwindSafe(|| turn(self, out))).is_err() {
            match self.busy.take() {
                Some((key, activity)) => self.remove_culprit(now, key, activity, out),
                None => return self.start_over(out),
            }
        }
    }

    fn remove_culprit(
        &mut self,
        now: Instant,
        key: PeerKey,
        activity: &str,
        out: &mut impl Outlet,
    ) {
        let Some(mut place) = self.peers.remove(key) else {
            return;
        };
        let id = place.resident.id;
        tracing::error!(
            shard = self.index,
            session = %place.resident.session,
            activity,
            "a peer panicked and is removed"
        );
        self.touched.retain(|touched| *touched != key);
        self.driven.retain(|driven| *driven != key);
        place.resident.unroute(&mut self.router, key);
        place.resident.disperse(&mut self.gatherings, key);
        self.forget_paths(now, key, &place.paths, out);
        self.directory.remove(id);
        out.forget(id);
        let_go(place.resident);
    }

    /// After a panic with nobody to blame: forgets every peer. Their sessions notice, and their
    /// clients call again.
    pub fn start_over(&mut self, out: &mut impl Outlet) {
        let peers = self.peers.len();
        tracing::error!(
            shard = self.index,
            peers,
            "a shard panicked and starts over"
        );
        // First the table, then the peers: who sees a peer end finds its place empty. Those on their
        // way here go, too.
        let gone = self.directory.of_shard(self.index);
        gone.iter().for_each(|id| self.directory.remove(*id));
        for key in self.peers.keys() {
            if let Some(place) = self.peers.remove(key) {
                let_go(place.resident);
            }
        }
        self.paths.clear();
        self.timers.clear();
        self.touched.clear();
        self.driven.clear();
        self.router = Router::default();
        self.outbox = Outbox::default();
        self.gatherings.clear();
        self.said.clear();
        self.others.start_over();
        self.undelivered.clear();
        self.busy = None;
        gone.into_iter().for_each(|id| out.forget(id));
    }

    fn relieve(&mut self, now: Instant, path: &FourTuple) {
        if let Some(Owner::Here(key)) = self.paths.owner(path)
            && let Some(place) = self.peers.get_mut(key)
            && place.resident.peer.selected_path() == Some(*path)
        {
            self.busy = Some((key, "sending on to a reader that caught up"));
            place.resident.peer.set_congested(now, false);
            self.busy = None;
            touch(&mut self.touched, key, place);
        }
    }

    fn handle_datagram(
        &mut self,
        now: Instant,
        path: FourTuple,
        datagram: &[u8],
        out: &mut impl Outlet,
    ) {
        if classify(datagram) == Some(Kind::Stun) {
            return self.handle_stun(now, self.index, path, datagram, out);
        }
        match self.paths.owner(&path) {
            Some(Owner::Here(key)) => self.give(now, key, path, datagram),
            Some(Owner::At(shard, _)) => hand_over(shard, self.index, path, datagram, out),
            // A stranger's: no check introduced it (RFC 8445 §7.3).
            None => {}
        }
    }

    pub(super) fn give(&mut self, now: Instant, key: PeerKey, path: FourTuple, datagram: &[u8]) {
        if let Some(place) = self.peers.get_mut(key) {
            self.busy = Some((key, "taking a datagram"));
            place.resident.peer.handle_datagram(now, path, datagram);
            self.busy = None;
            touch(&mut self.touched, key, place);
        }
    }

    /// `landed_on` is the shard the kernel gave the datagram to.
    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        landed_on: usize,
        path: FourTuple,
        datagram: &[u8],
        out: &mut impl Outlet,
    ) {
        let Some(ufrag) = addressed_ufrag(datagram) else {
            return;
        };
        let key = match self.directory.find(ufrag, self.index) {
            Some(Found::Claimed(resident)) => self.adopt(resident, Vec::new()),
            Some(Found::At(shard, id)) => match self.peers.key(id) {
                Some(key) => key,
                // Elsewhere; or on its way here, then the mailbox keeps the order.
                None => {
                    if landed_on == self.index {
                        let peers = self.peers.len();
                        self.paths.note_elsewhere(path, shard, now, peers);
                    }
                    return hand_over(shard, landed_on, path, datagram, out);
                }
            },
            None => return,
        };
        let Some(place) = self.peers.get_mut(key) else {
            return;
        };
        if path.transport == Transport::Tcp && landed_on != self.index {
            self.paths.note_landed(path, landed_on, now);
        }
        self.busy = Some((key, "answering a check"));
        let authentic = place.resident.peer.handle_stun(now, path, datagram);
        self.busy = None;
        touch(&mut self.touched, key, place);
        if authentic {
            self.learn_path(now, key, path, out);
            self.follow_packets(now, key, landed_on, path, out);
        }
    }

    pub(super) fn remove(&mut self, now: Instant, key: PeerKey, out: &mut impl Outlet) {
        if let Some(mut place) = self.peers.remove(key) {
            let id = place.resident.id;
            place.resident.unroute(&mut self.router, key);
            place.resident.disperse(&mut self.gatherings, key);
            self.forget_paths(now, key, &place.paths, out);
            self.directory.remove(id);
            out.forget(id);
            let_go(place.resident);
        }
    }

    fn run_timer(&mut self, now: Instant, at: Instant, key: PeerKey, out: &mut impl Outlet) {
        let Some(place) = self.peers.get_mut(key) else {
            return;
        };
        // An earlier timer replaced this one, or it was another's who had the key.
        if place.deadline != Some(at) {
            return;
        }
        place.deadline = None;
        self.busy = Some((key, "letting time pass"));
        let peer = &mut place.resident.peer;
        if peer.poll_timeout().is_some_and(|due| due <= now) {
            peer.handle_timeout(now);
        }
        self.busy = None;
        touch(&mut self.touched, key, place);
        self.settle_touched(now, out);
    }

    fn sweep(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.timers.len() > 2 * self.peers.len() {
            let is_set = |at, key| {
                let place = self.peers.get(key);
                place.is_some_and(|place| place.deadline == Some(at))
            };
            self.timers.retain(is_set);
        }
        for (key, place) in self.peers.iter_mut() {
            self.busy = Some((key, "looking after a peer"));
            let id = place.resident.id;
            let listens = out.listens(id);
            let mut tell = |event| out.tell(id, event);
            place.resident.sweep(now, listens, &mut tell);
            place.resident.look(now, &self.router, &mut tell);
            self.busy = None;
            touch(&mut self.touched, key, place);
        }
        self.settle_touched(now, out);
    }
}

/// Drops a peer that has no place any more. A panic in that is nobody else's matter.
pub(super) fn let_go(resident: Box<Resident>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(resident)));
}

pub(super) fn hand_over(
    shard: usize,
    landed_on: usize,
    path: FourTuple,
    datagram: &[u8],
    out: &mut impl Outlet,
) {
    let command = Command::Landed {
        on: landed_on,
        path,
        datagram: datagram.to_vec(),
    };
    // Full: lost, like any datagram can be.
    let _ = out.command(shard, command);
}
