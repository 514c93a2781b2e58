//! The messages of the protocol. Commands are imperative, events are facts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Cause, ClientEvidence};
use crate::leaving::{DepartureCause, LeaveCause};
use crate::room::{
    Participant, Pressure, Right, RoomMessage, RoomSnapshot, Slot, SlotQuality, Tracks, Watch,
};
use crate::{
    ErrorCode, IceCandidate, IceServer, JoinToken, ParticipantId, PublicationId, RequestId,
    ResumeToken, RoomId, SessionId,
};

/// What a client sends.
///
/// A client that sends only `offer` and `candidate`, without a `hello`, gets an answer, candidates
/// and an echo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ClientMessage {
    /// Opens or resumes a session. Optional; if sent, it comes first.
    Hello {
        /// The protocol version the client speaks.
        version: u16,
        /// The client's name and version, for the server's log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
        /// Resumes the session this token was given for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume_token: Option<ResumeToken>,
        /// The number of the last room message that came, so that none is missed and none comes twice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(type = "number | null"))]
        last_message: Option<u64>,
    },
    /// Enters a room.
    Join {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// The room to enter. It is made if it is not there.
        room: RoomId,
        /// What others may call this participant. A token's name goes before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Whatever the application wants others to know of them. A token's goes before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<String>,
        /// Says who this is and what they may do, where the server asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<JoinToken>,
    },
    /// Replaces the token that let this client into its room. What it allows holds from now on.
    Authorize {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Of the same room and the same identity.
        token: JoinToken,
    },
    /// Changes what others see of this participant. What is left out stays.
    Update {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// What others may call them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Whatever the application wants others to know of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<String>,
    },
    /// Says which of this client's publications are muted: the whole list each time.
    Mute {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Their keys.
        keys: Vec<String>,
    },
    /// Says what each slot for pictures shows: the whole map each time, by the slot's `mid`. Until the
    /// first of these the server fills the slots.
    Watch {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// What each shows; `null` and a slot that is left out show nothing.
        slots: BTreeMap<String, Option<Watch>>,
    },
    /// Says whether this client keeps up with the pictures that it is shown. Until another of these it is shown smaller
    /// layers of them, or larger ones again, a step at a time.
    Pressure {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// How it does now.
        state: Pressure,
    },
    /// Says something to those in the room.
    Say {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// To these only; left out, to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Vec<ParticipantId>>,
        /// What it is about. Late joiners are told what was said last about `chat`.
        topic: String,
        /// What is said.
        text: String,
    },
    /// Removes somebody from the room, if this client may.
    Kick {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Whom.
        participant: ParticipantId,
        /// Why, for them to read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Mutes a publication of somebody else's, if this client may. They can unmute it.
    MutePublication {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Which.
        publication: PublicationId,
        /// Why, for them to read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Ends the room for everybody, if this client may.
    EndRoom {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Why, for them to read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Leaves the room.
    Leave {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// An SDP offer (RFC 9429). The first one makes the peer connection, later ones change it.
    Offer {
        /// Carried back by the answer or error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// The session description (RFC 8866).
        sdp: String,
        /// What its media sections are for: the whole map each time. Without it everything that is
        /// sent comes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracks: Option<Tracks>,
    },
    /// A trickled candidate (RFC 8838). `null` means the same as `endOfCandidates`.
    // schemars takes an `Option` to be optional, whatever serde does.
    #[cfg_attr(feature = "bindings", schemars(extend("required" = ["type", "candidate"])))]
    Candidate {
        /// The candidate, as the browser gives it.
        // With this, serde takes `null` but not silence: a misspelt field must not end anything.
        #[serde(deserialize_with = "Option::deserialize")]
        candidate: Option<IceCandidate>,
    },
    /// There are no more candidates.
    EndOfCandidates {},
    /// Closes the peer connection and keeps the session.
    HangUp {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Asks why the peer connection is not connected, and tells what was seen of it.
    Explain {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// What this client saw.
        seen: ClientEvidence,
    },
    /// Asks for a `pong`.
    Ping {
        /// Carried back by the pong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Answers a `ping`.
    Pong {
        /// The ping's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
// The browser client's reader finds the tag itself: serde's way takes 16 kB more to download (`dom/value.rs`).
#[cfg_attr(not(ferrite_reads_tags), serde(tag = "type"))]
pub enum ServerMessage {
    /// Answers a `hello`.
    Welcome {
        /// The protocol version of this session.
        version: u16,
        /// The session's id, as the server's log has it.
        session: SessionId,
        /// Resumes this session, once, within the server's resume time. A welcome can get lost, so
        /// a used token is void only when a later welcome's has been confirmed: by any message over
        /// the WebSocket that brought it. So whoever resumes waits for the welcome, then speaks.
        resume_token: ResumeToken,
        /// Whether an earlier session goes on.
        resumed: bool,
        /// How often the client should ping, in milliseconds. The server closes a session it has
        /// not heard from for three of these.
        ping_interval_ms: u32,
        /// What to put into `RTCConfiguration.iceServers`.
        ice_servers: Vec<IceServer>,
    },
    /// What to put into `RTCConfiguration.iceServers` from now on: all of it, before what was said last expires, and
    /// when it is good no more.
    IceServers {
        /// All of them.
        ice_servers: Vec<IceServer>,
    },
    /// Answers a `join`.
    Joined {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Who this client is in the room.
        participant: ParticipantId,
        /// The room, this participant included.
        room: RoomSnapshot,
        /// What this client may do there, for now: another token may say otherwise.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        may: Vec<Right>,
        /// What was said: the last of the chat to who comes, what was missed to who comes back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        messages: Vec<RoomMessage>,
    },
    /// Answers a `leave`; without one it says that this client was made to leave.
    Left {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Why, where it was not asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<LeaveCause>,
        /// The words of who made it leave.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What was asked for is done.
    Done {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Somebody else entered the room.
    ParticipantJoined {
        /// Who.
        participant: Participant,
    },
    /// Somebody in the room is not what they were, or publishes something else. It may be this client.
    ParticipantUpdated {
        /// All of them, as they are now.
        participant: Participant,
    },
    /// Somebody else left the room.
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
        /// Why, where the server knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<DepartureCause>,
    },
    /// Somebody else muted what this client publishes. It is muted until this client says otherwise.
    Muted {
        /// Which.
        publication: PublicationId,
        /// The words of who did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What each slot carries: the whole map, by the slot's `mid`, whenever it changes. It answers a
    /// `watch`, too.
    Watching {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// What each carries. A slot that is not there is free.
        slots: BTreeMap<String, Slot>,
    },
    /// Who speaks: the whole list, whenever it changes, at most five times a second.
    Speaking {
        /// Who has the word: the last who spoke for more than a moment. They keep it while nobody speaks. Left out
        /// until somebody had it, and when they are gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        active: Option<ParticipantId>,
        /// Those who speak right now, at most eight; who has spoken longest or loudest comes first. It may be this client.
        participants: Vec<ParticipantId>,
    },
    /// Which simulcast layers of what this client publishes somebody watches, or may at any moment, and how large what
    /// it publishes in one stream: the whole of both maps whenever they change, by the publication's key. What is not
    /// there is to be sent as it is.
    Wanted {
        /// The `rid`s of those layers, best first. Of the others nothing need be sent: a client that cannot leave
        /// them out does no harm.
        layers: BTreeMap<String, Vec<String>>,
        /// Of a picture in one stream whose codec may have spatial layers: how many times its width and height may be
        /// halved, at most twice, and it is still as large as anybody watches it. Layers above that need not be sent.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        halvings: BTreeMap<String, u8>,
    },
    /// How well this client's media does, as the server sees it: all of it, at most once a second, and only where it
    /// is otherwise than was said.
    Quality {
        /// What the way to this client carries, in bits per second, as far as that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bits_per_second: Option<u32>,
        /// Of each slot that pictures are shown on, by its `mid`.
        slots: BTreeMap<String, SlotQuality>,
        /// What comes of each layer of the pictures that this client publishes, in bits per second, best first, by the
        /// publication's key.
        arrives: BTreeMap<String, Vec<u32>>,
    },
    /// Somebody said something; it may be this client.
    Said {
        /// What, and who.
        message: RoomMessage,
    },
    /// Answers an `offer`.
    Answer {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// The session description (RFC 8866).
        sdp: String,
    },
    /// A candidate of the server's.
    Candidate {
        /// The candidate, to be given to `addIceCandidate`.
        candidate: IceCandidate,
    },
    /// The server has no more candidates.
    EndOfCandidates {},
    /// What the server sees of the peer connection.
    PeerState {
        /// The state.
        state: PeerConnectionState,
        /// Why, in words for a person, when it is not good news. With `connected` it says what ended
        /// although the connection did not: the data channels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Answers a `hangUp`.
    HungUp {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Answers an `explain`: why the peer connection is not connected. Without a request it tells a client that
    /// did not ask.
    Explained {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// For programs.
        cause: Cause,
        /// For people: one sentence that ends with what to do.
        text: String,
    },
    /// A request could not be met. The session goes on unless the WebSocket closes.
    Error {
        /// The request's id, where it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// The server is shutting down. Call again after the given time.
    GoingAway {
        /// In milliseconds.
        retry_after_ms: u32,
    },
    /// Asks for a `pong`.
    Ping {
        /// Carried back by the pong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Answers a `ping`.
    Pong {
        /// The ping's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
}

/// `RTCPeerConnectionState`, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum PeerConnectionState {
    /// Nothing was heard from the other end.
    New,
    /// ICE or DTLS is under way.
    Connecting,
    /// ICE has a consented pair, DTLS is done.
    Connected,
    /// Consent is late.
    Disconnected,
    /// Consent was lost or DTLS failed. An ICE restart within 30 s can bring lost consent back; after
    /// that the peer connection is closed.
    Failed,
    /// Closed by either end.
    Closed,
}

/// The `type` of each message, from one list: a variant that is not in it does not compile.
macro_rules! type_names {
    ($message:ident { $($variant:ident: $name:literal,)* }) => {
        impl $message {
            /// Every `type` there is.
            pub const TYPES: &'static [&'static str] = &[$($name),*];

            /// This message's `type`.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

type_names!(ClientMessage {
    Hello: "hello",
    Join: "join",
    Authorize: "authorize",
    Update: "update",
    Mute: "mute",
    Watch: "watch",
    Pressure: "pressure",
    Say: "say",
    Kick: "kick",
    MutePublication: "mutePublication",
    EndRoom: "endRoom",
    Leave: "leave",
    Offer: "offer",
    Candidate: "candidate",
    EndOfCandidates: "endOfCandidates",
    HangUp: "hangUp",
    Explain: "explain",
    Ping: "ping",
    Pong: "pong",
});

type_names!(ServerMessage {
    Welcome: "welcome",
    IceServers: "iceServers",
    Joined: "joined",
    Left: "left",
    Done: "done",
    ParticipantJoined: "participantJoined",
    ParticipantUpdated: "participantUpdated",
    ParticipantLeft: "participantLeft",
    Muted: "muted",
    Watching: "watching",
    Speaking: "speaking",
    Wanted: "wanted",
    Quality: "quality",
    Said: "said",
    Answer: "answer",
    Candidate: "candidate",
    EndOfCandidates: "endOfCandidates",
    PeerState: "peerState",
    HungUp: "hungUp",
    Explained: "explained",
    Error: "error",
    GoingAway: "goingAway",
    Ping: "ping",
    Pong: "pong",
});
