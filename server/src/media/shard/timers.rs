//! What a shard does because time passes.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::{Owner, Shard, touch};
use crate::media::net::tcp::Received;

/// How often what has no deadline of its own is looked at.
pub(super) const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Timers are rounded up to multiples of this, so that those of many peers share a wake-up.
const TIMER_GRAIN: Duration = Duration::from_millis(4);

impl Shard {
    pub(super) fn timeout(&self) -> Duration {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let next = timer.map_or(self.next_sweep, |at| at.min(self.next_sweep));
        next.saturating_duration_since(Instant::now())
    }

    pub(super) fn run_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            let Some(slot) = self.peers.get_mut(&id) else {
                continue;
            };
            // An earlier timer replaced this one.
            if slot.deadline != Some(at) {
                continue;
            }
            slot.deadline = None;
            self.busy = Some((id, "letting time pass"));
            if slot
                .resident
                .peer
                .poll_timeout()
                .is_some_and(|due| due <= now)
            {
                slot.resident.peer.handle_timeout(now);
            }
            self.settle(now, id);
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_INTERVAL;
            self.sweep(now);
        }
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        let mut received = Received::default();
        self.tcp.sweep(now, &mut received);
        self.take_tcp(now, received);
        self.landed.retain(|_, (_, until)| now < *until);
        self.by_path
            .retain(|_, owner| !matches!(owner, Owner::At(_, until) if *until <= now));
        // An earlier timer leaves the one it replaces behind, and so does a peer that ends.
        if self.timers.len() > 2 * self.peers.len() {
            self.timers.retain(|Reverse((at, id))| {
                (self.peers.get(id)).is_some_and(|slot| slot.deadline == Some(*at))
            });
        }
        for (id, slot) in &mut self.peers {
            self.busy = Some((*id, "looking after a peer"));
            slot.resident.sweep(now);
            self.busy = None;
            touch(&mut self.touched, *id, slot);
        }
        self.settle_touched(now);
        if self.index == 0 {
            self.directory.visit_pending(|resident| {
                self.busy = Some((resident.id, "looking after a peer that nobody heard of"));
                resident.sweep(now);
                if resident.peer.poll_timeout().is_some_and(|due| due <= now) {
                    resident.peer.handle_timeout(now);
                }
                resident.drive(now);
                !resident.peer.is_finished()
            });
            self.busy = None;
        }
    }
}

/// The next whole [`TIMER_GRAIN`] after `at`.
pub(super) fn round_up(began: Instant, at: Instant) -> Instant {
    // 64 bits of nanoseconds are 584 years.
    let grain = TIMER_GRAIN.as_nanos() as u64;
    let since = at.saturating_duration_since(began).as_nanos() as u64;
    began + Duration::from_nanos((since / grain + 1) * grain)
}
