//! The end that gets a file. It knows what it has, and asks for the rest.

use std::collections::VecDeque;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{CHUNK_BYTES, CancelReason, FileId, FileMessage, REPORT_BYTES, Transfer, WINDOW_BYTES};

/// With nothing new for so long, the rest is asked for again.
const PATIENCE: Duration = Duration::from_secs(10);

/// One file on its way here.
#[derive(Debug)]
pub struct Receiving {
    file: FileId,
    size: u64,
    name: String,
    transfer: Transfer,
    messages: VecDeque<Vec<u8>>,
    /// So much of it is here.
    received: u64,
    /// So much of it is used up, where that takes its time.
    used: Option<u64>,
    /// From here on the sender has a window.
    reported: u64,
    hash: Sha256,
    /// The rest was asked for, and nothing of it has come.
    has_asked: bool,
    /// The rest is to be asked for when there is place.
    is_owed: bool,
    /// All of it is here, and is what was sent.
    is_compared: bool,
    /// When to ask again.
    ask_at: Option<Duration>,
}

impl Receiving {
    /// Takes an offer. It is for the user to accept it or not.
    #[must_use]
    pub fn offered(file: FileId, size: u64, name: &str) -> Self {
        Self {
            file,
            size,
            name: name.to_owned(),
            transfer: Transfer::Offered,
            messages: VecDeque::new(),
            received: 0,
            used: None,
            reported: 0,
            hash: Sha256::new(),
            has_asked: false,
            is_owed: false,
            is_compared: false,
            ask_at: None,
        }
    }

    /// What the file is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How far it is.
    #[must_use]
    pub fn transfer(&self) -> Transfer {
        self.transfer
    }

