//! A WebSocket to the server that never waits: messages of the protocol go out and come in. Knows
//! nothing of what they are for.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use ferrite_protocol::{ClientMessage, ServerMessage};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::wait;

/// The code of a WebSocket that broke without a word (RFC 6455 §7.1.5).
const ABNORMAL: u16 = 1006;
/// The code of a close frame without one.
const NO_STATUS: u16 = 1005;

/// A WebSocket to the server. Dropping it cuts the connection.
#[derive(Debug)]
pub struct Line {
    socket: WebSocket<TcpStream>,
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Message(ServerMessage),
    /// The end, with its close code.
    Closed(u16),
}

impl Line {
    /// Opens a WebSocket to the server at this address, a host and a port.
    pub fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("the HTTP port")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(wait::PATIENCE))?;
        let (socket, _) =
            tungstenite::client(format!("ws://{address}/ws"), stream).context("the WebSocket")?;
        socket.get_ref().set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// What to wait on.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }

    /// Sends a message. One that the kernel does not take at once goes out with the next call.
    pub fn say(&mut self, message: &ClientMessage) -> Result<()> {
        match self.socket.send(Message::text(message.encode())) {
            Err(error) if !is_nothing(&error) => Err(error).context("a message to the server"),
            _ => Ok(()),
        }
    }

    /// Takes the next message, if one has come. Pings are answered on the way.
    pub fn hear(&mut self) -> Option<Heard> {
        self.hear_if(|_| true)
    }

    /// Takes the next message whose text is wanted, if one has come; others are not even read.
    pub fn hear_if(&mut self, wanted: impl Fn(&str) -> bool) -> Option<Heard> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) if !wanted(&text) => {}
                Ok(Message::Text(text)) => {
                    // What a later version says is skipped.
                    if let Ok(message) = ServerMessage::decode(&text) {
                        return Some(Heard::Message(message));
                    }
                }
                Ok(Message::Close(frame)) => {
                    // Lets the answer out.
                    let _ = self.socket.flush();
                    return Some(Heard::Closed(
                        frame.map_or(NO_STATUS, |frame| frame.code.into()),
                    ));
                }
                Ok(_) => {}
                Err(error) if is_nothing(&error) => return None,
                Err(_) => return Some(Heard::Closed(ABNORMAL)),
            }
        }
    }

    /// Begins the closing handshake.
    pub fn close(&mut self, code: u16) -> Result<()> {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        match self.socket.close(Some(frame)) {
            Err(error) if !is_nothing(&error) => Err(error).context("a close frame"),
            _ => Ok(()),
        }
    }
}

fn is_nothing(error: &tungstenite::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error, tungstenite::Error::Io(error)
        if matches!(error.kind(), WouldBlock | TimedOut | Interrupted))
}
