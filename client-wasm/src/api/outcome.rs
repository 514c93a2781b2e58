//! What the class gives back: what its getters read, and why something did not come.

use std::cell::{Cell, RefCell};

use futures_channel::oneshot;
use wasm_bindgen::JsValue;
use web_sys::RtcPeerConnection;

use crate::call::{Problem, Undone};
use crate::peer::SendError;
use crate::sorted::Set;

/// What the getters read. Its instance's loop writes it, and nothing else does, but that something is muted shows at
/// once.
#[derive(Default)]
pub(super) struct Glance {
    pub(super) status: RefCell<JsValue>,
    pub(super) connection: RefCell<Option<RtcPeerConnection>>,
    pub(super) room: RefCell<JsValue>,
    /// The keys of what is muted.
    pub(super) muted: RefCell<Set<String>>,
    /// How often something was muted or unmuted of which the loop has not heard.
    unheard: Cell<u32>,
}

impl Glance {
    /// The program mutes something, or no longer.
    pub(super) fn mute(&self, key: String, muted: bool) {
        self.unheard.set(self.unheard.get() + 1);
        let mut keys = self.muted.borrow_mut();
        match muted {
            true => keys.insert(key),
            false => keys.remove(&key),
        };
    }

    /// The loop heard of one.
    pub(super) fn heard(&self) {
        self.unheard.set(self.unheard.get() - 1);
    }

    /// What the room has muted, unless the program said something since.
    pub(super) fn show_muted(&self, muted: &Set<String>) {
        if self.unheard.get() == 0 {
            self.muted.borrow_mut().clone_from(muted);
        }
    }
}

/// Why something asked for did not come.
pub(super) enum Failure {
    /// The call cannot go on without help.
    Problem(Problem),
    /// The client was closed.
    Closed,
    /// The call was ended before it began.
    HungUp,
    /// The room did not do it.
    Undone(Undone),
    /// The message was not sent.
    Send(SendError),
    /// Neither text nor bytes.
    BadData,
}

/// Who waits for an answer.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;
