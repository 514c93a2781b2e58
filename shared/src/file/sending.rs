//! The end that has a file. It reads when there is room, from where the receiver says.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use super::wire::{as_name, as_topic};
use super::{CHUNK_BYTES, CancelReason, FileId, FileMessage, Transfer, WINDOW_BYTES};

/// What a sender does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this to the receiver.
    Send(Vec<u8>),
    /// Read so many bytes from here, and give them to [`Sending::read`].
    Read {
        /// Where.
        offset: u64,
        /// How many.
        length: usize,
    },
}

/// One file on its way to one receiver.
#[derive(Debug)]
pub struct Sending {
    file: FileId,
    size: u64,
    name: String,
    topic: String,
    transfer: Transfer,
    /// To be sent before anything is read.
    messages: VecDeque<Vec<u8>>,
    /// What is read next.
    position: u64,
    /// What is being read.
    reading: Option<u64>,
    /// What the receiver has.
    received: u64,
    /// How much was read, and its hash.
    hashed: u64,
    hash: Sha256,
    /// The receiver was told that this was all.
    said_done: bool,
}

impl Sending {
    /// Offers a file.
    #[must_use]
    pub fn new(file: FileId, size: u64, name: &str) -> Self {
        let mut sending = Self {
            file,
            size,
            name: as_name(name),
            topic: String::new(),
            transfer: Transfer::Offered,
            messages: VecDeque::new(),
            position: 0,
            reading: None,
            received: 0,
            hashed: 0,
            hash: Sha256::new(),
            said_done: false,
        };
        sending.offer();
        sending
    }

    /// Says what it is about, in an application's own word of at most 64 bytes.
    #[must_use]
    pub fn about(mut self, topic: &str) -> Self {
        self.topic = as_topic(topic);
        self.reconnected();
        self
    }

    /// How far it is.
    #[must_use]
    pub fn transfer(&self) -> Transfer {
        self.transfer
    }

    /// How many bytes have come at the other end, and how many there are.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.received, self.size)
    }

    /// Whether it is for the receiver to answer: it was asked whether it takes the file, or told that this was all.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        match self.transfer {
            Transfer::Offered => true,
            Transfer::Active => self.said_done,
            Transfer::Complete | Transfer::Cancelled(_) => false,
        }
    }

    /// The channel was closed and is open again: what was sent last may be lost. Also for who got no answer
    /// for a while: the receiver may not have been there.
    pub fn reconnected(&mut self) {
        if !self.transfer.is_over() {
            self.messages.clear();
            self.offer();
        }
    }

    /// Ends it.
    pub fn cancel(&mut self, reason: CancelReason) {
        if !self.transfer.is_over() {
            self.transfer = Transfer::Cancelled(reason);
            let file = self.file;
            self.messages.clear();
            self.say(FileMessage::Cancel { file, reason });
        }
    }

    /// Takes what the receiver says.
    pub fn receive(&mut self, message: &FileMessage<'_>) {
        if message.file() != self.file {
            return;
        }
        match self.transfer {
            Transfer::Offered | Transfer::Active => {}
            Transfer::Cancelled(reason) => return self.repeat(message, reason),
            Transfer::Complete => return,
        }
        match *message {
            FileMessage::Accept { offset, .. } => self.begin(offset),
            FileMessage::Progress { received, .. } => self.note(received),
            FileMessage::Verified { .. } if self.said_done => {
                self.received = self.size;
                self.transfer = Transfer::Complete;
            }
            FileMessage::Cancel { reason, .. } => {
                self.messages.clear();
                self.transfer = Transfer::Cancelled(reason);
            }
            // What only a sender says, and what does not fit.
            FileMessage::Offer { .. }
            | FileMessage::Chunk { .. }
            | FileMessage::Done { .. }
            | FileMessage::Verified { .. } => {}
        }
    }

    /// A receiver that asks for a file that is cancelled may not have heard so.
    fn repeat(&mut self, message: &FileMessage<'_>, reason: CancelReason) {
        if matches!(message, FileMessage::Accept { .. }) && self.messages.is_empty() {
            let file = self.file;
            self.say(FileMessage::Cancel { file, reason });
        }
    }

    /// The receiver has so much and wants the rest. More than was read it cannot have.
    fn begin(&mut self, offset: u64) {
        let offset = offset.min(self.hashed);
        self.transfer = Transfer::Active;
        self.position = offset;
        self.received = offset;
        self.reading = None;
        self.said_done = false;
        // What was to be sent is not what is wanted.
        self.messages.clear();
    }

    fn note(&mut self, received: u64) {
        self.received = self.received.max(received.min(self.position));
    }

    /// Whether there is something to say.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// What to do next. `has_room` says whether more may be given to the channel, which is so while it has
    /// little (`bufferedAmount`).
    pub fn step(&mut self, has_room: bool) -> Option<Step> {
        if let Some(message) = self.messages.pop_front() {
            return Some(Step::Send(message));
        }
        if self.transfer != Transfer::Active || self.reading.is_some() || self.said_done {
            return None;
        }
        if self.position >= self.size {
            return Some(Step::Send(self.done()));
        }
        if !has_room || self.position >= self.received + WINDOW_BYTES {
            return None;
        }
        self.reading = Some(self.position);
        let left = self.size - self.position;
        let length = left.min(CHUNK_BYTES as u64) as usize;
        let offset = self.position;
        Some(Step::Read { offset, length })
    }

    /// Takes what was read. What is not wanted any more by then is dropped.
    pub fn read(&mut self, offset: u64, bytes: &[u8]) {
        if self.reading != Some(offset) {
            return;
        }
        self.reading = None;
        let left = self.size - offset;
        if bytes.is_empty() || bytes.len() as u64 > left || bytes.len() > CHUNK_BYTES {
            return self.cancel(CancelReason::Failed);
        }
        let end = offset + bytes.len() as u64;
        // What is sent again was hashed before.
        let known = (self.hashed - offset).min(bytes.len() as u64);
        self.hash.update(&bytes[known as usize..]);
        self.hashed = self.hashed.max(end);
        self.position = end;
        let file = self.file;
        self.say(FileMessage::Chunk {
            file,
            offset,
            bytes,
        });
    }

    fn done(&mut self) -> Vec<u8> {
        self.said_done = true;
        let (file, sha256) = (self.file, self.hash.clone().finalize().into());
        FileMessage::Done { file, sha256 }.encode()
    }

    fn offer(&mut self) {
        let message = FileMessage::Offer {
            file: self.file,
            size: self.size,
            name: &self.name,
            topic: &self.topic,
        };
        self.messages.push_back(message.encode());
    }

    fn say(&mut self, message: FileMessage<'_>) {
        self.messages.push_back(message.encode());
    }
}
