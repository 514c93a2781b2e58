//! A session's place in its room: what it was told of it, and what it asks of it. No IO: what is to be said
//! comes out.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ferrite_protocol::{
    ClientMessage, DataError, DepartureCause, ErrorCode, ParticipantState, PublicationId,
    RequestId, Right, RoomMessage, ServerMessage,
};

use super::sections::Outlook;
use super::socket::Gone;
use crate::auth::Grants;
use crate::media::{Talk, TrackId};
use crate::room::{
    Change, Forgotten, NewPublication, RoomError, Said, Seat, Speaking, View, changes,
};

/// A seat, and what whoever sits there was told.
#[derive(Debug)]
pub(super) struct Membership {
    seat: Seat,
    /// How others see whoever sits there.
    state: ParticipantState,
    known: Arc<View>,
    /// The number of the last message told.
    heard: u64,
    /// It may see and hear others.
    subscribes: bool,
    /// Who it is to the others, for messages.
    talk: Arc<Talk>,
}

/// What is new to whoever has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The room is not as it was.
    View,
    /// Messages wait on their way to a data channel, or too many do.
    Messages,
}

impl Membership {
    /// Somebody sat down.
    pub(super) fn new(mut seat: Seat) -> Self {
        let known = seat.view();
        let mut membership = Self {
            state: ParticipantState::Connected,
            heard: known.said,
            known,
            subscribes: true,
            talk: Arc::new(talk(&seat, false)),
            seat,
        };
        membership.look_up_grants();
        membership
    }

    /// The seat.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// The seat is about to be given up: others are told why.
    pub(super) fn departs(&mut self, cause: DepartureCause) {
        self.seat.departs(cause);
    }

    /// Others see whether the client is there.
    pub(super) fn show_state(&mut self, state: ParticipantState) {
        if self.state != state {
            self.state = state;
            self.seat.set_state(state);
        }
    }

    /// Waits until there is something new; `takes` messages, or they wait.
    pub(super) async fn changed(&mut self, takes: bool) -> News {
        let inbox = Arc::clone(self.seat.inbox());
        tokio::select! {
            () = self.seat.changed() => News::View,
            () = inbox.ready(takes) => News::Messages,
        }
    }

    /// The room as it was last looked at, and from where.
    pub(super) fn outlook(&self) -> Outlook<'_> {
        Outlook {
            view: &self.known,
            own: self.seat.serial(),
            subscribes: self.subscribes,
            talk: &self.talk,
        }
    }

    /// Shows the whole room to who comes.
    pub(super) fn welcome(&self, id: Option<RequestId>) -> ServerMessage {
        self.joined(id, self.seat.chat())
    }

    /// Shows the whole room to who comes back, with what was said after the last message they have, and what others
    /// muted: what they were told of either before the WebSocket broke may not have come.
    pub(super) fn welcome_back(&mut self, last: Option<u64>) -> Vec<ServerMessage> {
        // Before the view: that shows at least what these are of.
        let still_muted = self.seat.still_muted_by_others().into_iter().map(muted);
        self.known = self.seat.view();
        let after = last.unwrap_or(self.heard);
        // What is kept is all there is to tell.
        let said = self.seat.said_after(after);
        let said = said.or_else(|Forgotten(until)| self.seat.said_after(until));
        let said = said.unwrap_or_default();
        self.heard = self.known.said.max(after);
        let said = said.into_iter().filter(|it| it.number <= self.heard);
        let messages = said.map(|it| RoomMessage::clone(&it)).collect();
        let joined = self.joined(None, messages);
        [joined].into_iter().chain(still_muted).collect()
    }

    fn joined(&self, id: Option<RequestId>, messages: Vec<RoomMessage>) -> ServerMessage {
        ServerMessage::Joined {
            id,
            participant: self.seat.participant().clone(),
            room: self.known.snapshot(self.seat.serial()),
            may: self.seat.grants().map_or_else(|_| Vec::new(), rights),
            messages,
        }
    }

    /// Looks at the room again. Says what is different, and whether somebody is.
    pub(super) fn news(&mut self) -> Result<(Vec<ServerMessage>, bool), Gone> {
        // Before the view: that shows at least what these are of.
        let muted = self.seat.muted_by_others().into_iter().map(muted);
        let now = self.seat.view();
        let is_as_it_was = now.has_same_members(&self.known) && now.has_same_speakers(&self.known);
        let news = changes(&self.known, &now, self.seat.serial()).into_iter();
        let mut messages: Vec<_> = news.map(told).chain(muted).collect();
        let said = now.said;
        self.known = now;
        if said > self.heard {
            let new = self.seat.said_after(self.heard);
            let new = new.map_err(|Forgotten(_)| Gone::Excess(SLOW.to_owned()))?;
            let new = new.iter().take_while(|message| message.number <= said);
            messages.extend(new.map(|message| ServerMessage::Said {
                message: RoomMessage::clone(message),
            }));
            self.heard = said;
        }
        Ok((messages, !is_as_it_was))
    }

    /// Who speaks.
    pub(super) fn speaking(&self) -> Speaking {
        self.known.speaking(self.seat.serial())
    }

    /// Looks at the room again while nobody is there to be told.
    pub(super) fn look(&mut self) {
        self.known = self.seat.view();
    }

    /// What is to be said to who was made to leave, if they were.
    pub(super) fn farewell(&self) -> Option<ServerMessage> {
        if self.known.member(self.seat.serial()).is_some() {
            return None;
        }
        let removal = self.seat.removal()?;
        Some(ServerMessage::Left {
            id: None,
            cause: Some(removal.cause),
            reason: removal.reason,
        })
    }

    /// Another token may say something else.
    pub(super) fn look_up_grants(&mut self) {
        let grants = self.seat.grants().ok();
        self.subscribes = grants.as_ref().is_some_and(|grants| grants.subscribe);
        let may_send = grants.is_some_and(|grants| grants.publish_data);
        self.talk = Arc::new(talk(&self.seat, may_send));
    }

    /// Takes what is published: all of it or, where the room refuses that, nothing.
    pub(super) fn publish(&self, wanted: Vec<NewPublication>) -> Result<Vec<TrackId>, RoomError> {
        let published = self.seat.publish(wanted);
        published.inspect_err(|_| {
            // What was published before is not in what the client said last.
            let _ = self.seat.publish(Vec::new());
        })
    }

    /// Does what a message asks of the room.
    pub(super) fn answer(&self, message: ClientMessage) -> ServerMessage {
        let seat = &self.seat;
        let (id, done) = match message {
            ClientMessage::Update { id, name, metadata } => (id, seat.update(name, metadata)),
            ClientMessage::Mute { id, keys } => (id, seat.mute(keys)),
            ClientMessage::Kick {
                id,
                participant,
                reason,
            } => (id, seat.kick(&participant, reason)),
            ClientMessage::MutePublication {
                id,
                publication,
                reason,
            } => (id, seat.mute_publication(&publication, reason)),
            ClientMessage::EndRoom { id, reason } => (id, seat.end(reason.as_deref())),
            ClientMessage::Say {
                id,
                to,
                topic,
                text,
            } => {
                let at = milliseconds_since_1970(SystemTime::now());
                let said = Said {
                    to,
                    topic,
                    text,
                    at,
                };
                (id, seat.say(said))
            }
            // The session sees to these.
            ClientMessage::Hello { .. }
            | ClientMessage::Join { .. }
            | ClientMessage::Authorize { .. }
            | ClientMessage::Watch { .. }
            | ClientMessage::Pressure { .. }
            | ClientMessage::Leave { .. }
            | ClientMessage::Offer { .. }
            | ClientMessage::Candidate { .. }
            | ClientMessage::EndOfCandidates {}
            | ClientMessage::HangUp { .. }
            | ClientMessage::Explain { .. }
            | ClientMessage::Ping { .. }
            | ClientMessage::Pong { .. } => (None, Ok(())),
        };
        match done {
            Ok(()) => ServerMessage::Done { id },
            Err(error) => refusal(id, &error),
        }
    }
}

