//! When streams are reset: ours once the peer knows all that was sent on them, the peer's once all of it was read.
//!
//! What is said about it is `reset`'s. Here is what the library has to do with it, which must forget a stream before it
//! is used anew, and not while anything sent on it is unacknowledged.

use super::packet::{self, Builder};
use super::reset::{MAX_STREAMS_PER_TURN, Outcome, Pending};
use super::state::State;
use super::streams::{Streams, StreamsEvent};
use std::time::Instant;

impl Streams {
    /// Resets `stream` in the direction of the peer. Everything written to it was acknowledged or given up.
    pub(super) fn reset(&mut self, stream: u16) {
        self.drained.push(stream);
        self.dirty = true;
    }

    // Whose request waits until the peer has acknowledged what was used for them.
    pub(super) fn request_resets(&mut self, now: Instant) {
        if self.drained.is_empty() {
            return;
        }
        self.learn_last_used(now);
        let last_tsn = self.guard.last_used();
        for stream in std::mem::take(&mut self.drained) {
            if self.reset.request(stream, last_tsn) {
                self.over.push(stream);
            }
        }
    }

    // The library gives messages TSNs that it gives up before they are sent, and says so only much later if those before
    // are unacknowledged. But it answers a reset with one, which says what TSN comes next: so a stream that nobody uses
    // is made, and reset.
    fn learn_last_used(&mut self, now: Instant) {
        let unused = (0..=u16::MAX).rev().find(|id| !self.known.contains(id));
        if let (Some(library), Some(stream)) = (&mut self.library, unused)
            && library.open_stream(stream).is_some()
            && let Some(reset) = self.guard.reset(&[stream])
        {
            self.inject(now, reset);
            self.flush_library(now);
        }
    }

    /// Whether a request of this end's is unanswered.
    #[cfg(test)]
    pub(super) fn is_resetting(&self) -> bool {
        self.reset.poll_timeout().is_some()
    }

    // RFC 6525 §5.2.2: not before everything the peer sent until its request has come; and not before it was read. Asked
    // with every packet until then, so the streams, which may be all there are, are not copied before.
    pub(super) fn grant(&mut self, now: Instant) {
        let Some(last_tsn) = self.reset.pending().map(|pending| pending.last_tsn) else {
            return;
        };
        if !self.has_received(now, last_tsn) {
            return;
        }
        let Some(pending) = self.reset.pending().filter(|it| !self.is_unread(it)) else {
            return;
        };
        let mut streams: Vec<_> = match pending.streams.is_empty() {
            true => self.known.iter().copied().collect(),
            false => pending.streams.clone(),
        };
        self.dirty = true;
        let rest = streams.split_off(streams.len().min(MAX_STREAMS_PER_TURN));
        self.resume_at = (!rest.is_empty()).then_some(now);
        let over = self.reset.grant(streams, rest);
        self.forget(now, &over);
    }

    /// Whether there is something to read on a stream that the peer would have reset.
    fn is_unread(&self, pending: &Pending) -> bool {
        let mut streams = pending.streams.iter();
        match pending.streams.is_empty() {
            true => !self.readable.is_empty(),
            false => streams.any(|stream| self.readable.contains(*stream)),
        }
    }

    /// Grants what was left of a request for many streams.
    pub(super) fn resume(&mut self, now: Instant) {
        if self.resume_at.take_if(|at| *at <= now).is_some() {
            self.grant(now);
            self.take_outcomes();
        }
    }

    // How far the peer's data has come is known from the acknowledgement sent last, so one is made now.
    fn has_received(&mut self, now: Instant, tsn: u32) -> bool {
        if !self.guard.has_received(tsn)
            && let Some(duplicate) = self.guard.duplicate()
        {
            self.inject(now, duplicate);
            self.flush(now);
        }
        self.guard.has_received(tsn)
    }

    // The library must start counting a stream's messages from 0 again before the peer does. All at once: each time
    // that it is told costs as much as a packet.
    pub(super) fn forget(&mut self, now: Instant, streams: &[u16]) {
        let mut known = Vec::new();
        for &stream in streams {
            self.guard.forget(stream);
            self.readable.remove(stream);
            self.unordered.remove(&stream);
            known.extend(self.known.take(&stream));
        }
        if !known.is_empty()
            && let Some(reset) = self.guard.reset(&known)
        {
            self.inject(now, reset);
        }
    }

    pub(super) fn forget_what_is_over(&mut self, now: Instant) {
        let over = std::mem::take(&mut self.over);
        self.forget(now, &over);
    }

    pub(super) fn take_outcomes(&mut self) {
        while let Some(outcome) = self.reset.poll_outcome() {
            self.events.push_back(match outcome {
                Outcome::ByPeer(stream) => StreamsEvent::ResetByPeer(stream),
                Outcome::Finished(stream) => StreamsEvent::ResetFinished(stream),
            });
        }
    }

    pub(super) fn flush_resets(&mut self, now: Instant) {
        let Some(library) = self
            .library
            .as_ref()
            .filter(|_| matches!(self.state, State::Connected))
        else {
            return;
        };
        let rtt = library.rtt();
        let header = self.outgoing_header();
        let acknowledged = self.guard.acknowledged();
        while let Some(value) = self.reset.poll_transmit(now, acknowledged, rtt) {
            let packet = Builder::new(header)
                .chunk(packet::RECONFIG, 0, &value)
                .finish();
            self.transmit.push_back(packet);
        }
    }
}
