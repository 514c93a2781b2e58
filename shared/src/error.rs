//! What can go wrong in a session, in codes a program can act on and words a person can read.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The `code` of an error message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// The frame is not a JSON object with a `type`, or a field is missing or of the wrong kind.
    BadMessage,
    /// The `type` is none this version has.
    UnknownType,
    /// The client speaks another version. The message names both.
    VersionMismatch,
    /// The offer cannot be answered. The message says why.
    BadOffer,
    /// The candidate cannot be parsed.
    BadCandidate,
    /// The request does not fit the session's state.
    BadState,
    /// The resume token is unknown or expired. The session starts anew.
    ResumeFailed,
    /// A documented limit was passed.
    LimitExceeded,
    /// The token is missing, or does not let this client do what it asked for. The message says why.
    NotAllowed,
    /// This server is not for pages of this origin. The message says who can change that.
    Refused,
    /// The server failed. Its log says how.
    Internal,
    /// A code a later version added.
    #[serde(other)]
    Other,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadMessage => "badMessage",
            Self::UnknownType => "unknownType",
            Self::VersionMismatch => "versionMismatch",
            Self::BadOffer => "badOffer",
            Self::BadCandidate => "badCandidate",
            Self::BadState => "badState",
            Self::ResumeFailed => "resumeFailed",
            Self::LimitExceeded => "limitExceeded",
            Self::NotAllowed => "notAllowed",
            Self::Refused => "refused",
            Self::Internal => "internal",
            Self::Other => "other",
        })
    }
}

/// WebSocket close codes (RFC 6455 §7.4.2 leaves 4000 to 4999 to applications).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The client is done, and its session ends (RFC 6455 §7.4.1).
    Normal = 1000,
    /// Going away: the server shuts down (RFC 6455 §7.4.1).
    GoingAway = 1001,
    /// A frame is none of RFC 6455. The session waits to be resumed.
    ProtocolError = 1002,
    /// Text that is not UTF-8 (RFC 6455 §8.1). The session waits to be resumed.
    InvalidPayload = 1007,
    /// The client speaks another version of the protocol.
    VersionMismatch = 4000,
    /// Too many or too large messages.
    LimitExceeded = 4001,
    /// Nothing was heard for three ping intervals.
    TimedOut = 4002,
    /// The session was resumed on another WebSocket.
    Superseded = 4003,
    /// Pages of this origin may not use this server. A WebSocket that is not accepted would tell its
    /// page no more than one whose server is down.
    Refused = 4004,
}

/// A close code that is none of the protocol's: a browser's or a library's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is no close code of this protocol")]
pub struct UnknownCloseCode(pub u16);

impl CloseCode {
    /// Every code there is.
    pub const ALL: [Self; 9] = [
        Self::Normal,
        Self::GoingAway,
        Self::ProtocolError,
        Self::InvalidPayload,
        Self::VersionMismatch,
        Self::LimitExceeded,
        Self::TimedOut,
        Self::Superseded,
        Self::Refused,
    ];

    /// Whether the session goes on after a WebSocket that closed so, whichever end closed it. It also
    /// does after codes that are none of these.
    #[must_use]
    pub const fn keeps_session(self) -> bool {
        match self {
            Self::Normal
            | Self::GoingAway
            | Self::VersionMismatch
            | Self::LimitExceeded
            | Self::Refused => false,
            Self::ProtocolError | Self::InvalidPayload | Self::TimedOut | Self::Superseded => true,
        }
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code as Self
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = UnknownCloseCode;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        let known = Self::ALL.into_iter().find(|known| *known as u16 == code);
        known.ok_or(UnknownCloseCode(code))
    }
}