fn talk(seat: &Seat, may_send: bool) -> Talk {
    Talk {
        gathering: seat.gathering().clone(),
        participant: seat.participant().0.as_str().into(),
        may_send,
    }
}

const SLOW: &str = "more was said in the room than is kept for who reads so slowly";

/// Says why the room refused something.
pub(super) fn refusal(id: Option<RequestId>, error: &RoomError) -> ServerMessage {
    let code = match error {
        RoomError::Full(_)
        | RoomError::TooManyRooms(_)
        | RoomError::TooManyPublications(_)
        | RoomError::TooManyInRoom(_) => ErrorCode::LimitExceeded,
        RoomError::NotAllowed(_) => ErrorCode::NotAllowed,
        RoomError::BadKey => ErrorCode::BadOffer,
        RoomError::NoRoom | RoomError::NoParticipant | RoomError::NoPublication => {
            ErrorCode::BadState
        }
        RoomError::BadData(DataError::TooLong { .. } | DataError::TooManyRecipients) => {
            ErrorCode::LimitExceeded
        }
        RoomError::BadData(
            DataError::Short
            | DataError::Version(_)
            | DataError::Kind(_)
            | DataError::NotUtf8
            | DataError::NoRecipient,
        ) => ErrorCode::BadMessage,
    };
    ServerMessage::Error {
        id,
        code,
        message: error.to_string(),
    }
}

/// What these allow, as the protocol names it.
fn rights(grants: Grants) -> Vec<Right> {
    let rights = [
        (grants.publish, Right::Publish),
        (grants.subscribe, Right::Subscribe),
        (grants.publish_data, Right::Say),
        (grants.admin, Right::Moderate),
    ];
    let allowed = rights.into_iter().filter(|(allowed, _)| *allowed);
    allowed.map(|(_, right)| right).collect()
}

fn told(change: Change) -> ServerMessage {
    match change {
        Change::Joined(participant) => ServerMessage::ParticipantJoined { participant },
        Change::Updated(participant) => ServerMessage::ParticipantUpdated { participant },
        Change::Left(participant, cause) => ServerMessage::ParticipantLeft { participant, cause },
    }
}

fn muted((publication, reason): (PublicationId, Option<String>)) -> ServerMessage {
    ServerMessage::Muted {
        publication,
        reason,
    }
}

fn milliseconds_since_1970(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
