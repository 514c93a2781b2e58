//! What one client asked for and is told: its seat, its peer, and the rules.
//!
//! No IO: every function takes what came in and gives what is to be sent. Whatever a client sends,
//! the worst that comes of it is an error message.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ferrite_protocol::{
    ClientMessage, ErrorCode, IceCandidate, PROTOCOL_VERSION, Participant, ParticipantId,
    RequestId, ResumeToken, RoomId, RoomSnapshot, ServerMessage, SessionId,
};
use tracing::{debug, info};

use super::hub::Signalling;
use super::peer::Peer;
use super::place::Caller;
use super::rate::{OFFERS, Rate};
use crate::media::PeerEvent;
use crate::media::net::candidates::is_candidate;
use crate::room::{Change, Seat, changes};

/// So much of what a client sent is said back to it.
const QUOTED: usize = 64;

/// One client, for as long as it is one.
#[derive(Debug)]
pub(super) struct Session {
    id: SessionId,
    signalling: Arc<Signalling>,
    /// Where it was opened.
    address: IpAddr,
    /// The client can reach loopback addresses.
    pub(super) loopback: bool,
    /// Where it sits, and what it was last shown of the room.
    pub(super) seat: Option<(Seat, Arc<RoomSnapshot>)>,
    pub(super) peer: Option<Peer>,
    /// The last word about the peer, when it ended by itself. Whoever missed it holds one end of a
    /// connection that has no other any more.
    ended: Option<ServerMessage>,
    offers: Rate,
}

impl Session {
    pub(super) fn new(signalling: Arc<Signalling>, id: SessionId, caller: Caller) -> Self {
        Self {
            id,
            signalling,
            address: caller.address,
            loopback: caller.loopback,
            seat: None,
            peer: None,
            ended: None,
            offers: Rate::new(OFFERS.0, OFFERS.1, Instant::now()),
        }
    }

    /// Answers a hello.
    pub(super) fn welcome(&self, resume_token: ResumeToken, resumed: bool) -> ServerMessage {
        let interval = self.signalling.config.signalling.ping_interval.as_millis();
        ServerMessage::Welcome {
            version: PROTOCOL_VERSION,
            session: self.id.clone(),
            resume_token,
            resumed,
            ping_interval_ms: interval.try_into().unwrap_or(u32::MAX),
            // The server's own candidates are all a browser needs to reach it.
            ice_servers: Vec::new(),
        }
    }

    /// Everything a client has to know that missed an unknown part of it.
    pub(super) fn state(&mut self) -> Vec<ServerMessage> {
        let mut messages = Vec::new();
        if let Some((seat, known)) = &mut self.seat {
            *known = seat.snapshot();
            messages.push(joined(None, seat, known));
        }
        let state = self.peer.as_ref().and_then(Peer::state);
        messages.extend(state.or_else(|| self.ended.clone()));
        messages
    }

    /// Answers a message.
    pub(super) fn answer(&mut self, message: ClientMessage) -> Vec<ServerMessage> {
        match message {
            ClientMessage::Join { id, room, name } => self.join(id, room, name),
            ClientMessage::Leave { id } => self.leave(id),
            ClientMessage::Offer { id, sdp } => self.offer(id, &sdp),
            ClientMessage::Candidate { candidate } => self.candidate(candidate.as_ref()),
            ClientMessage::EndOfCandidates {} => self.candidate(None),
            ClientMessage::HangUp { id } => self.hang_up(id),
            // The rules of the session itself have seen to these.
            ClientMessage::Hello { .. }
            | ClientMessage::Ping { .. }
            | ClientMessage::Pong { .. } => Vec::new(),
        }
    }

    fn join(
        &mut self,
        id: Option<RequestId>,
        room: RoomId,
        name: Option<String>,
    ) -> Vec<ServerMessage> {
        if self.seat.is_some() {
            return refuse(id, "this session is in a room already; leave it first");
        }
        if room.0.is_empty() {
            return refuse(id, "a room has a name");
        }
        let participant = Participant {
            id: ParticipantId(random_id()),
            name,
        };
        match Seat::take(&self.signalling.rooms, room, participant) {
            Err(full) => error(id, ErrorCode::LimitExceeded, full.to_string()),
            Ok(mut seat) => {
                // A room's name may be all that one needs to get in.
                debug!(room = %seat.room(), "room");
                info!(participant = %seat.participant(), "joined a room");
                let snapshot = seat.snapshot();
                let reply = joined(id, &seat, &snapshot);
                self.seat = Some((seat, snapshot));
                vec![reply]
            }
        }
    }

