//! Offers and answers for one peer connection: at most one exchange at a time, the next one
//! remembered, candidates held back until they can be used. Knows nothing of why an offer is due.
//!
//! The browser always offers (so no glare, RFC 9429 §3.2), and it says itself when an offer is
//! needed: after `addTransceiver`, `createDataChannel` and `restartIce` alike.

use ferrite_protocol::{ClientMessage, IceCandidate, RequestId};

use super::{Effect, Offer, Timer};

/// How long the server may take to answer an offer.
const ANSWER_MS: u32 = 10_000;
/// How much longer, once the link was asked whether it is still there.
const LATE_ANSWER_MS: u32 = 5_000;
/// No browser has so many; more are dropped, and the next offer's SDP carries them anyway.
const HELD_CANDIDATES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// No exchange is under way.
    Stable,
    /// The browser makes the offer.
    Making,
    /// The server was asked.
    Asking(RequestId),
    /// The browser applies the answer.
    Applying,
}

#[derive(Debug)]
pub(super) struct Negotiation {
    state: State,
    due: bool,
    /// The answer is late.
    late: bool,
    offered: bool,
    answered: bool,
    /// Gathered before they could be sent.
    local: Vec<Option<IceCandidate>>,
    /// Received before there was a description to add them to.
    remote: Vec<Option<IceCandidate>>,
}

impl Negotiation {
    pub(super) fn new() -> Self {
        Self {
            state: State::Stable,
            due: false,
            late: false,
            offered: false,
            answered: false,
            local: Vec::new(),
            remote: Vec::new(),
        }
    }

    /// Whether an answer was ever applied.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// Whether the server has heard of this peer connection.
    pub(super) fn is_offered(&self) -> bool {
        self.offered
    }

    /// An offer is needed, now or as soon as one can be made.
    pub(super) fn request(&mut self, link_ready: bool, out: &mut Vec<Effect>) {
        self.due = true;
        self.pump(link_ready, out);
    }

    /// The link came back: take up what was left lying.
    pub(super) fn resume(&mut self, out: &mut Vec<Effect>) {
        self.pump(true, out);
        if self.offered && self.state == State::Stable {
            self.flush_local(out);
        }
    }

    /// The link went away: an unanswered offer has to be made again.
    pub(super) fn suspend(&mut self, out: &mut Vec<Effect>) {
        if let State::Asking(_) = self.state {
            self.state = State::Stable;
            self.due = true;
            out.push(Effect::Disarm(Timer::Answer));
        }
    }

    /// The browser made the offer and has set it as its local description.
    pub(super) fn made(
        &mut self,
        offer: Offer,
        id: RequestId,
        link_ready: bool,
        out: &mut Vec<Effect>,
    ) {
        if self.state != State::Making {
            return;
        }
        if !link_ready {
            self.state = State::Stable;
            self.due = true;
            return;
        }
        self.state = State::Asking(id);
        self.late = false;
        self.offered = true;
        let Offer { sdp, tracks } = offer;
        let id = Some(id);
        out.push(Effect::Send(ClientMessage::Offer { id, sdp, tracks }));
        out.push(Effect::Arm(Timer::Answer, ANSWER_MS));
        self.flush_local(out);
    }

    /// The server answered. Whether the answer was the one waited for.
    pub(super) fn answered(
        &mut self,
        id: Option<RequestId>,
        sdp: String,
        out: &mut Vec<Effect>,
    ) -> bool {
        if !self.is_asking(id) {
            return false;
        }
        self.state = State::Applying;
        out.push(Effect::Disarm(Timer::Answer));
        out.push(Effect::ApplyAnswer(sdp));
        true
    }

    /// [`Timer::Answer`] fired. Whether there is still hope: the offer or its answer may have been
    /// lost with a link of which nobody says that it is gone.
    pub(super) fn hopes(&mut self, out: &mut Vec<Effect>) -> bool {
        let late = std::mem::replace(&mut self.late, true);
        if !late {
            out.push(Effect::Arm(Timer::Answer, LATE_ANSWER_MS));
        }
        !late
    }

    /// The browser applied the answer.
    pub(super) fn applied(&mut self, link_ready: bool, out: &mut Vec<Effect>) {
        self.state = State::Stable;
        self.answered = true;
        out.extend(self.remote.drain(..).map(Effect::AddCandidate));
        self.pump(link_ready, out);
    }

    /// Whether a reply with this id belongs to the offer under way.
    pub(super) fn is_asking(&self, id: Option<RequestId>) -> bool {
        match self.state {
            State::Asking(asked) => id.is_none_or(|id| id == asked),
            State::Stable | State::Making | State::Applying => false,
        }
    }

    /// The browser gathered a candidate, or all (`None`).
    pub(super) fn local_candidate(
        &mut self,
        candidate: Option<IceCandidate>,
        link_ready: bool,
        out: &mut Vec<Effect>,
    ) {
        // A candidate must not overtake the offer it belongs to.
        let sendable = link_ready && self.offered && self.state != State::Making;
        if sendable {
            out.push(send_candidate(candidate));
        } else if self.local.len() < HELD_CANDIDATES {
            self.local.push(candidate);
        }
    }

    /// The server sent a candidate, or says that there are no more (`None`).
    pub(super) fn remote_candidate(
        &mut self,
        candidate: Option<IceCandidate>,
        out: &mut Vec<Effect>,
    ) {
        if self.answered {
            out.push(Effect::AddCandidate(candidate));
        } else if self.remote.len() < HELD_CANDIDATES {
            self.remote.push(candidate);
        }
    }

    fn pump(&mut self, link_ready: bool, out: &mut Vec<Effect>) {
        if link_ready && self.due && self.state == State::Stable {
            self.due = false;
            self.state = State::Making;
            out.push(Effect::MakeOffer);
        }
    }

    fn flush_local(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.local.drain(..).map(send_candidate));
    }
}

fn send_candidate(candidate: Option<IceCandidate>) -> Effect {
    Effect::Send(match candidate {
        Some(candidate) => ClientMessage::Candidate {
            candidate: Some(candidate),
        },
        None => ClientMessage::EndOfCandidates {},
    })
}
