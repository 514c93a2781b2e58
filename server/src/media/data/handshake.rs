//! Who initiates the association, and what becomes of an INIT.
//!
//! Both ends of a WebRTC association may initiate it (RFC 8831 §6.2, RFC 8841 §9.3), and every browser does. The
//! library cannot: it makes a second association of an INIT that crosses its own. So one INIT of the two is answered,
//! and the other treated as lost: the DTLS client keeps to its own, unless nobody answers that.

use super::guard::Guard;
use super::init::{self, Init};
use super::library::Library;
use super::packet;
use super::state::{COOKIE_PATIENCE, State};
use super::streams::Streams;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How long an initiating DTLS client insists, before an INIT of the peer's replaces its own.
const INSISTENCE: Duration = Duration::from_secs(1);

/// Where memory is scarce, how long until this end looks again.
const SCARCITY: Duration = Duration::from_secs(1);

impl Streams {
    pub(super) fn initiate(&mut self, now: Instant) {
        if self.is_scarce {
            self.state = State::Waiting {
                until: now + SCARCITY,
            };
            return;
        }
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
        self.guard.window.set_scarce(self.is_scarce);
        self.known.clear();
        self.dirty = true;
        self.library = Some(library);
    }

    pub(super) fn handle_init(&mut self, now: Instant, packet: Bytes) {
        // RFC 9260 §8.5.1: any other is discarded, as the library would.
        let Some(header) = packet::header(&packet).filter(|header| header.tag == 0) else {
            return;
        };
        let Some(chunk) = packet::chunks(&packet).next() else {
            return;
        };
        // RFC 9260 §3.1: an INIT comes alone.
        if packet.len() > packet::length_of_one(chunk) || !packet::has_valid_checksum(&packet) {
            return;
        }
        let (Some(tag), Some(first)) = (chunk.u32(0), chunk.u32(12)) else {
            return;
        };
        let Some(init) = init::read(header, chunk) else {
            return;
        };
        match &self.state {
            State::Waiting { .. } => self.accept(now, init, (tag, first)),
            State::Initiating { since } => {
                let insists = self.config.dtls_client && now < *since + INSISTENCE;
                // A peer that has waited in vain for our cookie has forgotten its answer, and begins anew.
                let is_forgotten = now >= *since + COOKIE_PATIENCE;
                if !insists && (!self.guard.knows_peer() || is_forgotten) {
                    self.accept(now, init, (tag, first));
                }
            }
            // A repetition gets the same answer: another cookie would leave the peer with one that opens nothing.
            State::Accepting {
                init: known,
                answer,
                ..
            } if *known == (tag, first) => {
                self.transmit.extend(answer.iter().cloned());
            }
            State::Accepting { .. } => self.accept(now, init, (tag, first)),
            State::Connected | State::Ending { .. } | State::Closed => {}
        }
    }

    fn accept(&mut self, now: Instant, init: Init, identity: (u32, u32)) {
        // Its sender repeats it.
        if self.is_scarce {
            return;
        }
        let Some(library) = Library::accept(now, init.packet.clone()) else {
            return;
        };
        self.start(library);
        if let Some(chunk) = packet::chunks(&init.packet).next() {
            self.guard.note_peer(chunk);
        }
        self.guard.report = init.report;
        self.transmit.clear();
        self.flush(now);
        self.state = State::Accepting {
            init: identity,
            answer: self.transmit.iter().cloned().collect(),
            until: now + COOKIE_PATIENCE,
        };
    }
}