    fn leave(&mut self, id: Option<RequestId>) -> Vec<ServerMessage> {
        let Some((seat, _)) = self.seat.take() else {
            return refuse(id, "this session is in no room");
        };
        info!(participant = %seat.participant(), "left the room");
        vec![ServerMessage::Left { id }]
    }

    fn offer(&mut self, id: Option<RequestId>, sdp: &str) -> Vec<ServerMessage> {
        debug!(bytes = sdp.len(), "offer");
        if let Err(message) = self.may_offer(Instant::now()) {
            return error(id, ErrorCode::LimitExceeded, message);
        }
        // RFC 3264 §8: the client threw its peer connection away. Until another is agreed on, ours stays.
        let replaced = self.peer.take_if(|peer| peer.is_replaced_by(sdp));
        let peer = self.peer.get_or_insert_with(|| {
            Peer::new(&self.signalling.media, self.id.clone(), self.loopback)
        });
        self.ended = None;
        let messages = peer.offer(id, sdp);
        if !peer.is_answered() {
            // Nothing was agreed: the next offer is as good as a first one.
            self.peer = replaced;
        } else if replaced.is_some() {
            info!("the client began another peer connection");
        }
        messages
    }

    fn may_offer(&mut self, now: Instant) -> Result<(), String> {
        let too_many = |whose, (per_second, at_once)| {
            format!(
                "too many offers{whose}: {per_second} a second are allowed, and {at_once} at once"
            )
        };
        if !self.offers.admit(now) {
            return Err(too_many("", OFFERS));
        }
        let of_address = self.signalling.offers_by_address.admit(self.address, now);
        of_address.map_err(|allowed| too_many(" from your address", allowed))
    }

    /// Candidates may overtake their offer, and outlive it if it was refused: they are looked at, and
    /// no more. A lite agent needs none of them (RFC 8445 §2.5).
    fn candidate(&mut self, candidate: Option<&IceCandidate>) -> Vec<ServerMessage> {
        let text = candidate.map_or("", |candidate| candidate.candidate.as_str());
        if text.is_empty() || is_candidate(text) {
            return Vec::new();
        }
        let text = shorten(text, QUOTED);
        let message = format!("{text:?} is no candidate attribute (RFC 8839 §5.1)");
        error(None, ErrorCode::BadCandidate, message)
    }

    fn hang_up(&mut self, id: Option<RequestId>) -> Vec<ServerMessage> {
        self.ended = None;
        if self.peer.take().is_some() {
            info!("hung up");
        }
        vec![ServerMessage::HungUp { id }]
    }

    /// What the media plane said; `None` is its last word.
    pub(super) fn note(&mut self, event: Option<PeerEvent>) -> Option<ServerMessage> {
        let Some(event) = event else {
            self.peer = None;
            return None;
        };
        let peer = self.peer.as_mut()?;
        let message = peer.note(event);
        if peer.is_closed() {
            self.ended = peer.state();
            self.peer = None;
        }
        message
    }

    /// Compares the room with what the client was last shown of it.
    pub(super) fn news_of_the_room(&mut self) -> Vec<ServerMessage> {
        let Some((seat, known)) = &mut self.seat else {
            return Vec::new();
        };
        let now = seat.snapshot();
        let news = changes(known, &now);
        *known = now;
        news.into_iter().map(told).collect()
    }
}

fn joined(id: Option<RequestId>, seat: &Seat, snapshot: &RoomSnapshot) -> ServerMessage {
    ServerMessage::Joined {
        id,
        participant: seat.participant().clone(),
        room: snapshot.clone(),
    }
}

fn told(change: Change) -> ServerMessage {
    match change {
        Change::Joined(participant) => ServerMessage::ParticipantJoined { participant },
        Change::Left(participant) => ServerMessage::ParticipantLeft { participant },
    }
}

fn refuse(id: Option<RequestId>, message: &str) -> Vec<ServerMessage> {
    error(id, ErrorCode::BadState, message.to_owned())
}

fn error(id: Option<RequestId>, code: ErrorCode, message: String) -> Vec<ServerMessage> {
    vec![ServerMessage::Error { id, code, message }]
}

fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Unlike any other, here or on another server.
pub(super) fn random_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}
