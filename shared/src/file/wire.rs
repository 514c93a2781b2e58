//! The messages about files as bytes: the payloads of messages under the topic.

use thiserror::Error;

use crate::limits::MAX_KEY_BYTES;

/// Bytes of a file in one message, at most.
pub const CHUNK_BYTES: usize = 48 * 1024;

/// A transfer's name, which its sender chooses: none that it has used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// Why a transfer ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// The receiver does not want it.
    Refused,
    /// Somebody at either end thought better of it.
    Stopped,
    /// The file cannot be read or written.
    Failed,
    /// What came is not what was sent.
    Different,
}

/// What is said about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMessage<'a> {
    /// The sender has a file, or still has it.
    Offer {
        /// The transfer.
        file: FileId,
        /// Its length.
        size: u64,
        /// What the file is called: no path.
        name: &'a str,
        /// What it is about; empty where nobody said. An application's own.
        topic: &'a str,
    },
    /// The receiver wants it from here on.
    Accept {
        /// The transfer.
        file: FileId,
        /// So much of it is there.
        offset: u64,
    },
    /// A piece of it.
    Chunk {
        /// The transfer.
        file: FileId,
        /// Where the piece begins.
        offset: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// So much of it has come.
    Progress {
        /// The transfer.
        file: FileId,
        /// Bytes from the beginning.
        received: u64,
    },
    /// That was all.
    Done {
        /// The transfer.
        file: FileId,
        /// SHA-256 of the whole file.
        sha256: [u8; 32],
    },
    /// All of it is there, as it was sent.
    Verified {
        /// The transfer.
        file: FileId,
    },
    /// It is over.
    Cancel {
        /// The transfer.
        file: FileId,
        /// Why.
        reason: CancelReason,
    },
}

/// Why bytes are no message about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// It is shorter or longer than its kind is.
    #[error("the message about a file has a wrong length")]
    Length,
    /// It is of a kind that is not known here. A newer client may have sent it.
    #[error("the message about a file is of the unknown kind {0}")]
    Kind(u8),
    /// The name is none, or a path.
    #[error("the name of a file is no name")]
    Name,
    /// What it is about is not said as it should be.
    #[error("the topic of a file is none")]
    Topic,
}

const OFFER: u8 = 1;
const ACCEPT: u8 = 2;
const CHUNK: u8 = 3;
const PROGRESS: u8 = 4;
const DONE: u8 = 5;
const VERIFIED: u8 = 6;
const CANCEL: u8 = 7;

/// After a name, in which it cannot be.
const TOPIC_FOLLOWS: u8 = 0;

/// The longest name. What file systems take.
const MAX_NAME_BYTES: usize = 255;

impl CancelReason {
    const ALL: [Self; 4] = [Self::Refused, Self::Stopped, Self::Failed, Self::Different];

    fn number(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Stopped => 2,
            Self::Failed => 3,
            Self::Different => 4,
        }
    }

    /// One that is not known means that it is over all the same.
    fn of(number: u8) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|reason| reason.number() == number)
            .unwrap_or(Self::Stopped)
    }
}

impl<'a> FileMessage<'a> {
    /// The transfer that it is about.
    #[must_use]
    pub fn file(&self) -> FileId {
        match *self {
            Self::Offer { file, .. }
            | Self::Accept { file, .. }
            | Self::Chunk { file, .. }
            | Self::Progress { file, .. }
            | Self::Done { file, .. }
            | Self::Verified { file }
            | Self::Cancel { file, .. } => file,
        }
    }

