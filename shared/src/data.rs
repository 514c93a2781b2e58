//! What members of a room send one another on data channels: who it is for or from, what it is about, and
//! the bytes. Owns the layout, which `PROTOCOL.md` shows, and its limits. What becomes of a message, and
//! what its bytes mean, is for others to know.

use thiserror::Error;

use crate::limits::{MAX_DATA_BYTES, MAX_KEY_BYTES, MAX_NAME_BYTES};

/// The label of the channel on which everything comes, in order.
pub const RELIABLE_CHANNEL: &str = "ferrite.reliable";

/// The label of another such channel: what is on its way when a peer connection ends comes on the next.
pub const REPLAYED_CHANNEL: &str = "ferrite.replayed";

/// The label of the channel on which the newest counts.
pub const LOSSY_CHANNEL: &str = "ferrite.lossy";

/// The version of the layout: the first byte of every message.
const VERSION: u8 = 1;

/// The second byte: who a message is for, or whom it comes from and whether others got it, too; or that it counts
/// others.
mod kind {
    pub(super) const TO_ALL: u8 = 1;
    pub(super) const TO_SOME: u8 = 2;
    pub(super) const FROM_TO_ALL: u8 = 3;
    pub(super) const FROM_TO_SOME: u8 = 4;
    pub(super) const RECEIVED: u8 = 5;
    pub(super) const NEXT: u8 = 6;
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientData<'a> {
    /// The participants it is for, one or some; `None` is everybody else in the room.
    pub to: Option<Vec<&'a str>>,
    /// What it is about.
    pub topic: &'a str,
    /// What is sent.
    pub payload: &'a [u8],
}

/// What a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerData<'a> {
    /// The participant who sent it, as the server knows them.
    pub from: &'a str,
    /// It was not for everybody.
    pub is_private: bool,
    /// What it is about.
    pub topic: &'a str,
    /// What was sent.
    pub payload: &'a [u8],
}

/// What both ends say of messages on the replayed channel, which have numbers from 1 on. These have none themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All up to this number came.
    Received(u64),
    /// The next one on this channel has this number.
    Next(u64),
}

/// Why bytes are no message, or a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DataError {
    /// It ends before it is whole.
    #[error("the message ends too early")]
    Short,
    /// It is of a version that is not known here.
    #[error("the message is of version {0}, and not of version {VERSION}")]
    Version(u8),
    /// It is of a kind that does not come from that end.
    #[error("the message is of kind {0}, which this end does not send")]
    Kind(u8),
    /// A name is not UTF-8.
    #[error("a name or topic in the message is not UTF-8")]
    NotUtf8,
    /// It is for nobody.
    #[error("the message names no recipient")]
    NoRecipient,
    /// It names more than 255 recipients.
    #[error("the message names more than {} recipients", u8::MAX)]
    TooManyRecipients,
    /// A part of it is too long.
    #[error("{what} of the message has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest there may be.
        limit: usize,
    },
}

