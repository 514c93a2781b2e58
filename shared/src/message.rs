//! The messages of the protocol. Commands are imperative, events are facts.

use serde::{Deserialize, Serialize};

use crate::room::{Participant, RoomSnapshot};
use crate::{
    ErrorCode, IceCandidate, IceServer, ParticipantId, RequestId, ResumeToken, RoomId, SessionId,
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
    },
    /// Enters a room.
    Join {
        /// Carried back by the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// The room to enter. It is made if it is not there.
        room: RoomId,
        /// What others may call this participant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
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
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
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
    /// Answers a `join`.
    Joined {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Who this client is in the room.
        participant: ParticipantId,
        /// The room, this participant included.
        room: RoomSnapshot,
    },
    /// Answers a `leave`.
    Left {
        /// The request's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Somebody else entered the room.
    ParticipantJoined {
        /// Who.
        participant: Participant,
    },
    /// Somebody else left the room.
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
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
    Leave: "leave",
    Offer: "offer",
    Candidate: "candidate",
    EndOfCandidates: "endOfCandidates",
    HangUp: "hangUp",
    Ping: "ping",
    Pong: "pong",
});

type_names!(ServerMessage {
    Welcome: "welcome",
    Joined: "joined",
    Left: "left",
    ParticipantJoined: "participantJoined",
    ParticipantLeft: "participantLeft",
    Answer: "answer",
    Candidate: "candidate",
    EndOfCandidates: "endOfCandidates",
    PeerState: "peerState",
    HungUp: "hungUp",
    Error: "error",
    GoingAway: "goingAway",
    Ping: "ping",
    Pong: "pong",
});
