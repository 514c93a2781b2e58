//! One WebSocket: bytes to messages and back.
//!
//! It owns what holds for every frame, whatever it says: size, rate, pings, the closing
//! handshake. It knows nothing of sessions.

use std::fmt;
use std::time::{Duration, Instant};

use ferrite_protocol::limits::{MAX_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES};
use ferrite_protocol::session::{Due, Received as Verdict, ServerSession};
use ferrite_protocol::{ClientMessage, CloseCode, ErrorCode, ResumeToken, ServerMessage};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::time::{sleep_until, timeout};
use tracing::{debug, trace};
use tungstenite::Message;
use tungstenite::error::{Error as WebSocketError, ProtocolError};
use tungstenite::protocol::{CloseFrame, WebSocketConfig};

use super::metered::{Metered, TooMuch};
use super::place::Place;
use super::websocket::WebSocket;
use crate::config::Config;
use crate::rate::{Bucket, Rate};

/// A frame up to the protocol's limit is answered, one up to this is read to be refused in good order,
/// and a longer one is not read at all.
pub(crate) const READ_LIMIT: usize = 2 * MAX_MESSAGE_BYTES;

/// How many seconds' worth of frames may come at once.
pub(crate) const BURST_SECONDS: u32 = 4;

/// How long the other end has to answer a close frame.
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// What a control frame of a client has besides its payload (RFC 6455 §5.2: two bytes and the mask).
const CONTROL_HEADER: usize = 6;

type Stream = TokioIo<Upgraded>;

/// What lies below a WebSocket.
pub(super) type Connection = Metered<Stream>;

/// One client's WebSocket.
#[derive(Debug)]
pub(super) struct Socket {
    websocket: WebSocket<Stream>,
    /// No frame can be read any more. Bytes can.
    failed: bool,
    /// The protocol's rules for this end, which count time from `opened`.
    rules: ServerSession,
    opened: Instant,
    /// How long a client may leave a message unread.
    patience: Duration,
    rate: Rate,
    bucket: Bucket,
    /// Frames a second, and at once.
    allowed: (u32, u32),
    _place: Place,
}

/// What a client sent.
#[derive(Debug)]
pub(super) enum Received {
    /// A message.
    Message(ClientMessage),
    /// Something else. The answer says what was wrong with it.
    Nonsense(ServerMessage),
}

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client closed, with this code if it gave one.
    Closed(Option<u16>),
    /// The connection broke.
    Lost,
    /// Nothing was heard for too long, or the client does not read what it is sent.
    Silent,
    /// The client passed a limit.
    Excess(String),
    /// The client broke a rule of RFC 6455: the code that says so, and which.
    Broke(CloseCode, String),
}

/// For the log.
impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(Some(code)) => write!(f, "the client closed with code {code}"),
            Self::Closed(None) => f.write_str("the client closed"),
            Self::Lost => f.write_str("the connection broke"),
            Self::Silent => f.write_str("nothing was heard, or nothing was read"),
            Self::Excess(words) | Self::Broke(_, words) => f.write_str(words),
        }
    }
}

impl Socket {
    pub(super) async fn new(connection: Connection, config: &Config, place: Place) -> Self {
        let websocket = WebSocket::new(connection, limits()).await;
        let opened = Instant::now();
        let per_second = config.limits.message_rate;
        let at_once = per_second.saturating_mul(BURST_SECONDS);
        Self {
            websocket,
            failed: false,
            rules: ServerSession::new(config.signalling.ping_interval, Duration::ZERO),
            opened,
            patience: config.signalling.ping_interval * 3,
            rate: Rate::new(per_second, at_once),
            bucket: Bucket::new(opened),
            allowed: (per_second, at_once),
            _place: place,
        }
    }

    /// Waits for what the client sends. May be cancelled: nothing is lost.
    pub(super) async fn receive(&mut self) -> Result<Received, Gone> {
        loop {
            let due = self.opened + self.rules.deadline();
            let due = self.first_message_due().map_or(due, |first| due.min(first));
            tokio::select! {
                message = self.websocket.next() => {
                    if let Some(received) = self.take(message)? {
                        return Ok(received);
                    }
                }
                () = sleep_until(due.into()) => self.tick().await?,
            }
        }
    }