impl<'a> ClientData<'a> {
    /// Reads what a client sent.
    ///
    /// # Errors
    /// When it is not that, or passes a limit.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DataError> {
        let mut rest = Rest(bytes);
        let to = match rest.kind()? {
            kind::TO_ALL => None,
            kind::TO_SOME => Some(rest.recipients()?),
            other => return Err(DataError::Kind(other)),
        };
        Ok(Self {
            to,
            topic: rest.text("the topic", MAX_KEY_BYTES)?,
            payload: rest.payload()?,
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it passes a limit.
    pub fn encode(&self) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::with_capacity(4 + self.topic.len() + self.payload.len());
        match &self.to {
            None => bytes.extend([VERSION, kind::TO_ALL]),
            Some(to) => {
                let count = u8::try_from(to.len()).map_err(|_| DataError::TooManyRecipients)?;
                if count == 0 {
                    return Err(DataError::NoRecipient);
                }
                bytes.extend([VERSION, kind::TO_SOME, count]);
                for name in to {
                    put_text(&mut bytes, "a name", name, MAX_NAME_BYTES)?;
                }
            }
        }
        put_text(&mut bytes, "the topic", self.topic, MAX_KEY_BYTES)?;
        put_payload(&mut bytes, self.payload)?;
        Ok(bytes)
    }
}

impl<'a> ServerData<'a> {
    /// Reads what a server sent.
    ///
    /// # Errors
    /// When it is not that, or passes a limit.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DataError> {
        let mut rest = Rest(bytes);
        let is_private = match rest.kind()? {
            kind::FROM_TO_ALL => false,
            kind::FROM_TO_SOME => true,
            other => return Err(DataError::Kind(other)),
        };
        Ok(Self {
            from: rest.text("a name", MAX_NAME_BYTES)?,
            is_private,
            topic: rest.text("the topic", MAX_KEY_BYTES)?,
            payload: rest.payload()?,
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it passes a limit.
    pub fn encode(&self) -> Result<Vec<u8>, DataError> {
        let length = 4 + self.from.len() + self.topic.len() + self.payload.len();
        let mut bytes = Vec::with_capacity(length);
        let kind = match self.is_private {
            false => kind::FROM_TO_ALL,
            true => kind::FROM_TO_SOME,
        };
        bytes.extend([VERSION, kind]);
        put_text(&mut bytes, "a name", self.from, MAX_NAME_BYTES)?;
        put_text(&mut bytes, "the topic", self.topic, MAX_KEY_BYTES)?;
        put_payload(&mut bytes, self.payload)?;
        Ok(bytes)
    }
}

impl Count {
    /// Its length.
    pub const BYTES: usize = 10;

    /// Reads it, where it is one and not some other message.
    ///
    /// # Errors
    /// When it is not as long as it should be.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DataError> {
        let is_received = match bytes {
            [VERSION, kind::RECEIVED, ..] => true,
            [VERSION, kind::NEXT, ..] => false,
            _ => return Ok(None),
        };
        check("a count", bytes.len(), Self::BYTES)?;
        let number = bytes.last_chunk().filter(|_| bytes.len() == Self::BYTES);
        let number = u64::from_be_bytes(*number.ok_or(DataError::Short)?);
        Ok(Some(match is_received {
            true => Self::Received(number),
            false => Self::Next(number),
        }))
    }

    /// Writes it.
    #[must_use]
    pub fn encode(self) -> [u8; Self::BYTES] {
        let (kind, number) = match self {
            Self::Received(number) => (kind::RECEIVED, number),
            Self::Next(number) => (kind::NEXT, number),
        };
        let mut bytes = [VERSION, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}

/// What of a message is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Result<u8, DataError> {
        let (first, rest) = self.0.split_first().ok_or(DataError::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    fn kind(&mut self) -> Result<u8, DataError> {
        match self.byte()? {
            VERSION => self.byte(),
            other => Err(DataError::Version(other)),
        }
    }

    fn recipients(&mut self) -> Result<Vec<&'a str>, DataError> {
        match self.byte()? {
            0 => Err(DataError::NoRecipient),
            count => (0..count)
                .map(|_| self.text("a name", MAX_NAME_BYTES))
                .collect(),
        }
    }

    /// A text after its length, which is one byte.
    fn text(&mut self, what: &'static str, limit: usize) -> Result<&'a str, DataError> {
        let length = usize::from(self.byte()?);
        check(what, length, limit)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(DataError::Short)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| DataError::NotUtf8)
    }

    fn payload(&self) -> Result<&'a [u8], DataError> {
        check("the payload", self.0.len(), MAX_DATA_BYTES)?;
        Ok(self.0)
    }
}

fn put_text(
    bytes: &mut Vec<u8>,
    what: &'static str,
    text: &str,
    limit: usize,
) -> Result<(), DataError> {
    check(what, text.len(), limit)?;
    // No limit is above 255.
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}

const _: () = assert!(MAX_NAME_BYTES <= u8::MAX as usize);
const _: () = assert!(MAX_KEY_BYTES <= u8::MAX as usize);

fn put_payload(bytes: &mut Vec<u8>, payload: &[u8]) -> Result<(), DataError> {
    check("the payload", payload.len(), MAX_DATA_BYTES)?;
    bytes.extend_from_slice(payload);
    Ok(())
}

fn check(what: &'static str, bytes: usize, limit: usize) -> Result<(), DataError> {
    match bytes > limit {
        true => Err(DataError::TooLong { what, bytes, limit }),
        false => Ok(()),
    }
}