    /// How many bytes have come, and how many there are.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.received, self.size)
    }

    /// The user wants it.
    pub fn accept(&mut self, now: Duration) {
        if self.transfer == Transfer::Offered {
            self.transfer = Transfer::Active;
            self.ask(now);
        }
    }

    /// Whether all of it is here and is what was sent. Then nothing more is needed of the sender.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.is_compared
    }

    /// So much of it, from the start, was written to a disk, say. From the first of these on the sender waits for that:
    /// what is not used up is at most two windows and a chunk, and it is complete only once it is [kept](Self::kept).
    pub fn used(&mut self, now: Duration, bytes: u64) {
        self.used = Some(bytes);
        if self.transfer != Transfer::Active {
            return;
        }
        if self.is_owed {
            self.ask(now);
        }
        self.report();
    }

    /// All of it was compared, and is where it is to stay.
    pub fn kept(&mut self) {
        if self.is_compared && self.transfer == Transfer::Active {
            self.transfer = Transfer::Complete;
            self.confirm();
        }
    }

    /// Ends it.
    pub fn cancel(&mut self, reason: CancelReason) {
        if !self.transfer.is_over() {
            self.transfer = Transfer::Cancelled(reason);
            self.ask_at = None;
            let file = self.file;
            self.messages.clear();
            self.say(FileMessage::Cancel { file, reason });
        }
    }

    /// The channel was closed and is open again: what was on its way is lost.
    pub fn reconnected(&mut self, now: Duration) {
        self.messages.clear();
        match self.transfer {
            Transfer::Active if !self.is_compared => self.ask(now),
            Transfer::Complete => self.confirm(),
            // The sender may know nothing of it, and wait for ever.
            Transfer::Cancelled(reason) => {
                let file = self.file;
                self.say(FileMessage::Cancel { file, reason });
            }
            Transfer::Offered | Transfer::Active => {}
        }
    }

    /// The channel was closed, and what was on its way comes on another: the time without one was no silence.
    pub fn resumed(&mut self, now: Duration) {
        self.ask_at = self.ask_at.map(|at| at.max(now + PATIENCE));
    }

    /// Takes what the sender says. Returns what of the file is new: it comes in order, and each byte once.
    pub fn receive<'m>(&mut self, now: Duration, message: &FileMessage<'m>) -> &'m [u8] {
        if message.file() != self.file {
            return &[];
        }
        match (*message, self.transfer) {
            (FileMessage::Chunk { offset, bytes, .. }, Transfer::Active) => {
                return self.take(now, offset, bytes);
            }
            (FileMessage::Done { sha256, .. }, Transfer::Active) => self.compare(now, sha256),
            // The sender was away, and asks how far it is.
            (FileMessage::Offer { .. }, Transfer::Active) => self.ask(now),
            (FileMessage::Offer { .. } | FileMessage::Done { .. }, Transfer::Complete) => {
                self.confirm();
            }
            // It may not have heard that.
            (
                FileMessage::Offer { .. } | FileMessage::Chunk { .. } | FileMessage::Done { .. },
                Transfer::Cancelled(reason),
            ) => {
                let file = self.file;
                self.say(FileMessage::Cancel { file, reason });
            }
            (FileMessage::Cancel { reason, .. }, Transfer::Offered | Transfer::Active)
                if !self.is_compared =>
            {
                self.transfer = Transfer::Cancelled(reason);
                self.messages.clear();
                self.ask_at = None;
            }
            // What only a receiver says, and what comes too late.
            (
                FileMessage::Offer { .. }
                | FileMessage::Accept { .. }
                | FileMessage::Chunk { .. }
                | FileMessage::Progress { .. }
                | FileMessage::Done { .. }
                | FileMessage::Verified { .. }
                | FileMessage::Cancel { .. },
                _,
            ) => {}
        }
        &[]
    }

    fn take<'m>(&mut self, now: Duration, offset: u64, bytes: &'m [u8]) -> &'m [u8] {
        let Some(known) = self.received.checked_sub(offset) else {
            // Something before it was lost. It is asked for once: what is on its way comes first.
            if !self.has_asked {
                self.ask(now);
            }
            return &[];
        };
        let new = usize::try_from(known).ok().and_then(|at| bytes.get(at..));
        let new = new.unwrap_or_default();
        if new.is_empty() {
            return &[];
        }
        if new.len() as u64 > self.size - self.received {
            self.cancel(CancelReason::Different);
            return &[];
        }
        // So much comes where one holds to the window, and each byte of it waits in memory.
        let most = 2 * WINDOW_BYTES + CHUNK_BYTES as u64;
        if self.unused() + new.len() as u64 > most {
            self.cancel(CancelReason::Failed);
            return &[];
        }
        self.hash.update(new);
        self.received += new.len() as u64;
        self.has_asked = false;
        self.ask_at = Some(now + PATIENCE);
        self.report();
        new
    }

    /// Lets the sender go on, now and then.
    fn report(&mut self) {
        let received = self.received - self.unused();
        let is_due = received >= self.reported + REPORT_BYTES || received == self.size;
        if is_due && received > self.reported {
            self.reported = received;
            let file = self.file;
            self.say(FileMessage::Progress { file, received });
        }
    }

    /// Bytes that are here and not used up.
    fn unused(&self) -> u64 {
        let used = self.used.unwrap_or(self.received);
        self.received.saturating_sub(used)
    }

    fn compare(&mut self, now: Duration, sha256: [u8; 32]) {
        if self.received < self.size {
            return self.ask(now);
        }
        match self.hash.clone().finalize()[..] == sha256 {
            true => {
                self.is_compared = true;
                self.ask_at = None;
                if self.used.is_none() {
                    self.kept();
                }
            }
            false => self.cancel(CancelReason::Different),
        }
    }

    /// Whether there is something to say.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// The next message for the sender.
    pub fn step(&mut self) -> Option<Vec<u8>> {
        self.messages.pop_front()
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.ask_at
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Duration) {
        self.has_asked = true;
        self.ask_at = Some(now + PATIENCE);
        // Where it is asked for there is a window from there on, which there has to be place for.
        self.is_owed = self.received < self.size && self.unused() >= WINDOW_BYTES;
        if self.is_owed {
            return;
        }
        self.reported = self.received;
        let (file, offset) = (self.file, self.received);
        self.say(FileMessage::Accept { file, offset });
    }

    fn confirm(&mut self) {
        let file = self.file;
        self.say(FileMessage::Verified { file });
    }

    /// One answer to a question is enough, however often that was asked: nothing piles up.
    fn say(&mut self, message: FileMessage<'_>) {
        let message = message.encode();
        self.messages
            .retain(|waiting| waiting.first() != message.first());
        self.messages.push_back(message);
    }
}
