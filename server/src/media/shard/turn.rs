//! The end of a core's turn: what its peers gave out goes where it goes, and each of them sends once.

use std::time::{Duration, Instant};

use crate::media::forward::router::Wish;
use crate::media::forward::track::{self, Show};
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::Transport;
use crate::media::rtp::packet::MediaPacket;
use crate::media::shard::core::ShardCore;
use crate::media::shard::outlet::Outlet;
use crate::media::shard::paths::Paths;
use crate::media::shard::peers::{PeerKey, Peers, touch};
use crate::media::shard::resident::Resident;

impl ShardCore {
    /// Lets everybody who has something to pass on or to send do so. What is passed on is routed as one
    /// batch, so that each who is sent some of it writes it at once, and sends once.
    pub(super) fn settle_touched(&mut self, now: Instant, out: &mut impl Outlet) {
        while let Some(key) = self.touched.pop() {
            self.driven.push(key);
            self.drive(now, key, out);
        }
        self.deliver_media(now, out);
        self.send_across(out);
        self.pass_messages_on(out);
        // What delivery brought up, and who was touched only by it.
        self.driven.append(&mut self.touched);
        for at in 0..self.driven.len() {
            self.drive(now, self.driven[at], out);
        }
        self.tell_others(now, out);
        self.pass_wishes_on(now, out);
        self.tell_watched(out);
        while let Some(key) = self.driven.pop() {
            self.settle(now, key, out);
        }
    }

    /// Passes on what a peer gave out.
    fn drive(&mut self, now: Instant, key: PeerKey, out: &mut impl Outlet) {
        if let Some(place) = self.peers.get_mut(key) {
            self.busy = Some((key, "passing on what a peer gave out"));
            let resident = &mut place.resident;
            let id = resident.id;
            resident.drive(now, &mut self.router, key, &mut |event| out.tell(id, event));
            self.said.extend(resident.said());
            self.busy = None;
        }
    }

    /// Shows everybody what came for them. Each sends it before the next one's is written, and what it
    /// has to say of what came with it: so all of it is written where the last one's was.
    fn deliver_media(&mut self, now: Instant, out: &mut impl Outlet) {
        let mut delivery = Delivery {
            now,
            peers: &mut self.peers,
            touched: &mut self.touched,
            busy: &mut self.busy,
            paths: &self.paths,
            outbox: &mut self.outbox,
            out,
        };
        self.router.deliver(now, &mut delivery);
    }

    /// Gives lossy messages to those here whom they are for.
    pub(super) fn pass_here(&mut self) {
        let (peers, touched) = (&mut self.peers, &mut self.touched);
        self.gatherings.deliver(|key, message| {
            if let Some(place) = peers.get_mut(key) {
                place.resident.hear(message.clone());
                touch(touched, key, place);
            }
        });
    }

    /// Asks those who send for the keyframes that somebody wished for.
    fn pass_wishes_on(&mut self, now: Instant, out: &mut impl Outlet) {
        while let Some(wish) = self.router.take_wish() {
            match wish {
                Wish::Here(source, _) => {
                    if let Some(place) = self.peers.get_mut(source.peer) {
                        place.resident.peer.request_keyframe(now, source.section);
                        touch(&mut self.driven, source.peer, place);
                    }
                }
                Wish::Elsewhere {
                    track,
                    layers,
                    shard,
                } => self.wish_elsewhere(now, (track, layers), shard, out),
            }
        }
    }

    /// Tells those who send what of it is watched, where that changed.
    fn tell_watched(&mut self, out: &mut impl Outlet) {
        while let Some((source, watched)) = self.router.take_watched() {
            if let Some(place) = self.peers.get_mut(source.peer) {
                let resident = &mut place.resident;
                let id = resident.id;
                resident.note_watched(source.section, watched, &mut |event| out.tell(id, event));
            }
        }
    }

    /// Sends what a peer wants sent, and sets its timer.
    fn settle(&mut self, now: Instant, key: PeerKey, out: &mut impl Outlet) {
        let Some(place) = self.peers.get_mut(key) else {
            return;
        };
        place.touched = false;
        self.busy = Some((key, "sending what a peer has to send"));
        let resident = &mut place.resident;
        resident.peer.send_feedback(now);
        send_all(now, resident, &self.paths, out);
        self.busy = None;
        if resident.peer.is_finished() {
            return self.remove(now, key, out);
        }
        // A timer due at once gets its turn after everybody else's, so that no peer can hold a shard.
        let wanted = resident.peer.poll_timeout();
        let wanted = wanted.map(|at| self.timers.round_up(at.max(now)));
        if let Some(at) = wanted
            && place.deadline.is_none_or(|deadline| at < deadline)
        {
            place.deadline = Some(at);
            self.timers.set(at, key);
        }
    }
}

/// The peers of a shard, as those whom media comes for.
struct Delivery<'a, O> {
    now: Instant,
    peers: &'a mut Peers,
    touched: &'a mut Vec<PeerKey>,
    busy: &'a mut Option<(PeerKey, &'static str)>,
    paths: &'a Paths,
    outbox: &'a mut Outbox,
    out: &'a mut O,
}

impl<O: Outlet> Show<PeerKey> for Delivery<'_, O> {
    fn prefetch(&self, sink: track::Place<PeerKey>, step: usize) {
        if let Some(place) = self.peers.get(sink.peer) {
            place.resident.peer.prefetch(sink.section, step);
        }
    }

    fn show(&mut self, sink: track::Place<PeerKey>, batch: &[MediaPacket]) -> Duration {
        let Some(place) = self.peers.get_mut(sink.peer) else {
            return Duration::ZERO;
        };
        *self.busy = Some((sink.peer, "writing what a peer is sent"));
        let resident = &mut place.resident;
        resident.peer.trade_outbox(self.outbox);
        let kept = resident.peer.send_media(self.now, sink.section, batch);
        resident.peer.send_feedback(self.now);
        let has_changed = send_all(self.now, resident, self.paths, self.out);
        resident.peer.trade_outbox(self.outbox);
        *self.busy = None;
        // Of most there is nothing else: what is due, and when, is as it was.
        if has_changed || resident.peer.has_output() || resident.peer.has_waiting() {
            touch(self.touched, sink.peer, place);
        }
        kept
    }
}

/// Sends what a peer has written. Returns whether that may have changed what else it has to do: over TCP
/// it learns how well it is read.
fn send_all(now: Instant, resident: &mut Resident, paths: &Paths, out: &mut impl Outlet) -> bool {
    let mut has_changed = false;
    while let Some(transmit) = resident.peer.poll_transmit() {
        match transmit.path.transport {
            Transport::Udp | Transport::Relayed | Transport::Allocated => out.send_udp(transmit),
            // No peer is reached so.
            Transport::Dtls => {}
            Transport::Tcp => {
                has_changed = true;
                send_tcp(now, resident, transmit, paths, out);
            }
        }
    }
    has_changed
}

fn send_tcp(
    now: Instant,
    resident: &mut Resident,
    transmit: Transmit,
    paths: &Paths,
    out: &mut impl Outlet,
) {
    let path = transmit.path;
    if out.has_connection(&path) {
        let congested = out.send_tcp(now, &path, transmit.data, transmit.expires);
        if resident.peer.selected_path() == Some(path) {
            resident.peer.set_congested(now, congested);
        }
    } else if let Some(shard) = paths.landed_on(&path) {
        out.relay(shard, path, transmit.data);
    }
}
