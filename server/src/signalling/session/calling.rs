//! A client's call: its offers, what it says of candidates, and that it hangs up.

use std::time::Instant;

use ferrite_protocol::{ClientEvidence, ErrorCode, IceCandidate, RequestId, ServerMessage, Tracks};
use tracing::{debug, info};

use super::super::membership::Membership;
use super::super::offers::OFFERS;
use super::super::peer::Peer;
use super::super::replies::{error, shorten};
use super::super::sections::{problem, streams};
use super::super::vigil::EXPLANATIONS;
use super::Session;
use crate::media::net::candidates::{address, addresses_in, is_candidate};
use crate::rate::Rate;

/// The media plane has no room for a question.
const BUSY: &str = "the server is too busy to look; ask again";

/// So much of what a client sent is said back to it.
const QUOTED: usize = 64;

impl Session {
    pub(super) fn offer(
        &mut self,
        id: Option<RequestId>,
        sdp: &str,
        tracks: Option<Tracks>,
    ) -> Vec<ServerMessage> {
        debug!(bytes = sdp.len(), "offer");
        if let Err(message) = self.may_offer(Instant::now()) {
            return error(id, ErrorCode::LimitExceeded, message);
        }
        if let Some(problem) = tracks.as_ref().and_then(|tracks| problem(tracks, sdp)) {
            return error(id, ErrorCode::BadOffer, problem);
        }
        // RFC 3264 §8: the client threw its peer connection away. Until another is agreed on, ours stays.
        let replaced = self.peer.take_if(|peer| peer.is_replaced_by(sdp));
        let mut peer = self.peer.take().unwrap_or_else(|| self.make_peer());
        let streams = streams(tracks.as_ref(), sdp);
        let mut refused = Vec::new();
        let answered = peer.offer(id, sdp, &streams, |session| {
            self.sections.agree(tracks, session);
            refused = self.publish(id);
            let outlook = self.room.as_ref().map(Membership::outlook);
            self.sections.follow(outlook);
            self.sections.plan()
        });
        let (mut messages, has_plan) = match answered {
            Ok(answered) => answered,
            Err(problem) => {
                debug!(%problem, "refused an offer");
                // Nothing was agreed: all is as before, and the next offer as good as a first one.
                self.peer = replaced.or(Some(peer).filter(Peer::is_answered));
                return error(id, ErrorCode::BadOffer, problem.to_string());
            }
        };
        if replaced.is_some() {
            // Ahead of the answer: it is of the call before.
            messages.splice(0..0, self.vigil.give_up());
            self.forget_peer();
            info!("the client began another peer connection");
        }
        if !peer.is_connected() {
            self.vigil.begin(Instant::now());
        }
        peer.permit(self.address, addresses_in(sdp));
        self.peer = Some(peer);
        self.show_state();
        self.ended = None;
        self.plan_is_due = !has_plan;
        messages.extend(refused);
        messages.extend(self.sections.news(None, false));
        messages.extend(self.tell_wanted());
        messages
    }

    fn make_peer(&self) -> Peer {
        let room = self.room.as_ref().map(|room| room.seat().room());
        let traces = self.signalling.traces.as_ref();
        let trace = traces.and_then(|traces| traces.of(&self.id, room));
        Peer::new(
            &self.signalling.media,
            self.id.clone(),
            self.loopback,
            trace,
        )
    }

    fn may_offer(&mut self, now: Instant) -> Result<(), String> {
        let too_many = |whose, (per_second, at_once)| {
            format!(
                "too many offers{whose}: {per_second} a second are allowed, and {at_once} at once"
            )
        };
        if !self.offers.take(Rate::new(OFFERS.0, OFFERS.1), 1, now) {
            return Err(too_many("", OFFERS));
        }
        let of_address = self.signalling.offers_by_address.admit(self.address, now);
        of_address.map_err(|allowed| too_many(" from your address", allowed))
    }

    /// Candidates may overtake their offer, and outlive it if it was refused: they are looked at, and
    /// no more, but where the server is behind a relay, which lets nobody else in. A lite agent needs none of them (RFC 8445 §2.5).
    pub(super) fn candidate(&mut self, candidate: Option<&IceCandidate>) -> Vec<ServerMessage> {
        let text = candidate.map_or("", |candidate| candidate.candidate.as_str());
        if text.is_empty() || is_candidate(text) {
            if let Some((peer, at)) = self.peer.as_ref().zip(address(text)) {
                peer.permit(self.address, [at.ip()].into_iter());
            }
            return Vec::new();
        }
        let text = shorten(text, QUOTED);
        let message = format!("{text:?} is no candidate attribute (RFC 8839 §5.1)");
        error(None, ErrorCode::BadCandidate, message)
    }

    /// Says why the call is not connected: at once where there is none, else when the peer has told what it saw.
    pub(super) fn explain(
        &mut self,
        id: Option<RequestId>,
        seen: ClientEvidence,
    ) -> Vec<ServerMessage> {
        if !self.vigil.may_ask(Instant::now()) {
            let (per_second, at_once) = EXPLANATIONS;
            let message =
                format!("{per_second} explanation a second is given, and {at_once} at once");
            return error(id, ErrorCode::LimitExceeded, message);
        }
        let is_taken = self.peer.as_ref().is_none_or(Peer::testify);
        self.vigil.ask(id, seen, is_taken);
        match &self.peer {
            None => vec![self.vigil.explain_absence()],
            Some(_) if is_taken => Vec::new(),
            Some(_) => error(id, ErrorCode::Internal, BUSY.to_owned()),
        }
    }

    pub(super) fn hang_up(&mut self, id: Option<RequestId>) -> Vec<ServerMessage> {
        self.ended = None;
        self.is_lost = false;
        let owed = self.vigil.give_up();
        if self.peer.take().is_some() {
            info!("hung up");
        }
        self.forget_peer();
        self.show_state();
        self.sections.clear();
        let refused = self.publish(id);
        let hung_up = ServerMessage::HungUp { id };
        let messages = owed.into_iter().chain([hung_up]);
        messages.chain(refused).collect()
    }
}
