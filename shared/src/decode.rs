//! From text to messages and back: the one place where a frame is trusted or refused.
//!
//! It owns what a refusal says. It knows nothing of sessions: whether a message fits the moment
//! is for its receiver to judge.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use thiserror::Error;

use crate::fields;
use crate::limits::{self, MAX_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES, TooMuch};
use crate::{ClientMessage, ErrorCode, RequestId, ServerMessage};

/// Why a frame was refused. Its text never holds more than a short piece of what the frame held.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// The refused request's id, where one could be read.
    pub id: Option<RequestId>,
    /// What was wrong.
    pub kind: DecodeErrorKind,
}

/// What was wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    /// The frame or one of its fields is longer than this protocol allows.
    #[error("{what} has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// The frame or the field.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// What would have been allowed.
        limit: usize,
    },
    /// A list or map has more entries than this protocol allows.
    #[error("{what} has {entries} entries, the limit is {limit}")]
    TooMany {
        /// The field.
        what: &'static str,
        /// How many it has.
        entries: usize,
        /// How many would have been allowed.
        limit: usize,
    },
    /// The frame is not JSON.
    #[error("not JSON: see line {line}, column {column}")]
    NotJson {
        /// Where reading stopped, from 1.
        line: usize,
        /// Where in that line, from 1; 0 at its start.
        column: usize,
    },
    /// The frame is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The object has no `type`.
    #[error("there is no `type`, expected one of {}", .expected.join(", "))]
    NoType {
        /// The types this version has.
        expected: &'static [&'static str],
    },
    /// The `type` is none this version has.
    #[error("unknown type {found:?}, expected one of {}", .expected.join(", "))]
    UnknownType {
        /// How the type begins.
        found: String,
        /// The types this version has.
        expected: &'static [&'static str],
    },
    /// A field is missing, there twice or of the wrong kind.
    #[error("{message}: {problem}")]
    BadField {
        /// The message's type.
        message: &'static str,
        /// The problem, without the value.
        problem: String,
    },
}

impl DecodeError {
    /// The code a program gets to see.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self.kind {
            DecodeErrorKind::TooLong { .. } | DecodeErrorKind::TooMany { .. } => {
                ErrorCode::LimitExceeded
            }
            DecodeErrorKind::UnknownType { .. } => ErrorCode::UnknownType,
            DecodeErrorKind::NotJson { .. }
            | DecodeErrorKind::NotAnObject
            | DecodeErrorKind::NoType { .. }
            | DecodeErrorKind::BadField { .. } => ErrorCode::BadMessage,
        }
    }

    /// What the server answers.
    #[must_use]
    pub fn reply(&self) -> ServerMessage {
        ServerMessage::Error {
            id: self.id,
            code: self.code(),
            message: self.to_string(),
        }
    }
}

impl From<TooMuch> for DecodeErrorKind {
    fn from(too_much: TooMuch) -> Self {
        match too_much {
            TooMuch::Bytes { what, bytes, limit } => Self::TooLong { what, bytes, limit },
            TooMuch::Entries {
                what,
                entries,
                limit,
            } => Self::TooMany {
                what,
                entries,
                limit,
            },
        }
    }
}

impl ClientMessage {
    /// Reads one frame.
    ///
    /// # Errors
    /// When the frame is too long, not a message of this version, or passes a [limit](limits).
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let message: Self = decode(text, MAX_MESSAGE_BYTES, Self::TYPES)
            .map_err(|error| in_our_words(error, text))?;
        match limits::passed_by(&message) {
            None => Ok(message),
            Some(too_much) => Err(DecodeError {
                id: read_id(text),
                kind: too_much.into(),
            }),
        }
    }

    /// Writes one frame.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

impl ServerMessage {
    /// Reads one frame. A client skips what is of an unknown type: a later server sent it.
    ///
    /// # Errors
    /// When the frame is too long or not a message of this version.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        decode(text, MAX_SERVER_MESSAGE_BYTES, Self::TYPES)
    }

    /// Writes one frame.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

