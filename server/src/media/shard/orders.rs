//! What a core is told by sessions and by the other shards, and how it does it. What is for a peer that went
//! on goes after it.

use std::time::Instant;

use crate::media::id::PeerId;
use crate::media::net::demux::{Kind, classify};
use crate::media::shard::command::Command;
use crate::media::shard::core::{ShardCore, let_go};
use crate::media::shard::outlet::Outlet;
use crate::media::shard::paths::Owner;
use crate::media::shard::peers::{PeerKey, touch};

/// Commands kept for shards that have no room for them. A peer's session sends few, so that this many
/// wait only where a shard hangs.
const MAX_UNDELIVERED: usize = 4096;

impl ShardCore {
    pub(super) fn follow(&mut self, now: Instant, command: Command, out: &mut impl Outlet) {
        match command {
            Command::Adopt { resident, paths } => {
                // A shard that started over has forgotten those on their way to it, too.
                match self.directory.shard_of(resident.id) {
                    Some(_) => {
                        let key = self.adopt(resident, paths);
                        self.confirm_interest(key);
                    }
                    None => let_go(resident),
                }
            }
            Command::Landed { on, path, datagram } => match classify(&datagram) {
                Some(Kind::Stun) => self.handle_stun(now, on, path, &datagram, out),
                // What goes on from here would go round between shards that do not know any better.
                kind
                @ (Some(Kind::StunResponse | Kind::Dtls | Kind::Srtp | Kind::Srtcp) | None) => {
                    if let Some(Owner::Here(key)) = self.paths.owner(&path) {
                        self.give(now, key, path, &datagram);
                        // It may have proven the path that is in use from now on.
                        if kind == Some(Kind::StunResponse) {
                            self.follow_packets(now, key, on, path, out);
                        }
                    }
                }
            },
            Command::Agree { id, .. }
            | Command::SetPlan { id, .. }
            | Command::Send { id, .. }
            | Command::Heard { id }
            | Command::Testify { id }
            | Command::Close { id } => {
                let Some(key) = self.peers.key(id) else {
                    return self.deliver(now, id, command, out);
                };
                self.apply(now, key, command, out);
            }
            Command::Interest {
                from,
                anew,
                changes,
            } => self.note_interest(now, from, anew, &changes),
            Command::Media { from, packets } => self.router.take(from, &packets),
            Command::Lossy { messages } => {
                self.others.lost += self.gatherings.take(messages.iter().cloned());
            }
            Command::Wish { track, layers } => self.router.wish_from_elsewhere(track, layers),
            Command::StartedOver { from } => self.note_start_over(from),
        }
    }

    fn apply(&mut self, now: Instant, key: PeerKey, command: Command, out: &mut impl Outlet) {
        let Some(place) = self.peers.get_mut(key) else {
            return;
        };
        self.busy = Some((key, "following its session"));
        match command {
            Command::Agree { agreement, .. } => {
                place.resident.agree(now, agreement);
                place.resident.route(&mut self.router, key);
                place.resident.gather(&mut self.gatherings, key);
            }
            Command::SetPlan { plan, .. } => {
                place.resident.set_plan(plan);
                place.resident.route(&mut self.router, key);
                place.resident.gather(&mut self.gatherings, key);
            }
            Command::Send { messages, .. } => place.resident.send(messages),
            Command::Heard { .. } => place.resident.heard(),
            Command::Testify { .. } => {
                let id = place.resident.id;
                place
                    .resident
                    .testify(now, &mut |event| out.tell(id, event));
            }
            Command::Close { .. } => place.resident.peer.close(now),
            Command::Adopt { .. }
            | Command::Landed { .. }
            | Command::Interest { .. }
            | Command::Media { .. }
            | Command::Lossy { .. }
            | Command::Wish { .. }
            | Command::StartedOver { .. } => {}
        }
        self.busy = None;
        touch(&mut self.touched, key, place);
    }

    /// The peer moved while the command was on its way. Where it is on its way here, the command gets
    /// behind it in the mailbox.
    fn deliver(&mut self, now: Instant, id: PeerId, command: Command, out: &mut impl Outlet) {
        let Some(shard) = self.directory.shard_of(id) else {
            return;
        };
        if let Err(command) = out.command(shard, command) {
            self.retry = Some(self.timers.round_up(now));
            match self.undelivered.len() < MAX_UNDELIVERED {
                true => self.undelivered.push(command),
                false => tracing::error!(shard, "a shard takes no commands; one is lost"),
            }
        }
    }

    pub(super) fn deliver_again(&mut self, now: Instant, out: &mut impl Outlet) {
        if self.retry.is_none_or(|at| now < at) {
            return;
        }
        self.retry = None;
        for command in std::mem::take(&mut self.undelivered) {
            match &command {
                Command::Agree { id, .. }
                | Command::SetPlan { id, .. }
                | Command::Send { id, .. }
                | Command::Heard { id }
                | Command::Testify { id }
                | Command::Close { id } => {
                    self.deliver(now, *id, command, out);
                }
                Command::Adopt { .. }
                | Command::Landed { .. }
                | Command::Interest { .. }
                | Command::Media { .. }
                | Command::Lossy { .. }
                | Command::Wish { .. }
                | Command::StartedOver { .. } => {}
            }
        }
    }
}
