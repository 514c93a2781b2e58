//! The WebSocket: bytes to messages and back. Knows nothing of what the messages mean, nor of when
//! to connect.

use ferrite_protocol::limits::MAX_SERVER_MESSAGE_BYTES;
use ferrite_protocol::{ClientMessage, CloseCode, SUBPROTOCOL, ServerMessage};
use wasm_bindgen::JsCast;
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket, console};

use crate::dom::{self, Listener, Post};

/// What became of the WebSocket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// It opened.
    Opened,
    /// It closed, or could not be opened.
    Closed {
        /// RFC 6455 §7.4.
        code: u16,
    },
    /// The server sent a message this version knows.
    Heard(Box<ServerMessage>),
}

/// An open or opening WebSocket; dropping it closes it, and ends the session.
pub(crate) struct Signalling {
    socket: WebSocket,
    _listeners: [Listener; 3],
}

impl Signalling {
    /// Starts to open a WebSocket. Fails at once only for an impossible URL.
    pub(crate) fn open(url: &str, post: &Post<SocketEvent>) -> Result<Self, String> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL).map_err(|e| dom::words(&e))?;
        let listen = |kind, read: fn(Event) -> Option<SocketEvent>| {
            Listener::posting(&socket, kind, post, read)
        };
        let listeners = [
            listen("open", |_| Some(SocketEvent::Opened)),
            listen("close", closed),
            listen("message", heard),
        ];
        Ok(Self {
            socket,
            _listeners: listeners,
        })
    }

    /// Sends a message. One for a closed socket is dropped: its `Closed` is under way.
    pub(crate) fn send(&self, message: &ClientMessage) {
        let _ = self.socket.send_with_str(&message.encode());
    }

    /// Closes it; the code tells the server whether to keep the session.
    pub(crate) fn close(self, code: CloseCode) {
        let _ = self.socket.close_with_code(code.into());
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        // Does nothing where it was closed before.
        let _ = self.socket.close_with_code(CloseCode::Normal.into());
    }
}

fn closed(event: Event) -> Option<SocketEvent> {
    let event: CloseEvent = event.dyn_into().ok()?;
    Some(SocketEvent::Closed { code: event.code() })
}

fn heard(event: Event) -> Option<SocketEvent> {
    let event: MessageEvent = event.dyn_into().ok()?;
    let text = event.data().as_string()?;
    let message = (text.len() <= MAX_SERVER_MESSAGE_BYTES).then(|| dom::read_json(&text));
    match message {
        Some(Ok(message)) => Some(SocketEvent::Heard(Box::new(message))),
        Some(Err(_)) | None => {
            // A later version may say more than this one knows.
            console::debug_2(&"Ferrite: message ignored".into(), &event.data());
            None
        }
    }
}
