//! What of a peer's pictures waits for its turn, and how it goes out then. When that is the pacer says
//! (`congestion/pacer.rs`); sound never waits, nor do RTCP and data.

use std::time::{Duration, Instant};

use super::Peer;
use super::held::{Held, Packet};
use super::writing::{MAX_GROWTH, ROOM_FOR_A_CHECK, send_rtp, stamp};
use crate::congestion::{Estimator, MAX_DELAY, Urgency, Waits};
use crate::media::egress::{Egress, HISTORY_SPAN, Wanted};
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::MediaKind;

impl Peer {
    /// Takes note of what the path carries. Where nothing is known of that, or memory is scarce, nothing waits.
    pub(super) fn pace(&mut self) {
        let limit = self.streams.estimator().and_then(Estimator::limit);
        (self.pacer).follow(limit.filter(|_| !self.held_bytes.is_scarce()));
    }

    /// Sends what has its turn now, and all of what waits `at_once`.
    pub(super) fn send_waiting(&mut self, now: Instant, at_once: bool) {
        if self.pacer.is_empty() {
            return;
        }
        if !self.has_room_for_waiting() {
            self.starved = true;
            return self.drop_waiting();
        }
        // A probe has its own time, and needs no padding where something waits.
        while let Some(held) = (self.pacer).pop(now, at_once || self.probes(now)) {
            self.send_held(now, &held);
        }
        self.held_bytes.set(self.pacer.memory());
    }

    /// Whether the path, if there is one, takes all that waits.
    fn has_room_for_waiting(&self) -> bool {
        let bytes = self.pacer.bytes() + self.pacer.len() * MAX_GROWTH + ROOM_FOR_A_CHECK;
        let path = self.ice.selected().filter(|_| self.srtp.is_some());
        path.is_some_and(|path| self.ice.is_open(&path) || self.ice.has_room(&path, bytes))
    }

    fn probes(&self, now: Instant) -> bool {
        let estimator = self.streams.estimator();
        estimator.is_some_and(|it| it.padding(now).is_some())
    }

    fn send_held(&mut self, now: Instant, held: &Held) {
        let (Some((egress, estimator)), Some(srtp), Some(path)) = (
            self.streams.sending(held.section),
            &mut self.srtp,
            self.ice.selected(),
        ) else {
            return;
        };
        let outgoing = match &held.packet {
            Packet::New(unwritten) => egress.resume(unwritten),
            Packet::Again(wanted, media) => egress.retransmit(wanted, media),
        };
        if let Some(outgoing) = outgoing {
            self.pacer.sent(now, outgoing.size());
            let (ice, outbox) = (&mut self.ice, &mut self.outbox);
            let stamp = stamp(now, &outgoing, estimator, self.clock);
            send_rtp(now, &path, &outgoing, srtp, ice, outbox, stamp);
        }
    }

    /// Sends a packet again that the other end asked for, when it has its turn.
    pub fn send_again(
        &mut self,
        now: Instant,
        section: usize,
        wanted: &Wanted,
        media: &MediaPacket,
    ) {
        if self.awaits_turn(section, wanted) {
            let egress = self.streams.egress(section);
            return egress.into_iter().for_each(|it| it.forgive(wanted));
        }
        let held = Held {
            section,
            packet: Packet::Again(*wanted, media.clone()),
        };
        if !self.streams.may_wait(section) || !self.pacer.must_wait(now, Urgency::Again) {
            return self.send_held(now, &held);
        }
        let bytes = media.packet.len();
        self.pacer.push(now, Urgency::Again, bytes, bytes, held);
        self.send_waiting(now, false);
    }

    /// Whether a packet was not sent yet, or not again: it goes out once.
    fn awaits_turn(&self, section: usize, wanted: &Wanted) -> bool {
        let mut waiting = self.pacer.waiting();
        waiting.any(|held| (held.section, held.sequence()) == (section, wanted.sequence()))
    }

    /// What waits on a section is not sent, where what it is of is not shown any more.
    pub(super) fn take_back(&mut self, section: usize) {
        if self.pacer.is_empty() {
            return;
        }
        let Some(egress) = self.streams.egress(section).filter(|it| it.is_over()) else {
            return;
        };
        let taken = self.pacer.take_back(|held| held.section == section);
        egress.take_back(taken.iter().filter_map(Held::unwritten));
        self.held_bytes.set(self.pacer.memory());
    }

    /// Before something new of a section goes out: what has its turn goes before new pictures, and all that waits where
    /// nothing may. Returns whether that takes its turn: what the estimate is not of takes none.
    pub(super) fn make_way(&mut self, now: Instant, section: usize, may_wait: bool) -> bool {
        let may_wait = may_wait && !self.held_bytes.is_scarce();
        let is_paced = self.streams.may_wait(section);
        if is_paced || !may_wait {
            self.send_waiting(now, !may_wait);
        }
        may_wait && (is_paced || self.streams.sends(section) == Some(MediaKind::Audio))
    }

    /// After that: no more waits than may. Returns for how long what was to be kept for a time is to be kept, where it is
    /// not sent yet.
    pub(super) fn keep_waiting(&mut self, now: Instant, span: Duration) -> Duration {
        self.send_waiting(now, false);
        self.pacer.forget(now, HISTORY_SPAN);
        // What left last is asked for as long as what leaves now, and was given here before.
        match self.pacer.waited_within(now, span) && !span.is_zero() {
            true => (span + MAX_DELAY).min(HISTORY_SPAN),
            false => span,
        }
    }

    /// Sends nothing of what waits: what it is of goes on with a keyframe.
    pub(super) fn drop_waiting(&mut self) {
        for held in self.pacer.take_back(|_| true) {
            let egress = self.streams.egress(held.section);
            let lost = egress.filter(|_| held.unwritten().is_some());
            lost.into_iter().for_each(Egress::lose);
        }
        self.held_bytes.set(0);
    }

    /// Whether something waits for its turn.
    pub fn has_waiting(&self) -> bool {
        !self.pacer.is_empty()
    }

    /// What had to wait until now.
    pub fn waits(&self) -> Waits {
        self.pacer.waits()
    }
}
