//! A file of the user's that one of another's is written to, a piece at a time. Owns what is not written yet; knows
//! nothing of the rules by which more of it comes.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

use super::event::{Chosen, Event, Wrote};
use crate::dom::{self, Post, Task};
use crate::gaps::{self, WritableFile};

/// Asks the user for a file. The number goes into what is told of it.
pub(super) fn ask(number: u32, name: String, post: Post<Event>) -> Task {
    Task::new(async move {
        let chosen = choose(&name).await;
        post.send(Event::Chose { number, chosen });
    })
}

async fn choose(name: &str) -> Chosen {
    let place = match gaps::choose_file(name).await {
        Ok(place) => place,
        Err(error) => {
            return match dom::describe(&error).0.as_str() {
                "AbortError" => Chosen::Nothing,
                // In a page of another origin, and where the user or a policy lets no page write files.
                "SecurityError" | "NotAllowedError" => Chosen::Unavailable,
                _ => Chosen::Unfit,
            };
        }
    };
    let file = place.create_writable().await;
    file.map_or(Chosen::Unfit, |file| Chosen::File(file.unchecked_into()))
}

pub(super) struct Disk {
    file: WritableFile,
    number: u32,
    post: Post<Event>,
    waiting: Vec<u8>,
    written: u64,
    /// What the browser does with the file at the moment.
    busy: Option<Task>,
    /// Nothing more is to be done.
    is_over: bool,
}

impl Disk {
    pub(super) fn new(file: WritableFile, number: u32, post: Post<Event>) -> Self {
        Self {
            file,
            number,
            post,
            waiting: Vec::new(),
            written: 0,
            busy: None,
            is_over: false,
        }
    }

    /// Bytes that are in the file.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        self.write_next();
    }

    /// So many bytes more are in the file.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.busy = None;
        self.written += bytes;
        self.write_next();
    }

    /// There is nothing more to be written. It may be said again.
    pub(super) fn close(&mut self) {
        if self.busy.is_none() {
            self.watch(self.file.close(), Wrote::All);
        }
    }

    /// It was closed.
    pub(super) fn closed(&mut self) {
        self.is_over = true;
    }

    fn write_next(&mut self) {
        if self.busy.is_some() || self.waiting.is_empty() {
            return;
        }
        let piece = std::mem::take(&mut self.waiting);
        let written = self.file.write(&Uint8Array::from(&piece[..]));
        self.watch(written, Wrote::Piece(piece.len() as u64));
    }

    fn watch(
        &mut self,
        doing: impl IntoFuture<Output = Result<JsValue, JsValue>> + 'static,
        done: Wrote,
    ) {
        let (number, post) = (self.number, self.post.clone());
        self.busy = Some(Task::new(async move {
            let wrote = doing.await.map_or(Wrote::Failed, |_| done);
            post.send(Event::Wrote { number, wrote });
        }));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.is_over {
            let aborted = self.file.abort();
            wasm_bindgen_futures::spawn_local(async move {
                // It may be so broken that this fails, too.
                let _ = aborted.await;
            });
        }
    }
}
