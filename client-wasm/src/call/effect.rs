//! What goes into a call and what comes out: the words its machine and its surroundings share.

use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::{
    ClientEvidence, ClientMessage, CloseCode, DepartureCause, ErrorCode, IceCandidate, IceServer,
    JoinToken, LeaveCause, ParticipantId, PublicationId, RoomId, RoomMessage, ServerMessage,
    Tracks,
};

use super::flow::Traffic;
use super::slots::{Sight, SlotCounts};
use crate::sorted::Map;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The user wants the signalling link.
    Connect,
    /// The user wants a call.
    Start,
    /// The user wants to be in a room, with a call.
    Enter(Entry),
    /// The user mutes what is published under this key, or no longer.
    Mute(String, bool),
    /// The page has places for these pictures; what comes first matters most. Without any list the server
    /// chooses.
    Show(Option<Vec<Sight>>),
    /// The user asks something of the room, once.
    Ask(Errand),
    /// The user wants a new media path.
    RestartIce,
    /// The user wants no call, and keeps the link.
    HangUp,
    /// The user wants nothing any more.
    Close,
    /// The user wants another attempt now.
    Retry,
    /// The browser thinks that there is a network, perhaps another than before, or none.
    Online(bool),
    /// The page went to the back, or came to the front.
    Hidden(bool),
    /// The WebSocket opened.
    SocketOpened,
    /// The WebSocket closed or could not be opened.
    SocketClosed {
        /// RFC 6455 §7.4.
        code: u16,
    },
    /// The server said something.
    Heard(ServerMessage),
    /// The peer connection could not be made.
    PeerFailed(String),
    /// The peer connection needs an offer.
    NegotiationNeeded,
    /// The offer asked for with [`Effect::MakeOffer`], set as local description.
    OfferMade(Result<Offer, String>),
    /// How [`Effect::ApplyAnswer`] went.
    AnswerApplied(Result<(), String>),
    /// The browser gathered a candidate, or all (`None`).
    LocalCandidate(Option<IceCandidate>),
    /// The peer connection's `connectionState` changed.
    PeerState(PeerState),
    /// What went over the peer connection so far.
    Traffic(Traffic),
    /// What [`Effect::Investigate`] found.
    Saw(Box<ClientEvidence>),
    /// The server closed the peer connection.
    PeerClosed,
    /// The data channel is open.
    ChannelOpened,
    /// The data channel closed, and this end did not close it.
    ChannelClosed,
    /// A timer set with [`Effect::Arm`] fired.
    Fired(Timer),
}

/// How to get into a room.
#[derive(Clone, Debug)]
pub struct Entry {
    /// It is made if it is not there.
    pub room: RoomId,
    /// What others may call this client.
    pub name: Option<String>,
    /// Whatever the application wants others to know of it.
    pub metadata: Option<String>,
    /// Who this is and what they may do, where the server has keys.
    pub token: Option<JoinToken>,
    /// How many others are heard at a time, from 1 to [`MAX_VOICES`](crate::MAX_VOICES): where more publish sound, those who
    /// speak or spoke last. What is beyond is taken for the nearest. Without, that is five, but all of up to eight.
    pub voices: Option<usize>,
}

/// Why one is not in the room although one wanted to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The server did not let this client in; its own words.
    Refused(ErrorCode, String),
    /// This client was made to leave, and perhaps whoever did it said why.
    MadeToLeave(LeaveCause, Option<String>),
}

/// What somebody watches of what is published here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// These layers, by their `rid`s.
    Layers(Vec<String>),
    /// What is left of one stream when its width and height are halved so often.
    Halved(u8),
}

/// Something to ask.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Errand {
    pub(crate) request: Request,
    /// Who asks waits to hear under this number what became of it. Without one, only a refusal is shown.
    pub(crate) ticket: Option<u32>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Say {
        to: Option<Vec<ParticipantId>>,
        topic: String,
        text: String,
    },
    Kick {
        participant: ParticipantId,
        reason: Option<String>,
    },
    MutePublication {
        publication: PublicationId,
        reason: Option<String>,
    },
    EndRoom {
        reason: Option<String>,
    },
}

/// Why something asked for was not done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Undone {
    /// The server's own words.
    Refused(ErrorCode, String),
    /// This client is in no room, or was another there before there was a reply.
    Outside,
    /// Too much waits already.
    Full,
}

/// An offer, as the browser made it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) sdp: String,
    /// What its sections are for, in a room.
    pub(crate) tracks: Option<Tracks>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Open a WebSocket.
    Connect,
    /// Close the WebSocket with this code, and say no more about it.
    Disconnect(CloseCode),
    /// Send on the WebSocket.
    Send(ClientMessage),
    /// Make a peer connection; it will ask for negotiation.
    CreatePeer(Vec<IceServer>),
    /// Close the peer connection.
    ClosePeer,
    /// Have so many slots of each kind; the peer connection will ask for negotiation.
    Receive(SlotCounts),
    /// Send what is wanted of what is published, by key, and no more.
    Want(Map<String, Wanted>),
    /// Make an offer and set it as local description.
    MakeOffer,
    /// Set the remote description.
    ApplyAnswer(String),
    /// Add a remote candidate.
    AddCandidate(Option<IceCandidate>),
    /// Find out what the browser knows of a peer connection that is not connected.
    Investigate,
    /// Gather candidates with these from the next ICE restart on.
    GatherWith(Vec<IceServer>),
    /// Have the next offer restart ICE; the peer connection will ask for negotiation.
    RestartIce,
    /// Send nothing more of what was sent to others in the room: it is for nobody elsewhere.
    ForgetMessages,
    /// The server has another session: it knows nothing of what was sent and came before.
    BeginSession,
    /// Show what somebody in the room said.
    Hear(RoomMessage),
    /// Show why something in the room could not be done.
    Complain(String),
    /// Show that somebody else muted what this client publishes, and perhaps why.
    ShowMuted(PublicationId, Option<String>),
    /// Tell why somebody else is about to be gone.
    Depart(ParticipantId, DepartureCause),
    /// Tell who asked under this number what became of it.
    Settle(u32, Result<(), Undone>),
    /// Show why one is not in the room any more.
    End(Ending),
    /// Fire this timer after so many milliseconds, and forget when it was to fire before.
    Arm(Timer, u32),
    /// Do not fire this timer.
    Disarm(Timer),
}

/// The timers of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The link's deadline has come.
    Link,
    /// The answer is late.
    Answer,
    /// The media path should work by now.
    Path,
    /// The first connection takes unusually long.
    Slow,
}
