//! A client that is no browser: it stays in a room and says who is there, whatever becomes of its
//! WebSocket. When to connect, greet, ping, give up and resume is for [`ClientSession`] to say; what is
//! left is to do as it says, and to tell it what happened.
//!
//! `cargo run -p ferrite-protocol --example client -- ws://localhost:8080/ws kitchen`

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use ferrite_protocol::session::{Action, ClientSession, Input};
use ferrite_protocol::{ClientMessage, CloseCode, SUBPROTOCOL, ServerMessage};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message, protocol::CloseFrame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Client {
    url: String,
    room: String,
    session: ClientSession,
    socket: Option<Socket>,
    began: Instant,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or(default.to_owned());
    let mut client = Client {
        url: argument("ws://localhost:8080/ws"),
        room: argument("kitchen"),
        session: ClientSession::new("example/1.0"),
        socket: None,
        began: Instant::now(),
    };
    client.handle(Input::Connect).await;
    while client.session.deadline().is_some() {
        client.wait().await;
    }
}

impl Client {
    /// Waits for whatever comes next, and tells the session.
    async fn wait(&mut self) {
        let deadline = self.session.deadline().unwrap_or_default();
        tokio::select! {
            frame = receive(&mut self.socket) => match frame {
                Ok(text) => self.hear(&text).await,
                Err(code) => {
                    self.socket = None;
                    self.handle(Input::Closed { code }).await;
                }
            },
            () = sleep_until(self.began + deadline) => self.handle(Input::Tick).await,
            _ = tokio::signal::ctrl_c() => self.handle(Input::Stop).await,
        }
    }

    async fn hear(&mut self, text: &str) {
        // What cannot be read a newer server sent: it can do without an answer.
        if let Ok(message) = ServerMessage::decode(text) {
            println!("{text}");
            self.handle(Input::Heard(&message)).await;
        }
    }

    /// Tells the session what happened, and does what it says.
    async fn handle(&mut self, input: Input<'_>) {
        let mut actions = VecDeque::from(self.tell(input));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Connect => actions.extend(self.connect().await),
                Action::Disconnect(code) => self.close(code).await,
                Action::Send(message) => self.send(&message).await,
                // What was lost with a WebSocket is asked for again; a resumed session has its seat.
                Action::Up { resumed: false, .. } => {
                    let (id, room, name) = (None, self.room.as_str().into(), None);
                    let (metadata, token) = (None, None);
                    self.send(&ClientMessage::Join {
                        id,
                        room,
                        name,
                        metadata,
                        token,
                    })
                    .await;
                }
                Action::Up { resumed: true, .. } => println!("the session goes on"),
                Action::Down { why, next_at } => println!("{why:?}, next attempt at {next_at:?}"),
            }
        }
    }

    fn tell(&mut self, input: Input<'_>) -> Vec<Action> {
        let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        self.session.handle(input, self.began.elapsed(), random)
    }

    async fn connect(&mut self) -> Vec<Action> {
        let uri = self.url.parse().expect("a URL");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
        let connected = timeout(Duration::from_secs(5), connect_async(request)).await;
        self.socket = connected
            .ok()
            .and_then(Result::ok)
            .map(|(socket, _)| socket);
        match self.socket {
            Some(_) => self.tell(Input::Opened),
            None => self.tell(Input::Closed { code: 1006 }),
        }
    }

    async fn send(&mut self, message: &ClientMessage) {
        if let Some(socket) = &mut self.socket {
            // If it is closed, `receive` says so.
            let _ = socket.send(Message::text(message.encode())).await;
        }
    }

    async fn close(&mut self, code: CloseCode) {
        let (code, reason) = (u16::from(code).into(), "".into());
        if let Some(mut socket) = self.socket.take() {
            let _ = socket.close(Some(CloseFrame { code, reason })).await;
        }
    }
}

/// The next message, or the code of the end. Without a socket there is none.
async fn receive(socket: &mut Option<Socket>) -> Result<String, u16> {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Close(frame))) => {
                return Err(frame.map_or(1005, |end| end.code.into()));
            }
            Some(Err(_)) | None => return Err(1006),
            // The library answers pings.
            Some(Ok(_)) => {}
        }
    }
}
