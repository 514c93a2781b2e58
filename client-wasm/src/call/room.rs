//! The room as this client sees it, and its own place there: what is wanted is compared with what the
//! server was told, and said where they differ, so that a resumed session and a new one need no rules of
//! their own. Knows neither offers nor the WebSocket.

mod others;
mod seen;

use std::collections::BTreeMap;

use ferrite_protocol::{
    ClientMessage, DepartureCause, ErrorCode, LeaveCause, MediaKind, Participant, ParticipantId,
    Pressure, PublicationId, RequestId, Right, RoomId, RoomMessage, RoomSnapshot, ServerMessage,
    Slot, Tracks,
};

use super::effect::{Effect, Ending, Entry, Errand, Undone};
use super::errands::Errands;
use super::muting::Muting;
use super::slots::{Sight, Slots, Wish};
use super::told::{Ids, Told};
use crate::sorted::Map;
pub(crate) use others::{Quality, Speaking};

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Out,
    Asking(RequestId),
    In,
    /// In, as far as one knows: the session was resumed, and the server is about to say.
    Returning,
}

#[derive(Debug)]
pub(crate) struct Room {
    wanted: Option<Entry>,
    state: State,
    /// The room this client was last let into.
    inside: Option<RoomId>,
    own: Option<ParticipantId>,
    people: Vec<Participant>,
    may: Vec<Right>,
    /// Who has the word, and who speaks.
    speaking: Speaking,
    /// How well pictures do.
    quality: Quality,
    /// What each slot carries.
    carried: BTreeMap<String, Slot>,
    muting: Muting,
    /// Nothing where the server is to choose.
    sights: Option<Vec<Sight>>,
    slots: Slots,
    watching: Told<Wish>,
    /// Whether this device keeps up with what it is shown.
    pressure: Pressure,
    pressing: Told<Pressure>,
    errands: Errands,
    /// The number of the last message, and when it was said.
    heard: (u64, u64),
    changes: u32,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            wanted: None,
            state: State::Out,
            inside: None,
            own: None,
            people: Vec::new(),
            may: Vec::new(),
            speaking: Speaking::default(),
            quality: Quality::default(),
            carried: BTreeMap::new(),
            muting: Muting::default(),
            sights: Some(Vec::new()),
            slots: Slots::default(),
            watching: Told::NOTHING,
            pressure: Pressure::Nominal,
            pressing: Told::of(Pressure::Nominal),
            errands: Errands::default(),
            heard: (0, 0),
            changes: 0,
        }
    }

    /// Whether what is sent to others is for who is there.
    pub(super) fn takes_messages(&self) -> bool {
        self.is_in() && self.own.is_some() && !self.is_elsewhere()
    }

    // What the user wants.

    pub(super) fn enter(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        self.people.clear();
        self.own = None;
        self.heard = (0, 0);
        self.errands.drop_all(out);
        self.wanted = Some(entry);
    }

    pub(super) fn leave(&mut self, out: &mut Vec<Effect>) {
        self.errands.drop_all(out);
        if self.wanted.take().is_some() {
            self.changes += 1;
            self.forget_messages(out);
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(super) fn mute(&mut self, key: String, muted: bool) {
        self.muting.set(key, muted);
        self.changes += 1;
    }

    pub(super) fn show(&mut self, sights: Option<Vec<Sight>>) {
        self.sights = sights;
    }

    pub(super) fn ask(&mut self, errand: Errand, out: &mut Vec<Effect>) {
        self.errands.add(errand, out);
        if !self.is_wanted() {
            self.errands.drop_all(out);
        }
    }

    /// Nobody is there to ask, until somebody begins anew.
    pub(super) fn ask_nothing(&mut self, out: &mut Vec<Effect>) {
        self.errands.drop_all(out);
    }

    /// Whether this device keeps up with what it is shown.
    pub(super) fn press(&mut self, pressure: Pressure) {
        self.pressure = pressure;
    }

    // What becomes of the connections.

    /// The session does not go on: nobody is in a room.
    pub(super) fn lost(&mut self, out: &mut Vec<Effect>) {
        self.forget(out);
        self.resumed();
    }

    /// The link is there, and the session goes on.
    pub(super) fn resumed(&mut self) {
        self.state = match self.state {
            State::Out | State::Asking(_) => State::Out,
            State::In | State::Returning => State::Returning,
        };
        self.muting.doubt();
        self.watching.doubt();
        self.pressing.doubt();
    }

    fn forget(&mut self, out: &mut Vec<Effect>) {
        self.errands.drop_asked(out);
        self.forget_messages(out);
        self.state = State::Out;
        self.speaking = Speaking::default();
        self.quality = Quality::default();
        self.muting.begin();
        self.watching = Told::NOTHING;
        self.pressing = Told::of(Pressure::Nominal);
        self.changes += 1;
    }

    /// What was sent to others here is for nobody elsewhere.
    pub(super) fn forget_messages(&self, out: &mut Vec<Effect>) {
        if self.is_in() {
            out.push(Effect::ForgetMessages);
        }
    }

    /// The peer connection is gone, and its slots with it.
    pub(super) fn unplugged(&mut self) {
        self.slots = Slots::default();
        self.watching = Told::NOTHING;
        // It may go with the connection.
        self.pressing.told.take_if(|it| *it != Pressure::Nominal);
        self.pressure = Pressure::Nominal;
        self.quality = Quality::default();
        self.carried.clear();
        self.changes += 1;
    }

    /// An offer goes to the server.
    pub(super) fn offered(&mut self, sdp: &str, tracks: Option<&Tracks>) {
        if let Some(tracks) = tracks {
            self.slots.offered(sdp, tracks);
        }
    }

    /// The server took it.
    pub(super) fn agreed(&mut self) {
        self.slots.agreed();
    }

    /// Compares what is wanted with what the server was told.
    pub(super) fn want(&mut self, has_peer: bool, ids: &mut Ids, out: &mut Vec<Effect>) {
        if self.state == State::In && self.is_elsewhere() {
            let id = Some(ids.next());
            out.push(Effect::Send(ClientMessage::Leave { id }));
            self.own = None;
            self.people.clear();
            self.forget(out);
        }
        match (self.state, &self.wanted) {
            (State::Out, Some(entry)) => {
                let id = ids.next();
                out.push(Effect::Send(join(entry, id)));
                self.state = State::Asking(id);
            }
            (State::In, Some(_)) => self.want_inside(ids, out),
            (State::In | State::Out, None) | (State::Asking(_) | State::Returning, _) => {}
        }
        let needed = self.published(MediaKind::Audio);
        let needed = needed.max(self.published(MediaKind::Video));
        if has_peer
            && self.is_wanted()
            && let Some(slots) = self.slots.grow(needed, self.voices())
        {
            out.push(Effect::Receive(slots));
        }
    }

    /// Whether the room this client is in is not the one that is wanted, or none is.
    fn is_elsewhere(&self) -> bool {
        self.wanted()
            .is_none_or(|wanted| self.inside.as_ref() != Some(wanted))
    }

    fn want_inside(&mut self, ids: &mut Ids, out: &mut Vec<Effect>) {
        out.extend(self.muting.tell(ids).into_iter().map(Effect::Send));
        if let Some(sights) = &self.sights
            && let Some(slots) = self.slots.wish(sights)
            && let Some(id) = self.watching.tell(slots.clone(), ids)
        {
            let id = Some(id);
            out.push(Effect::Send(ClientMessage::Watch { id, slots }));
        }
        if let Some(id) = self.pressing.tell(self.pressure, ids) {
            let (id, state) = (Some(id), self.pressure);
            out.push(Effect::Send(ClientMessage::Pressure { id, state }));
        }
        self.errands.ask(ids, out);
    }

    /// How many are to be heard at a time, where that is said.
    fn voices(&self) -> Option<usize> {
        self.wanted.as_ref()?.voices
    }

    /// How much others publish of a kind.
    fn published(&self, kind: MediaKind) -> usize {
        let others = self.people.iter().filter(|it| Some(&it.id) != self.own());
        let published = others.flat_map(|it| &it.publications);
        published.filter(|it| it.kind == kind).count()
    }

    // What the server says.

    /// Takes a message. What it says may be that this client is not in the room any more.
    pub(super) fn heard(
        &mut self,
        message: ServerMessage,
        out: &mut Vec<Effect>,
    ) -> Option<Ending> {
        self.changes += 1;
        match message {
            ServerMessage::Joined {
                participant,
                room,
                may,
                messages,
                ..
            } => {
                self.let_in(participant, room, may);
                messages.into_iter().for_each(|it| self.hear(it, out));
            }
            ServerMessage::Left { cause, reason, .. } => return self.left(cause?, reason, out),
            ServerMessage::ParticipantJoined { participant }
            | ServerMessage::ParticipantUpdated { participant } => self.update(participant),
            ServerMessage::ParticipantLeft { participant, cause } => {
                self.gone(participant, cause, out);
            }
            ServerMessage::Watching { id, slots } => {
                self.watching.reply(id);
                self.carried = slots;
            }
            ServerMessage::Speaking {
                active,
                participants,
            } => {
                self.speaking = Speaking {
                    active,
                    participants,
                };
            }
            ServerMessage::Quality {
                bits_per_second,
                slots,
                arrives,
            } => {
                self.quality = Quality::new(bits_per_second, self.by_publication(slots), arrives);
            }
            ServerMessage::Said { message } => self.hear(message, out),
            ServerMessage::Done { id } => self.done(id, out),
            // Of a room the server would have told before it answered this.
            ServerMessage::Pong { .. } if self.state == State::Returning => self.forget(out),
            ServerMessage::Muted {
                publication,
                reason,
            } => self.muted_by_others(publication, reason, out),
            // These are about other things than the room.
            ServerMessage::Welcome { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::Candidate { .. }
            | ServerMessage::EndOfCandidates {}
            | ServerMessage::PeerState { .. }
            | ServerMessage::Wanted { .. }
            | ServerMessage::HungUp { .. }
            | ServerMessage::Explained { .. }
            | ServerMessage::Error { .. }
            | ServerMessage::GoingAway { .. }
            | ServerMessage::Ping { .. }
            | ServerMessage::Pong { .. } => {}
        }
        None
    }

    fn done(&mut self, id: Option<RequestId>, out: &mut Vec<Effect>) {
        self.muting.reply(id);
        self.pressing.reply(id);
        self.errands.replied(id, Ok(()), out);
    }

    fn let_in(&mut self, own: ParticipantId, room: RoomSnapshot, may: Vec<Right>) {
        if self.state == State::Returning {
            self.errands.doubt();
        }
        self.state = State::In;
        self.inside = Some(room.id);
        self.own = Some(own);
        self.people = room.participants;
        self.may = may;
        self.speaking = Speaking::default();
        let shown = published_by(&self.people, self.own.as_ref());
        self.muting.is_let_in(shown);
    }

    /// What is said of slots, of what they carry.
    fn by_publication<T>(&self, slots: BTreeMap<String, T>) -> Map<PublicationId, T> {
        let carried = |mid: &String| Some(self.carried.get(mid)?.publication.clone());
        let slots = slots.into_iter();
        slots
            .filter_map(|(mid, it)| Some((carried(&mid)?, it)))
            .collect()
    }

    fn left(
        &mut self,
        cause: LeaveCause,
        reason: Option<String>,
        out: &mut Vec<Effect>,
    ) -> Option<Ending> {
        self.forget(out);
        self.errands.drop_all(out);
        let ending = Ending::MadeToLeave(cause, reason);
        self.wanted.take().map(|_| ending)
    }

    fn gone(&mut self, who: ParticipantId, cause: Option<DepartureCause>, out: &mut Vec<Effect>) {
        self.people.retain(|it| it.id != who);
        out.extend(cause.map(|cause| Effect::Depart(who, cause)));
    }

    /// The update before it shows it, or the one before that which was this client's own doing. Said again after a cut,
    /// it may be of what this client has unmuted since, and the server has not heard so.
    fn muted_by_others(
        &mut self,
        publication: PublicationId,
        reason: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        self.told_to_mute();
        let key = publication.parts().map(|(_, key)| key);
        if key.is_some_and(|key| self.is_muted(key)) {
            out.push(Effect::ShowMuted(publication, reason));
        }
    }

    fn update(&mut self, participant: Participant) {
        let is_own = self.own() == Some(&participant.id);
        match self.people.iter_mut().find(|it| it.id == participant.id) {
            Some(known) => *known = participant,
            None => self.people.push(participant),
        }
        if is_own {
            self.told_to_mute();
        }
    }

    /// Somebody else may have muted what this client publishes.
    fn told_to_mute(&mut self) {
        let shown = published_by(&self.people, self.own.as_ref());
        let muted = shown.filter(|(_, is_muted)| *is_muted);
        muted.for_each(|(key, _)| self.muting.is_shown(key));
    }

    /// What comes again in a new session was heard already. A server that was started anew begins to
    /// number anew, and what is said there is said later.
    fn hear(&mut self, message: RoomMessage, out: &mut Vec<Effect>) {
        let (number, at) = self.heard;
        if message.number <= number && message.at <= at {
            return;
        }
        self.heard = (message.number, message.at);
        if self.own() == Some(&message.from) {
            self.errands.heard(&message, out);
        }
        out.push(Effect::Hear(message));
    }

    /// A request was refused, or something that is no request.
    pub(super) fn refused(
        &mut self,
        id: Option<RequestId>,
        code: ErrorCode,
        words: String,
        out: &mut Vec<Effect>,
    ) -> Option<Ending> {
        let undone = Undone::Refused(code, words.clone());
        if self.errands.replied(id, Err(undone), out) {
            return None;
        }
        self.muting.reply(id);
        self.watching.reply(id);
        match self.state {
            State::Asking(asked) if id == Some(asked) => {
                self.forget(out);
                self.leave(out);
                return Some(Ending::Refused(code, words));
            }
            State::In if is_complaint(code) => out.push(Effect::Complain(words)),
            State::In | State::Returning | State::Asking(_) | State::Out => {}
        }
        None
    }
}

/// Whether an error may be about what one does in a room.
fn is_complaint(code: ErrorCode) -> bool {
    match code {
        ErrorCode::BadState
        | ErrorCode::LimitExceeded
        | ErrorCode::NotAllowed
        | ErrorCode::Internal
        | ErrorCode::Other => true,
        ErrorCode::BadMessage
        | ErrorCode::UnknownType
        | ErrorCode::VersionMismatch
        | ErrorCode::BadOffer
        | ErrorCode::BadCandidate
        | ErrorCode::ResumeFailed
        | ErrorCode::Refused => false,
    }
}

fn join(entry: &Entry, id: RequestId) -> ClientMessage {
    ClientMessage::Join {
        id: Some(id),
        room: entry.room.clone(),
        name: entry.name.clone(),
        metadata: entry.metadata.clone(),
        token: entry.token.clone(),
    }
}

/// The keys of what somebody publishes, and whether it is muted.
fn published_by<'a>(
    people: &'a [Participant],
    who: Option<&ParticipantId>,
) -> impl Iterator<Item = (&'a str, bool)> {
    let them = people.iter().find(|it| Some(&it.id) == who);
    let published = them.into_iter().flat_map(|it| &it.publications);
    published.filter_map(|it| Some((it.id.parts()?.1, it.muted)))
}