/// Says which field is wrong, where serde says only what it expected.
fn in_our_words(mut error: DecodeError, text: &str) -> DecodeError {
    if let DecodeErrorKind::BadField { message, problem } = &mut error.kind
        && let Some(words) = fields::problem(message, text)
    {
        *problem = words;
    }
    error
}

fn encode(message: &impl Serialize) -> String {
    // `to_string` fails for maps with other keys than strings, and no message has such a map.
    serde_json::to_string(message).unwrap_or_default()
}

fn decode<M: DeserializeOwned>(
    text: &str,
    limit: usize,
    types: &'static [&'static str],
) -> Result<M, DecodeError> {
    // The limit comes first: what a frame is read into is larger than the frame, but in proportion.
    if text.len() > limit {
        return Err(DecodeError {
            id: None,
            kind: DecodeErrorKind::TooLong {
                what: "the frame",
                bytes: text.len(),
                limit,
            },
        });
    }
    // serde would also read a message from an array, its type first.
    if starts_with_bracket(text) {
        return Err(DecodeError {
            id: None,
            kind: kind_of_non_object(text),
        });
    }
    serde_json::from_str(text).map_err(|error| DecodeError {
        id: read_id(text),
        kind: diagnose(text, &error, types),
    })
}

fn starts_with_bracket(text: &str) -> bool {
    text.trim_start().starts_with('[')
}

fn kind_of_non_object(text: &str) -> DecodeErrorKind {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => DecodeErrorKind::NotAnObject,
        Err(error) => not_json(&error),
    }
}

fn not_json(error: &serde_json::Error) -> DecodeErrorKind {
    DecodeErrorKind::NotJson {
        line: error.line(),
        column: error.column(),
    }
}

/// Finds out why a frame could not be read, in a second, slower look at it.
fn diagnose(
    text: &str,
    error: &serde_json::Error,
    types: &'static [&'static str],
) -> DecodeErrorKind {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(rename = "type", borrow)]
        name: Option<Cow<'a, str>>,
    }
    let found = match serde_json::from_str::<Tag<'_>>(text) {
        Ok(Tag { name: Some(name) }) => name,
        Ok(Tag { name: None }) => return DecodeErrorKind::NoType { expected: types },
        Err(error) => return diagnose_tag(text, &error),
    };
    match types.iter().find(|name| **name == found) {
        Some(message) => DecodeErrorKind::BadField {
            message,
            problem: without_value(&error.to_string()),
        },
        None => DecodeErrorKind::UnknownType {
            found: shorten(&found, 32),
            expected: types,
        },
    }
}

fn diagnose_tag(text: &str, error: &serde_json::Error) -> DecodeErrorKind {
    match error.classify() {
        Category::Data if text.trim_start().starts_with('{') => DecodeErrorKind::BadField {
            message: "message",
            problem: "`type` must be text, and be there once".to_owned(),
        },
        Category::Data => kind_of_non_object(text),
        Category::Syntax | Category::Eof | Category::Io => not_json(error),
    }
}

/// Takes the offending value out of serde's text: it may be long, a token or an address.
///
/// `invalid type: string "…", expected u16` becomes `invalid type, expected u16`.
fn without_value(text: &str) -> String {
    let bare = match text.rsplit_once(", expected ") {
        Some((found, expected)) => {
            let problem = found.split([':', '`']).next().unwrap_or_default();
            Cow::Owned(format!("{}, expected {expected}", problem.trim_end()))
        }
        None => Cow::Borrowed(text),
    };
    shorten(&bare, 160)
}

/// The request's id, if the frame is an object that has one, whatever else is wrong with it.
fn read_id(text: &str) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct Id {
        id: Option<RequestId>,
    }
    serde_json::from_str::<Id>(text).ok()?.id
}

fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
