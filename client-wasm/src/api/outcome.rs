//! What the class gives back: what its getters read, and why something did not come.

use std::cell::RefCell;

use futures_channel::oneshot;
use wasm_bindgen::JsValue;
use web_sys::RtcPeerConnection;

use crate::call::{Problem, Undone};
use crate::peer::SendError;

/// What the getters read. Its instance's loop writes it, and nothing else does.
#[derive(Default)]
pub(super) struct Glance {
    pub(super) status: RefCell<JsValue>,
    pub(super) connection: RefCell<Option<RtcPeerConnection>>,
    pub(super) room: RefCell<JsValue>,
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
