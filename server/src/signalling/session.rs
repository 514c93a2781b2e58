//! What one client asked for and is told: its room, its peer, and the rules.
//!
//! No IO: every function takes what came in and gives what is to be sent. Whatever a client sends,
//! the worst that comes of it is an error message.

mod calling;
mod presence;
mod rights;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ferrite_protocol::{
    ClientMessage, DepartureCause, ErrorCode, IceServer, PROTOCOL_VERSION, ParticipantId, Pressure,
    RequestId, ResumeToken, RoomId, ServerMessage, SessionId, Watch,
};
use tracing::{debug, info};

use super::admission::{Introduction, admit};
use super::hub::Signalling;
use super::membership::{Membership, refusal};
use super::messages::Messages;
use super::peer::Peer;
use super::place::Caller;
use super::relaying::{Now, Relaying};
use super::replies::{NO_ROOM, error, refuse};
use super::sections::Sections;
use super::socket::Gone;
use super::vigil::Vigil;
use super::{speaking, wanted};
use crate::clock::unix_time;
use crate::media::PeerEvent;
use crate::rate::Bucket;
use crate::room::{Inbox, Seat};

/// One client, for as long as it is one.
#[derive(Debug)]
pub(super) struct Session {
    id: SessionId,
    signalling: Arc<Signalling>,
    /// Where it was opened.
    address: IpAddr,
    /// The client can reach loopback addresses.
    pub(super) loopback: bool,
    /// Its place in a room.
    pub(super) room: Option<Membership>,
    pub(super) peer: Option<Peer>,
    /// What it may open relays with: they end with it.
    relaying: Relaying,
    /// What its media is for.
    sections: Sections,
    /// Its messages on data channels.
    messages: Messages,
    /// What it was told of who speaks.
    speaking: speaking::Told,
    /// What it was told of which layers are wanted.
    wanted: wanted::Told,
    /// What it was told last of how well its pictures do.
    quality: Option<ServerMessage>,
    /// The media plane was too busy to take the plan as it is.
    plan_is_due: bool,
    /// Its WebSocket is gone.
    is_parked: bool,
    /// Its peer was given up for its silence, and nothing came of the client since.
    is_lost: bool,
    /// Why it had to leave its room while nobody was there to be told.
    farewell: Option<ServerMessage>,
    /// The last word about the peer, when it ended by itself. Whoever missed it holds one end of a
    /// connection that has no other any more.
    ended: Option<ServerMessage>,
    offers: Bucket,
    /// Over its call, until that is connected.
    vigil: Vigil,
}

impl Session {
    /// The client goes on from there: another network, perhaps, from which its peer is let in, too.
    pub(super) fn come_from(&mut self, caller: Caller) {
        self.address = caller.address;
        self.loopback = caller.loopback;
        if let Some(peer) = &self.peer {
            peer.permit(self.address, std::iter::empty());
        }
    }

    pub(super) fn new(signalling: Arc<Signalling>, id: SessionId, caller: Caller) -> Self {
        Self {
            id,
            signalling,
            address: caller.address,
            loopback: caller.loopback,
            room: None,
            peer: None,
            relaying: Relaying::default(),
            sections: Sections::default(),
            messages: Messages::new(Instant::now()),
            speaking: speaking::Told::default(),
            wanted: wanted::Told::default(),
            quality: None,
            plan_is_due: false,
            is_parked: false,
            is_lost: false,
            farewell: None,
            ended: None,
            offers: Bucket::new(Instant::now()),
            vigil: Vigil::new(Instant::now()),
        }
    }

    /// Answers a hello.
    pub(super) fn welcome(&mut self, resume_token: ResumeToken, resumed: bool) -> ServerMessage {
        let interval = self.signalling.config.signalling.ping_interval.as_millis();
        ServerMessage::Welcome {
            version: PROTOCOL_VERSION,
            session: self.id.clone(),
            resume_token,
            resumed,
            ping_interval_ms: interval.try_into().unwrap_or(u32::MAX),
            ice_servers: self.ice_servers(),
        }
    }

    /// What the client may use to find a way here, from now on.
    fn ice_servers(&mut self) -> Vec<IceServer> {
        let (turn, lifetime) = (
            &self.signalling.turn,
            self.signalling.config.turn.credential_time,
        );
        let now = Now {
            instant: Instant::now(),
            unix: unix_time(),
        };
        let login = self.relaying.tell(now, turn.credentials(), lifetime);
        turn.ice_servers(login, self.loopback)
    }

    /// When [`tell_ice_servers`](Self::tell_ice_servers) is to be asked, if so.
    pub(super) fn ice_servers_are_due(&self) -> Option<Instant> {
        self.relaying.due()
    }

    /// Others in the place of those that the client was told.
    pub(super) fn tell_ice_servers(&mut self) -> ServerMessage {
        ServerMessage::IceServers {
            ice_servers: self.ice_servers(),
        }
    }

