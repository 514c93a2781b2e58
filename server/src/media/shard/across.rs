//! What crosses between a shard and the others for the sake of rooms: media that others want, what is
//! wanted of them, wishes for keyframes, and lossy messages. What a full mailbox refuses of media is lost and counted;
//! interest and wishes are kept and told later. Which track is whose is the router's matter.

use std::sync::Arc;
use std::time::Instant;

use crate::media::forward::track::{Layers, Watched};
use crate::media::id::TrackId;
use crate::media::shard::command::Command;
use crate::media::shard::core::ShardCore;
use crate::media::shard::others::Other;
use crate::media::shard::outlet::Outlet;
use crate::media::shard::peers::PeerKey;

impl ShardCore {
    /// Tells the others what is wanted of them, as far as that changed, and lets wishes that they had no
    /// room for come up again.
    pub(super) fn tell_others(&mut self, now: Instant, out: &mut impl Outlet) {
        while let Some(id) = self.router.take_change() {
            self.others.note(id);
        }
        if self.others.retry.is_some_and(|at| now < at) {
            return;
        }
        self.others.retry = None;
        for (track, layers) in self.others.unasked.drain() {
            if let Some(key) = self.router.key(track) {
                self.router.wish(key, layers);
            }
        }
        if !self.others.is_untold {
            return;
        }
        let untold = self.others.all().filter(|shard| !self.tell(*shard, out));
        self.others.is_untold = untold.count() > 0;
        let retry = self.timers.round_up(now);
        self.others.retry = self.others.is_untold.then_some(retry);
    }

    /// Tells one of them. Returns whether it knows everything by then.
    fn tell(&mut self, shard: usize, out: &mut impl Outlet) -> bool {
        let from = self.index;
        let Some(other) = self.others.shards.get_mut(shard) else {
            return true;
        };
        if other.started_over {
            if out.command(shard, Command::StartedOver { from }).is_err() {
                return false;
            }
            other.started_over = false;
        }
        if other.is_told() {
            return true;
        }
        let anew = other.everything;
        let changes = match anew {
            true => self.router.wanted().collect(),
            false => {
                let changes = other.changes.iter().copied();
                changes.map(|id| (id, self.router.wants(id))).collect()
            }
        };
        let command = Command::Interest {
            from,
            anew,
            changes,
        };
        if out.command(shard, command).is_err() {
            return false;
        }
        *other = Other::default();
        true
    }

    /// A shard is about to have a peer of this one's. If that publishes what is shown here, none of it is
    /// lost where word of that comes first.
    pub(super) fn tell_before_a_move(&mut self, shard: usize, out: &mut impl Outlet) {
        while let Some(id) = self.router.take_change() {
            self.others.note(id);
        }
        self.tell(shard, out);
    }

    /// A peer came, and the shard that it came from may have taken for granted that what the peer is shown
    /// is wanted from there.
    pub(super) fn confirm_interest(&mut self, key: PeerKey) {
        if let Some(place) = self.peers.get(key) {
            place.resident.shown().for_each(|id| self.others.note(id));
        }
    }

    /// Another shard said what it wants.
    pub(super) fn note_interest(
        &mut self,
        now: Instant,
        from: usize,
        anew: bool,
        changes: &[(TrackId, Watched)],
    ) {
        if anew {
            self.router.forget_interest(from);
        }
        for (id, wants) in changes {
            if wants.is_some() {
                self.router.lead_in(now, from, *id);
            }
            self.router.note_interest(from, *id, *wants);
        }
    }

    /// Another shard has forgotten everything.
    pub(super) fn note_start_over(&mut self, from: usize) {
        self.router.forget_shard(from);
        if let Some(other) = self.others.shards.get_mut(from) {
            other.changes.clear();
            other.everything = true;
            self.others.is_untold = true;
        }
    }

    /// Sends what came in this batch to those who want it: all of it once to each.
    pub(super) fn send_across(&mut self, out: &mut impl Outlet) {
        while let Some(crossing) = self.router.take_crossing() {
            for shard in crossing.shards {
                let (from, packets) = (self.index, crossing.packets.clone());
                if out
                    .command(shard, Command::Media { from, packets })
                    .is_err()
                {
                    self.others.lost += crossing.packets.len();
                }
            }
        }
    }

    /// Passes on the lossy messages that came in this turn, here and to each other shard all that its
    /// members are for. What it has no room for is lost, and counted.
    pub(super) fn pass_messages_on(&mut self, out: &mut impl Outlet) {
        if !self.said.is_empty() {
            self.take_said(out);
        }
        self.pass_here();
    }

    fn take_said(&mut self, out: &mut impl Outlet) {
        let said = std::mem::take(&mut self.said);
        for shard in self.others.all() {
            let theirs = said.iter().filter(|message| message.gathering.is_at(shard));
            let messages: Arc<[_]> = theirs.cloned().collect();
            let count = messages.len();
            if count > 0 && out.command(shard, Command::Lossy { messages }).is_err() {
                self.others.lost += count;
            }
        }
        self.others.lost += self.gatherings.take(said.into_iter());
    }

    /// Wishes for keyframes of a track of another shard's; of all others where it is not known whose it
    /// is. Whoever does not know yet that it is wanted has to be told that first.
    pub(super) fn wish_elsewhere(
        &mut self,
        now: Instant,
        (track, layers): (TrackId, Layers),
        shard: Option<usize>,
        out: &mut impl Outlet,
    ) {
        let asked = (self.others.all()).filter(|other| shard.is_none_or(|shard| shard == *other));
        let unasked = asked.filter(|shard| {
            let is_told = self.others.shards[*shard].is_told();
            !is_told || (out.command(*shard, Command::Wish { track, layers })).is_err()
        });
        if unasked.count() > 0 {
            *self.others.unasked.entry(track).or_default() |= layers;
            let retry = self.timers.round_up(now);
            self.others.retry.get_or_insert(retry);
        }
    }
}
