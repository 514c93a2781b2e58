//! From a request to a WebSocket with a task of its own.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use ferrite_protocol::SUBPROTOCOL;
use ferrite_protocol::limits::{MAX_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES};

use super::greeting;
use super::hub::Signalling;
use super::place::{Caller, Place};
use super::socket::Socket;

/// A frame up to the first limit is answered, one up to the second is read to be refused in good
/// order, and a longer one is not read at all.
pub(crate) const READ_LIMIT: usize = 2 * MAX_MESSAGE_BYTES;

/// A client at the door.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where it is.
    pub(crate) caller: Caller,
    /// Kept for as long as the WebSocket is there.
    pub(crate) place: Place,
}

impl Signalling {
    /// Makes a WebSocket of the request and gives it a task of its own.
    pub(crate) fn upgrade(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        arrival: Arrival,
    ) -> Response {
        let (signalling, caller) = (self.clone(), arrival.caller);
        self.open(upgrade, arrival, move |socket| {
            greeting::run(signalling, socket, caller)
        })
    }

    /// Makes a WebSocket of the request of a page that may not use this server, to tell it so.
    pub(crate) fn turn_away(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        arrival: Arrival,
    ) -> Response {
        self.open(upgrade, arrival, greeting::refuse_origin)
    }

    fn open<T: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        arrival: Arrival,
        serve: impl FnOnce(Box<Socket>) -> T + Send + 'static,
    ) -> Response {
        let signalling = self.clone();
        upgrade
            .protocols([SUBPROTOCOL])
            .max_message_size(READ_LIMIT)
            .max_frame_size(READ_LIMIT)
            // It is allocated at once, and 128 kB by default. Longer frames are read in pieces.
            .read_buffer_size(2 * 1024)
            .write_buffer_size(16 * 1024)
            .max_write_buffer_size(MAX_SERVER_MESSAGE_BYTES)
            .on_upgrade(async move |websocket| {
                tracing::debug!(caller = ?arrival.caller, "a client connected");
                // Boxed: each future it passes through would have room for it.
                let socket = Box::new(Socket::new(websocket, &signalling.config, arrival.place));
                signalling.spawn(serve(socket));
            })
    }
}
