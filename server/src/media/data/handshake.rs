//! Who initiates the association, and what becomes of an INIT.
//!
//! Both ends of a WebRTC association may initiate it (RFC 8831 §6.2, RFC 8841 §9.3), and every browser does. The
//! library cannot: it makes a second association of an INIT that crosses its own. So one INIT of the two is answered,
//! and the other treated as lost: the DTLS client keeps to its own, unless nobody answers that.

use super::guard::Guard;
use super::library::Library;
use super::packet;
use super::streams::Streams;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How long an end that the peer should initiate to waits before it initiates itself. Longer than a browser's first
/// repetition of a lost INIT takes to arrive, so that two ends seldom initiate at once.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);

/// How long an initiating DTLS client insists, before an INIT of the peer's replaces its own.
const INSISTENCE: Duration = Duration::from_secs(1);

/// Who initiated the association, and how far it is.
#[derive(Debug)]
pub(super) enum State {
    /// For the peer's INIT, until this end loses patience.
    Waiting {
        until: Instant,
    },
    /// This end's INIT was sent.
    Initiating {
        since: Instant,
    },
    /// The peer's INIT was answered: its tag and first TSN, and the answer.
    Accepting {
        init: (u32, u32),
        answer: Vec<Bytes>,
    },
    Connected,
    /// Over for this reason, but for what is to be read.
    Ending {
        reason: String,
    },
    Closed,
}

impl Streams {
    pub(super) fn initiate(&mut self, now: Instant) {
        match Library::initiate(now) {
            Ok(library) => {
                self.start(library);
                self.state = State::Initiating { since: now };
                self.flush(now);
            }
            Err(error) => self.fail(now, format!("cannot initiate: {error}")),
        }
    }

    fn start(&mut self, library: Library) {
        self.guard = Guard::new();
        self.dirty = true;
        self.library = Some(library);
    }

    pub(super) fn handle_init(&mut self, now: Instant, packet: Bytes) {
        // RFC 9260 §8.5.1: any other is discarded, as the library would.
        if packet::header(&packet).is_none_or(|header| header.tag != 0) {
            return;
        }
        let Some(init) = packet::chunks(&packet).next() else {
            return;
        };
        // RFC 9260 §3.1: an INIT comes alone. The library would read what follows, and nothing has looked at that.
        if packet.len() > packet::length_of_one(init) {
            return;
        }
        let (Some(tag), Some(first)) = (init.u32(0), init.u32(12)) else {
            return;
        };
        match &self.state {
            State::Waiting { .. } => self.accept(now, &packet, (tag, first)),
            State::Initiating { since } => {
                let insists = self.config.dtls_client && now < *since + INSISTENCE;
                if !insists && !self.guard.knows_peer() {
                    self.accept(now, &packet, (tag, first));
                }
            }
            // A repetition gets the same answer: another cookie would leave the peer with one that opens nothing.
            State::Accepting { init, answer } if *init == (tag, first) => {
                self.transmit.extend(answer.iter().cloned());
            }
            State::Accepting { .. } => self.accept(now, &packet, (tag, first)),
            State::Connected | State::Ending { .. } | State::Closed => {}
        }
    }

    fn accept(&mut self, now: Instant, packet: &Bytes, init: (u32, u32)) {
        let Some(library) = Library::accept(now, packet.clone()) else {
            return;
        };
        self.start(library);
        if let Some(chunk) = packet::chunks(packet).next() {
            self.guard.note_peer(chunk);
        }
        self.transmit.clear();
        self.flush(now);
        self.state = State::Accepting {
            init,
            answer: self.transmit.iter().cloned().collect(),
        };
    }
}
