//! A file of the user's on its way to one participant. Reads it piece by piece, as the protocol asks.

use ferrite_protocol::file::{FileId, FileMessage, Sending, Step};
use js_sys::Uint8Array;
use web_sys::File;

use super::event::Event;
use crate::dom::{Post, Task};

/// A receiver that says nothing is asked again after so many milliseconds: what was last said may be lost.
const PATIENCE_MS: f64 = 10_000.0;

pub(super) struct Outgoing {
    sending: Sending,
    id: FileId,
    file: File,
    post: Post<Event>,
    reading: Option<Task>,
    /// When the receiver was last asked, or said something.
    since: f64,
}

impl Outgoing {
    pub(super) fn new(id: FileId, file: File, post: &Post<Event>, now: f64) -> Self {
        Self {
            sending: Sending::new(id, file.size() as u64, &file.name()),
            id,
            file,
            post: post.clone(),
            reading: None,
            since: now,
        }
    }

    pub(super) fn sending(&self) -> &Sending {
        &self.sending
    }

    pub(super) fn sending_mut(&mut self) -> &mut Sending {
        &mut self.sending
    }

    pub(super) fn hear(&mut self, message: &FileMessage<'_>, now: f64) {
        self.since = now;
        self.sending.receive(message);
    }

    /// There is a channel again, and nothing was lost with the one before.
    pub(super) fn resumed(&mut self, now: f64) {
        self.since = now;
    }

    pub(super) fn read(&mut self, offset: u64, bytes: &[u8]) {
        self.sending.read(offset, bytes);
    }

    /// The next message. What is to be read comes as an event.
    pub(super) fn step(&mut self) -> Option<Vec<u8>> {
        match self.sending.step(true)? {
            Step::Send(message) => Some(message),
            Step::Read { offset, length } => {
                self.begin_to_read(offset, length);
                None
            }
        }
    }

    /// What cannot be read comes as nothing, which the protocol takes for a failure.
    fn begin_to_read(&mut self, offset: u64, length: usize) {
        let (from, to) = (offset as f64, offset as f64 + length as f64);
        let piece = self.file.slice_with_f64_and_f64(from, to);
        let (id, post) = (self.id, self.post.clone());
        self.reading = Some(Task::new(async move {
            let bytes = match piece {
                Ok(piece) => piece.array_buffer().await.ok(),
                Err(_) => None,
            };
            let bytes = bytes.map(|it| Uint8Array::new(&it).to_vec());
            let bytes = bytes.unwrap_or_default();
            post.send(Event::Read { id, offset, bytes });
        }));
    }

    /// Lets time pass. While pieces are under way it is for the receiver to miss them.
    pub(super) fn tick(&mut self, now: f64) {
        if self.sending.awaits_answer() && now - self.since >= PATIENCE_MS {
            self.since = now;
            self.sending.reconnected();
        }
    }
}
