//! The newtypes that name things on the wire. An id of one kind cannot be used as another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

string_id! {
    /// One signalling session: a client's WebSocket, and whatever resumes it.
    SessionId
}
string_id! {
    /// A room, as its users name it.
    RoomId
}
string_id! {
    /// Somebody in a room.
    ParticipantId
}
string_id! {
    /// What somebody publishes in a room: `participant/key`, whatever peer connection carries it.
    PublicationId
}

impl PublicationId {
    /// The name of what a participant publishes under a key.
    #[must_use]
    pub fn of(participant: &ParticipantId, key: &str) -> Self {
        Self(format!("{participant}/{key}"))
    }

    /// Who publishes it, and under which key. A key has no `/` in it.
    #[must_use]
    pub fn parts(&self) -> Option<(&str, &str)> {
        self.0.rsplit_once('/')
    }
}

/// Chosen by the sender of a request; its reply carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(transparent)]
pub struct RequestId(pub u32);

/// The secret that lets a client resume its session after its WebSocket dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(transparent)]
pub struct ResumeToken(pub String);

impl From<&str> for ResumeToken {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Does not print it, so that it cannot reach a log.
impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

/// The secret that lets a client into a room: a JWT (RFC 7519).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(transparent)]
pub struct JoinToken(pub String);

impl From<&str> for JoinToken {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Does not print it, so that it cannot reach a log.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(..)")
    }
}