    /// Everything a client has to know that missed an unknown part of it, and has what was said up to this
    /// message.
    pub(super) fn state(&mut self, last_message: Option<u64>) -> Vec<ServerMessage> {
        let mut messages: Vec<_> = self.farewell.take().into_iter().collect();
        self.is_parked = false;
        self.is_lost = false;
        self.show_state();
        if let Some(room) = &mut self.room {
            messages.extend(room.welcome_back(last_message));
            self.speaking.forget();
            self.follow_room();
            let has_slots = self.sections.are_for_a_room();
            messages.extend(self.sections.news(None, has_slots));
            // Nobody looks again at what was seen with this.
            if let Some(farewell) = self.put_out() {
                messages.push(farewell);
                self.follow_room();
                messages.extend(self.sections.news(None, false));
            }
        }
        let state = self.peer.as_ref().and_then(Peer::state);
        messages.extend(state.or_else(|| self.ended.clone()));
        messages.extend(self.peer.as_ref().and_then(Peer::relayed_candidate));
        messages.extend(self.tell_speaking());
        self.wanted.doubt();
        messages.extend(self.tell_wanted());
        messages.extend(self.quality.clone());
        messages
    }

    /// Answers a message.
    pub(super) fn answer(&mut self, message: ClientMessage) -> Vec<ServerMessage> {
        match message {
            ClientMessage::Join {
                id,
                room,
                name,
                metadata,
                token,
            } => {
                let introduction = Introduction {
                    name,
                    metadata,
                    token,
                };
                self.join(id, room, introduction)
            }
            ClientMessage::Leave { id } => self.leave(id),
            ClientMessage::Authorize { id, token } => self.authorize(id, &token),
            ClientMessage::Watch { id, slots } => self.watch(id, slots),
            ClientMessage::Pressure { id, state } => self.press(id, state),
            ClientMessage::Update { id, .. }
            | ClientMessage::Mute { id, .. }
            | ClientMessage::Say { id, .. }
            | ClientMessage::Kick { id, .. }
            | ClientMessage::MutePublication { id, .. }
            | ClientMessage::EndRoom { id, .. } => match &self.room {
                Some(room) => vec![room.answer(message)],
                None => refuse(id, NO_ROOM),
            },
            ClientMessage::Offer { id, sdp, tracks } => self.offer(id, &sdp, tracks),
            ClientMessage::Candidate { candidate } => self.candidate(candidate.as_ref()),
            ClientMessage::EndOfCandidates {} => self.candidate(None),
            ClientMessage::HangUp { id } => self.hang_up(id),
            ClientMessage::Explain { id, seen } => self.explain(id, seen),
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
        introduction: Introduction,
    ) -> Vec<ServerMessage> {
        if self.room.is_some() {
            return refuse(id, "this session is in a room already; leave it first");
        }
        if room.0.is_empty() {
            return refuse(id, "a room has a name");
        }
        let stranger = ParticipantId(random_id());
        let (keys, now) = (&self.signalling.keys, SystemTime::now());
        let new_rooms = self.signalling.config.tokens.new_rooms;
        let newcomer = match admit(keys, new_rooms, &room, introduction, stranger, now) {
            Ok(newcomer) => newcomer,
            Err(refused) => return error(id, ErrorCode::NotAllowed, refused.to_string()),
        };
        let seat = match Seat::take(&self.signalling.rooms, room, newcomer) {
            Ok(seat) => seat,
            Err(refused) => return vec![refusal(id, &refused)],
        };
        // A room's name may be all that one needs to get in.
        debug!(room = %seat.room(), "room");
        info!(participant = %seat.participant(), "joined a room");
        self.messages.sit(seat.inbox());
        let joined = self.room.insert(Membership::new(seat)).welcome(id);
        self.show_state();
        let refused = self.publish(id);
        self.follow_room();
        let watching = self.sections.news(None, false);
        self.speaking.forget();
        self.wanted = wanted::Told::default();
        [joined]
            .into_iter()
            .chain(refused)
            .chain(watching)
            .chain(self.tell_speaking())
            .chain(self.tell_wanted())
            .collect()
    }

    fn watch(
        &mut self,
        id: Option<RequestId>,
        slots: BTreeMap<String, Option<Watch>>,
    ) -> Vec<ServerMessage> {
        if self.room.is_none() {
            return refuse(id, NO_ROOM);
        }
        self.sections.watch(slots);
        self.follow_room();
        self.sections.news(id, true).into_iter().collect()
    }

    fn press(&mut self, id: Option<RequestId>, pressure: Pressure) -> Vec<ServerMessage> {
        if self.room.is_none() {
            return refuse(id, NO_ROOM);
        }
        self.sections.press(pressure);
        self.follow_room();
        vec![ServerMessage::Done { id }]
    }

    /// Makes the media plane do as the room and the client's wishes are now.
    fn follow_room(&mut self) {
        let outlook = self.room.as_ref().map(Membership::outlook);
        if self.sections.follow(outlook) {
            self.plan_is_due = true;
        }
        self.carry_out();
    }

    /// Gives the media plane what is due: a plan, and messages.
    pub(super) fn carry_out(&mut self) {
        let now = Instant::now();
        self.messages.let_go(now, inbox(self.room.as_ref()));
        let Some(peer) = &self.peer else {
            return;
        };
        if self.plan_is_due {
            self.plan_is_due = !peer.follow(self.sections.plan());
        }
        self.messages.carry_out(peer, now);
        if self.vigil.is_due(now) {
            self.vigil.was_put(now, peer.testify());
        }
    }

    /// When [`carry_out`](Self::carry_out) is to be tried, if so; `None` is soon.
    pub(super) fn due(&self) -> Option<Option<Instant>> {
        let kept = self.messages.kept_until();
        if self.peer.is_none() {
            return kept.map(Some);
        }
        let messages = self.messages.due();
        if self.plan_is_due || messages == Some(None) {
            return Some(None);
        }
        let dues = [messages.flatten(), self.vigil.due(), kept];
        dues.into_iter().flatten().min().map(Some)
    }

    /// Whether messages of the room may be taken now.
    pub(super) fn takes_messages(&self) -> bool {
        self.messages.takes_more()
    }

    /// Passes on what waits for the client. Says so where that is much.
    pub(super) fn pass_messages_on(&mut self) -> Result<Option<ServerMessage>, Gone> {
        let Some(room) = &self.room else {
            return Ok(None);
        };
        (self.messages).pass_on(room.seat().inbox(), self.peer.as_ref())
    }

    /// There is another peer connection, or none: what was said over the one before, or of it, is of no use.
    fn forget_peer(&mut self) {
        let until = self.keeps_messages_until();
        self.messages.lose_peer(until, inbox(self.room.as_ref()));
        self.sections.note_watched(Vec::new());
        self.wanted = wanted::Told::default();
        self.quality = None;
    }

    /// How long what others send is kept for a client that loses its channel now.
    fn keeps_messages_until(&self) -> Instant {
        Instant::now() + self.signalling.config.signalling.resume_time
    }

    fn leave(&mut self, id: Option<RequestId>) -> Vec<ServerMessage> {
        self.departs(DepartureCause::Left);
        let Some(room) = self.room.take() else {
            return refuse(id, NO_ROOM);
        };
        info!(participant = %room.seat().participant(), "left the room");
        self.quality = None;
        self.follow_room();
        let left = ServerMessage::Left {
            id,
            cause: None,
            reason: None,
        };
        let watching = self.sections.news(None, false);
        [left].into_iter().chain(watching).collect()
    }

    /// What the media plane said; `None` is its last word.
    pub(super) fn note(&mut self, event: Option<PeerEvent>) -> Vec<ServerMessage> {
        let Some(event) = event else {
            self.lose_peer();
            return self.vigil.lose_peer().into_iter().collect();
        };
        let until = self.keeps_messages_until();
        let Some(peer) = &mut self.peer else {
            return Vec::new();
        };
        let seat = self.room.as_ref().map(Membership::seat);
        match event {
            PeerEvent::State {
                ice,
                dtls,
                connection,
                reason,
            } => {
                let message = peer.note(ice, dtls, connection, reason);
                message.into_iter().chain(self.note_state()).collect()
            }
            PeerEvent::Evidence(seen) => {
                let seen = peer.evidence(*seen, self.address);
                let explained = self.vigil.hear(seen, peer.is_connected());
                explained.into_iter().collect()
            }
            PeerEvent::Paused(sections) => {
                self.sections.starve(&sections);
                self.sections.news(None, false).into_iter().collect()
            }
            PeerEvent::Watched(sections) => {
                self.sections.note_watched(sections);
                self.tell_wanted().into_iter().collect()
            }
            PeerEvent::Quality(quality) => self.tell_quality(*quality).into_iter().collect(),
            PeerEvent::Voice { section, voice } => {
                if let Some(seat) = seat
                    && let Some(track) = self.sections.track(section)
                {
                    seat.hear(Instant::now(), track, voice);
                }
                Vec::new()
            }
            PeerEvent::Channel(reliable) => {
                let inbox = inbox(self.room.as_ref());
                self.messages.change(reliable, until, inbox);
                Vec::new()
            }
            PeerEvent::Messages(messages) => {
                let now = Instant::now();
                let refused = self.messages.hear(&messages, seat, now);
                self.messages.carry_out(peer, now);
                refused
            }
            PeerEvent::Candidates => peer.relayed_candidate().into_iter().collect(),
            PeerEvent::Sent => {
                self.messages.sent(peer);
                Vec::new()
            }
        }
    }

    /// The peer connection changed. What is owed to who asked after one that is gone.
    fn note_state(&mut self) -> Option<ServerMessage> {
        self.show_state();
        let peer = self.peer.as_ref()?;
        if peer.is_connected() {
            self.vigil.end();
        }
        if !peer.is_closed() {
            return None;
        }
        self.ended = peer.state();
        self.lose_peer();
        self.vigil.lose_peer()
    }
}

/// Where others' messages wait for who is in a room.
fn inbox(room: Option<&Membership>) -> Option<&Inbox> {
    room.map(|room| &**room.seat().inbox())
}

/// Unlike any other, here or on another server.
pub(super) fn random_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}