    /// Asks the protocol's rules about a message. `find` looks a session up by its token.
    pub(super) fn judge<S>(
        &mut self,
        message: &ClientMessage,
        find: impl FnOnce(&ResumeToken) -> Option<S>,
    ) -> Verdict<S> {
        self.rules.receive(message, self.opened.elapsed(), find)
    }

    fn take(
        &mut self,
        message: Option<Result<Message, WebSocketError>>,
    ) -> Result<Option<Received>, Gone> {
        let message = message.ok_or(Gone::Lost)?.map_err(|error| {
            self.failed = true;
            broken(error)
        })?;
        self.rules.heard(self.opened.elapsed());
        if !self.bucket.take(self.rate, 1, Instant::now()) {
            return Err(self.too_many());
        }
        let received = match message {
            Message::Text(text) => read(&text)?,
            Message::Binary(_) => not_text(),
            // The library answers pings; both have been heard.
            Message::Ping(payload) | Message::Pong(payload) => {
                if let Some(connection) = self.websocket.connection_mut() {
                    connection.refund(CONTROL_HEADER + payload.len());
                }
                return Ok(None);
            }
            Message::Close(frame) => {
                return Err(Gone::Closed(frame.map(|frame| frame.code.into())));
            }
            // Only written, never read.
            Message::Frame(_) => return Ok(None),
        };
        if let Some(connection) = self.websocket.connection_mut() {
            match &received {
                Received::Message(_) => connection.lift(),
                Received::Nonsense(_) => connection.begin_again(),
            }
        }
        Ok(Some(received))
    }

    /// When a first message that is long has to be there.
    fn first_message_due(&self) -> Option<Instant> {
        self.websocket.connection()?.deadline()
    }

    fn too_many(&self) -> Gone {
        let (rate, at_once) = self.allowed;
        Gone::Excess(format!(
            "too many frames: {rate} a second are allowed, and {at_once} at once"
        ))
    }

    /// Pings are WebSocket's own: browsers answer them for clients that know no others, and for
    /// pages that sleep.
    async fn tick(&mut self) -> Result<(), Gone> {
        let late = |due| due <= Instant::now();
        if self.first_message_due().is_some_and(late) {
            let message = "a long first message has to come faster: begin with a hello";
            return Err(Gone::Excess(message.to_owned()));
        }
        match self.rules.tick(self.opened.elapsed()) {
            None => Ok(()),
            Some(Due::Ping) => self.write(Message::Ping(Default::default())).await,
            Some(Due::Gone) => Err(Gone::Silent),
        }
    }

    /// Sends a message. A client that does not read it holds its own session up, and not for
    /// longer than a silent one.
    pub(super) async fn send(&mut self, message: &ServerMessage) -> Result<(), Gone> {
        trace!(message = message.type_name(), "send");
        self.write(Message::Text(message.encode().into())).await
    }

    /// Sends messages, in one piece where they fit.
    pub(super) async fn send_all(
        &mut self,
        messages: impl IntoIterator<Item = ServerMessage>,
    ) -> Result<(), Gone> {
        for message in messages {
            trace!(message = message.type_name(), "send");
            let message = Message::Text(message.encode().into());
            self.within_patience(async |websocket| websocket.feed(message).await)
                .await?;
        }
        self.within_patience(async |websocket| websocket.flush().await)
            .await
    }

    async fn write(&mut self, message: Message) -> Result<(), Gone> {
        self.within_patience(async |websocket| websocket.send(message).await)
            .await
    }