    /// Reads what somebody sent.
    ///
    /// # Errors
    /// When it is not that.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FileError> {
        let (kind, rest) = bytes.split_first().ok_or(FileError::Length)?;
        let (file, rest) = number(rest)?;
        let file = FileId(file);
        let message = match *kind {
            OFFER => {
                let (size, rest) = number(rest)?;
                let (name, topic) = name_and_topic(rest)?;
                return Ok(Self::Offer {
                    file,
                    size,
                    name,
                    topic,
                });
            }
            CHUNK => {
                let (offset, bytes) = number(rest)?;
                let is_one = (1..=CHUNK_BYTES).contains(&bytes.len());
                let bytes = is_one.then_some(bytes).ok_or(FileError::Length)?;
                return Ok(Self::Chunk {
                    file,
                    offset,
                    bytes,
                });
            }
            ACCEPT => {
                let offset = whole(rest)?;
                Self::Accept { file, offset }
            }
            PROGRESS => {
                let received = whole(rest)?;
                Self::Progress { file, received }
            }
            DONE => {
                let sha256 = rest.try_into().map_err(|_| FileError::Length)?;
                Self::Done { file, sha256 }
            }
            VERIFIED if rest.is_empty() => Self::Verified { file },
            CANCEL => {
                let [reason] = rest else {
                    return Err(FileError::Length);
                };
                let reason = CancelReason::of(*reason);
                Self::Cancel { file, reason }
            }
            VERIFIED => return Err(FileError::Length),
            other => return Err(FileError::Kind(other)),
        };
        Ok(message)
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, file) = (self.kind(), self.file().0.to_be_bytes());
        let head = [&[kind][..], &file];
        match *self {
            Self::Offer {
                size, name, topic, ..
            } => {
                let end: &[u8] = if topic.is_empty() {
                    &[]
                } else {
                    &[TOPIC_FOLLOWS]
                };
                let rest = [name.as_bytes(), end, topic.as_bytes()].concat();
                [head[0], head[1], &size.to_be_bytes(), &rest].concat()
            }
            Self::Accept { offset: number, .. }
            | Self::Progress {
                received: number, ..
            } => [head[0], head[1], &number.to_be_bytes()].concat(),
            Self::Chunk { offset, bytes, .. } => {
                [head[0], head[1], &offset.to_be_bytes(), bytes].concat()
            }
            Self::Done { sha256, .. } => [head[0], head[1], &sha256].concat(),
            Self::Verified { .. } => head.concat(),
            Self::Cancel { reason, .. } => [head[0], head[1], &[reason.number()]].concat(),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Offer { .. } => OFFER,
            Self::Accept { .. } => ACCEPT,
            Self::Chunk { .. } => CHUNK,
            Self::Progress { .. } => PROGRESS,
            Self::Done { .. } => DONE,
            Self::Verified { .. } => VERIFIED,
            Self::Cancel { .. } => CANCEL,
        }
    }
}

/// A number and what comes after it.
fn number(bytes: &[u8]) -> Result<(u64, &[u8]), FileError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(FileError::Length)?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// What a file is called and, where that is said, what it is about.
fn name_and_topic(bytes: &[u8]) -> Result<(&str, &str), FileError> {
    let mut parts = bytes.splitn(2, |byte| *byte == TOPIC_FOLLOWS);
    let name = std::str::from_utf8(parts.next().unwrap_or_default());
    let name = name.ok().filter(|name| is_name(name));
    let name = name.ok_or(FileError::Name)?;
    let Some(topic) = parts.next() else {
        return Ok((name, ""));
    };
    let topic = std::str::from_utf8(topic).ok();
    let topic = topic.filter(|topic| (1..=MAX_KEY_BYTES).contains(&topic.len()));
    Ok((name, topic.ok_or(FileError::Topic)?))
}

/// The same topic as far as it is one.
pub(super) fn as_topic(topic: &str) -> String {
    topic[..topic.floor_char_boundary(MAX_KEY_BYTES)].to_owned()
}

/// A number and nothing else.
fn whole(bytes: &[u8]) -> Result<u64, FileError> {
    let bytes = bytes.try_into().map_err(|_| FileError::Length)?;
    Ok(u64::from_be_bytes(bytes))
}

/// What a file may be called. Whoever saves it does so where its user says.
fn is_name(name: &str) -> bool {
    let is_good = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.chars().all(is_good)
}

/// The same name as far as it is one.
pub(super) fn as_name(name: &str) -> String {
    let is_good = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    let good = name.chars().map(|c| if is_good(c) { c } else { '_' });
    let mut taken = String::new();
    for c in good {
        if taken.len() + c.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        taken.push(c);
    }
    match is_name(&taken) {
        true => taken,
        false => "file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_is_called_what_is_sent_is_a_name() {
        for (name, expected) in [
            ("tea.txt", "tea.txt"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("a\\b\nc", "a_b_c"),
            ("..", "file"),
            ("", "file"),
        ] {
            assert_eq!(as_name(name), expected);
        }
        let long = as_name(&"ä".repeat(200));
        assert_eq!(long, "ä".repeat(127));
    }
}
