//! What comes from the peer: packets, past the guard and into the library, and what that makes of them.

use super::super::channel::Reliability;
use super::super::config::DEFAULT_PORT;
use super::super::guard::Inbound;
use super::super::library::Library;
use super::super::packet::{self, Builder};
use super::super::reset::Reset;
use super::super::skips::Skip;
use super::super::state::State;
use super::{MAX_STREAMS, Streams, StreamsEvent};
use bytes::Bytes;
use rtc::sctp::{Event, StreamEvent};
use std::time::Instant;

impl Streams {
    pub(in crate::media::data) fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        let Some(packet) = self.normalize(packet) else {
            return;
        };
        if packet::chunks(&packet).next().map(|chunk| chunk.kind) == Some(packet::INIT) {
            return self.handle_init(now, packet);
        }
        if self.library.is_none() || self.is_ending() {
            return;
        }
        self.forget_what_is_over(now);
        let readable = !self.readable.is_empty();
        let inbound = self.guard.inbound(now, &packet, self.known.len(), readable);
        self.handle_inbound(now, inbound);
    }

    // The library knows no port but 5000 when it initiates.
    fn normalize(&self, packet: Bytes) -> Option<Bytes> {
        if self.config.has_default_ports() {
            return Some(packet);
        }
        packet::has_valid_checksum(&packet)
            .then(|| packet::with_ports(&packet, DEFAULT_PORT, DEFAULT_PORT))
    }

    fn handle_inbound(&mut self, now: Instant, inbound: Inbound) {
        if self.is_connected() {
            for (stream, is_anew) in inbound.begun {
                self.begin(now, stream, is_anew);
            }
            for skip in &inbound.skipped {
                self.expect(*skip);
            }
            self.transmit.extend(inbound.error.map(|error| {
                let header = self.outgoing_header();
                Builder::new(header)
                    .chunk(packet::ERROR, 0, &error)
                    .finish()
            }));
        }
        if let Some(packet) = inbound.pass {
            self.inject_skips(now, packet, &inbound.skipped);
        }
        // Before, there is nothing to reset, and no answer would be sent.
        if self.is_connected() {
            for value in inbound.reconfigs {
                self.reset.handle(now, &value);
                self.dirty = true;
            }
        }
        if inbound.shutdown {
            // What the library answers is sent; whether it arrives is the peer's affair.
            self.flush(now);
            self.state = State::Ending {
                reason: "shut down by the peer".to_owned(),
            };
        }
        if let Some(reason) = inbound.aborted {
            self.state = State::Ending { reason };
        }
        self.settle(now);
    }

    // On a stream that it takes for unordered, the library does not heed that messages in order are skipped. There are
    // some on every one, from before the peer's channel was confirmed (RFC 8832 §6): they would be held for ever.
    fn inject_skips(&mut self, now: Instant, packet: Bytes, skips: &[Skip]) {
        let unordered = |skip: &Skip| Some((skip.stream, *self.unordered.get(&skip.stream)?));
        let unordered: Vec<_> = skips.iter().filter_map(unordered).collect();
        for &(stream, reliability) in &unordered {
            self.configure(stream, true, reliability);
        }
        self.inject(now, packet);
        for (stream, reliability) in unordered {
            self.configure(stream, false, reliability);
        }
    }

    /// Gives the library a packet, as if it had come from the peer.
    pub(in crate::media::data) fn inject(&mut self, now: Instant, packet: Bytes) {
        let length = packet.len();
        let Some(library) = &mut self.library else {
            return;
        };
        library.handle_packet(now, packet);
        self.dirty = true;
        let taken = self.take_events();
        let readable = !self.readable.is_empty();
        if !self.guard.note_held(taken, length, readable) {
            self.fail(now, "the peer ignores the receive window".to_owned());
        }
        self.check(now);
    }

    /// Turns the library's events into ours; how many chunks it took.
    pub(super) fn take_events(&mut self) -> usize {
        let mut taken = 0;
        while let Some(event) = self.library.as_mut().and_then(Library::poll_event) {
            match event {
                Event::Connected => self.connected(),
                Event::DatagramReceived => taken += 1,
                Event::Stream(event) => self.handle_stream_event(event),
                Event::HandshakeFailed { reason } => self.end(reason.to_string()),
                // Reported per stream, for resets and losses alike: `check` asks the association instead.
                Event::AssociationLost { .. } => {}
                _ => {}
            }
        }
        taken
    }

    fn connected(&mut self) {
        if self.is_connected() {
            return;
        }
        self.state = State::Connected;
        self.reset = Reset::start(
            self.guard.last_used().wrapping_add(1),
            self.guard.next_expected(),
        );
        self.events.push_back(StreamsEvent::Connected);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enum: what else there is does not matter here"
    )]
    fn handle_stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { id } => self.opened(id),
            StreamEvent::Readable { id } => self.readable.push(id),
            StreamEvent::BufferedAmountReleased { id, n_bytes } => {
                self.events.push_back(StreamsEvent::Released {
                    stream: id,
                    bytes: n_bytes,
                });
            }
            _ => {}
        }
    }

    // RFC 3758 §3.6: what the peer says of a stream holds before the stream's first message came, too; the library
    // only heeds it of streams that it knows.
    fn expect(&mut self, skip: Skip) {
        let stream = skip.stream;
        if self.known.contains(&stream) {
            self.guard.skips.extend(skip);
        } else if !self.reset.is_half_reset(stream) && self.known.len() < MAX_STREAMS {
            self.with_stream(stream, |_| true);
            self.guard.skips.begin(skip);
        }
    }

    // What was skipped may have been another channel's, and the library is to wait for this one's. Nothing was sent on
    // it, which the library would forget with it.
    fn begin(&mut self, now: Instant, stream: u16, is_anew: bool) {
        if is_anew {
            self.forget(now, &[stream]);
        } else {
            self.used(stream);
        }
    }

    fn opened(&mut self, stream: u16) {
        if let Some(library) = &mut self.library {
            library.accept_stream();
        }
        self.known.insert(stream);
        self.used(stream);
    }

    pub(super) fn used(&mut self, stream: u16) {
        // It never forgets unordered fragments that the peer gave up, unless this end sends unordered too.
        if self.guard.is_unordered(stream) {
            self.configure(stream, false, Reliability::Reliable);
        }
        self.reset.reused(stream);
        self.take_outcomes();
    }

    // A peer that breaks the protocol, or whose acknowledgements stop, makes the library close.
    pub(super) fn check(&mut self, now: Instant) {
        let Some(library) = &self.library else {
            return;
        };
        let initiating = matches!(self.state, State::Initiating { .. });
        if library.is_closed() && (initiating || self.is_connected()) {
            self.end("protocol error".to_owned());
        } else if self.known.len() > MAX_STREAMS {
            self.fail(now, "too many streams".to_owned());
        }
    }
}