    async fn within_patience(
        &mut self,
        step: impl AsyncFnOnce(&mut WebSocket<Stream>) -> Result<(), WebSocketError>,
    ) -> Result<(), Gone> {
        match timeout(self.patience, step(&mut self.websocket)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(error)),
            Err(_) => Err(Gone::Silent),
        }
    }

    /// Says the last word that fits, and sees the closing handshake through.
    pub(super) async fn part(self: Box<Self>, gone: Gone) {
        match gone {
            Gone::Lost => {}
            Gone::Closed(_) => self.finish(None).await,
            Gone::Silent => {
                self.close(CloseCode::TimedOut, "nothing was heard".to_owned())
                    .await;
            }
            Gone::Excess(message) => self.refuse(excess(message), CloseCode::LimitExceeded).await,
            Gone::Broke(code, words) => self.close(code, words).await,
        }
    }

    /// Closes, with an error message before for programs that do not see the reason.
    pub(super) async fn refuse(mut self: Box<Self>, error: ServerMessage, code: CloseCode) {
        if self.send(&error).await.is_ok() {
            let reason = if let ServerMessage::Error { message, .. } = error {
                message
            } else {
                String::new()
            };
            self.close(code, reason).await;
        }
    }

    /// Closes.
    pub(super) async fn close(self: Box<Self>, code: CloseCode, reason: String) {
        let frame = CloseFrame {
            code: u16::from(code).into(),
            reason: short(&reason).into(),
        };
        self.finish(Some(Message::Close(Some(frame)))).await;
    }

    /// In good order (RFC 6455 §7.1.1): what the client still sends is read and dropped until it
    /// agrees, or a reset could overtake our last words. If it closed, this sends the answer.
    async fn finish(mut self: Box<Self>, close: Option<Message>) {
        let closing = async {
            if let Some(close) = close {
                self.websocket.send(close).await.ok()?;
            }
            while let Some(Ok(_)) = self.websocket.next().await {}
            if self.failed {
                let connection = self.websocket.connection_mut()?;
                connection.lift();
                while connection.read(&mut [0; 1024]).await.ok()? > 0 {}
            }
            Some(())
        };
        if timeout(CLOSING_TIME, closing).await.is_err() {
            debug!("the client did not answer the close frame");
        }
    }
}

/// Says that a limit was passed.
pub(super) fn excess(message: String) -> ServerMessage {
    ServerMessage::Error {
        id: None,
        code: ErrorCode::LimitExceeded,
        message,
    }
}

fn read(text: &str) -> Result<Received, Gone> {
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(too_large());
    }
    Ok(match ClientMessage::decode(text) {
        Ok(message) => {
            trace!(message = message.type_name(), "received");
            Received::Message(message)
        }
        Err(error) => {
            debug!(%error, "refused a frame");
            Received::Nonsense(error.reply())
        }
    })
}

fn not_text() -> Received {
    Received::Nonsense(ServerMessage::Error {
        id: None,
        code: ErrorCode::BadMessage,
        message: "messages are text frames, this one was binary".to_owned(),
    })
}

fn too_large() -> Gone {
    Gone::Excess(format!(
        "the frame is too long: {MAX_MESSAGE_BYTES} bytes are allowed"
    ))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enums")]
fn broken(error: WebSocketError) -> Gone {
    debug!(%error, "the WebSocket broke");
    let too_much =
        |error: &std::io::Error| error.get_ref().is_some_and(|inner| inner.is::<TooMuch>());
    match error {
        WebSocketError::Capacity(_) => too_large(),
        WebSocketError::Io(error) if too_much(&error) => Gone::Excess(error.to_string()),
        // RFC 6455 §8.1.
        WebSocketError::Utf8(_) => Gone::Broke(
            CloseCode::InvalidPayload,
            "the text is not UTF-8".to_owned(),
        ),
        // These are about the end of the connection.
        WebSocketError::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::SendAfterClosing
            | ProtocolError::ReceivedAfterClosing,
        ) => Gone::Lost,
        // RFC 6455 §7.4.1.
        WebSocketError::Protocol(error) => Gone::Broke(CloseCode::ProtocolError, error.to_string()),
        _ => Gone::Lost,
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(READ_LIMIT))
        .max_frame_size(Some(READ_LIMIT))
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(MAX_SERVER_MESSAGE_BYTES)
}

/// A close frame has room for 123 bytes (RFC 6455 §5.5).
fn short(reason: &str) -> String {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
