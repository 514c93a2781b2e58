//! A server on ports of its own, and clients that say what they expect of it.
// Every test program has its own copy and uses a part of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ferrite_protocol::{
    ClientMessage, ErrorCode, IceServer, ResumeToken, RoomSnapshot, ServerMessage,
};
use ferrite_server::{Config, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use self::native::Native;

pub mod background;
pub mod http;
pub mod keys;
pub mod native;
pub mod process;
pub mod relay;
pub mod talker;
pub mod tls;
pub mod turn_api;

/// Longer than anything takes on the slowest machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Free ports on loopback, everything else as by default.
pub fn config() -> Config {
    let mut config = Config::default();
    config.http.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.media.port = 0;
    config.media.shards = 1;
    config
}

/// These, with a change.
pub fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config();
    change(&mut config);
    config
}

pub async fn start(config: Config) -> Server {
    Server::start(config).await.unwrap()
}

/// An offer that publishes a microphone, as `mic`.
pub fn offer_of_sound(id: u32) -> String {
    let sdp = Native::new().offer();
    let mid = sdp.lines().find_map(|line| line.strip_prefix("a=mid:"));
    let tracks = json!({ mid.unwrap(): {"publish": {"key": "mic", "source": "microphone"}} });
    json!({"type": "offer", "id": id, "sdp": sdp, "tracks": tracks}).to_string()
}

/// One WebSocket to the server.
pub struct Client {
    pub websocket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub response: Response<Option<Vec<u8>>>,
}

/// What a `welcome` said.
#[derive(Debug)]
pub struct Welcome {
    pub session: String,
    pub token: ResumeToken,
    pub resumed: bool,
}

impl Client {
    pub async fn connect(server: &Server) -> Self {
        Self::connect_with(server.addr(), &[("sec-websocket-protocol", "ferrite.v1")])
            .await
            .unwrap()
    }

    pub async fn connect_with(
        addr: SocketAddr,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{addr}/ws").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let (websocket, response) = timeout(PATIENCE, connect_async(request)).await.unwrap()?;
        Ok(Self {
            websocket,
            response,
        })
    }

    /// Connects over a connection that the test made.
    pub async fn over(stream: TcpStream, addr: SocketAddr) -> Self {
        let stream = MaybeTlsStream::Plain(stream);
        let connecting = client_async(format!("ws://{addr}/ws"), stream);
        let (websocket, response) = timeout(PATIENCE, connecting).await.unwrap().unwrap();
        Self {
            websocket,
            response,
        }
    }

    /// Connects and opens a session.
    pub async fn greeted(server: &Server) -> (Self, Welcome) {
        let mut client = Self::connect(server).await;
        let welcome = client.hello(None).await;
        (client, welcome)
    }

    /// Connects and resumes a session, or fails to.
    pub async fn resuming(server: &Server, token: &ResumeToken) -> (Self, Welcome) {
        let mut client = Self::connect(server).await;
        let welcome = client.hello(Some(token)).await;
        (client, welcome)
    }

    /// Says hello and waits for the welcome. A refused token shows in `resumed`.
    pub async fn hello(&mut self, token: Option<&ResumeToken>) -> Welcome {
        self.send(ClientMessage::Hello {
            version: 1,
            client: Some("test".to_owned()),
            resume_token: token.cloned(),
            last_message: None,
        })
        .await;
        loop {
            match self.receive().await {
                ServerMessage::Welcome {
                    session,
                    resume_token,
                    resumed,
                    ..
                } => {
                    return Welcome {
                        session: session.0,
                        token: resume_token,
                        resumed,
                    };
                }
                ServerMessage::Error {
                    code: ErrorCode::ResumeFailed,
                    ..
                } if token.is_some() => {}
                other => panic!("expected a welcome, got {other:?}"),
            }
        }
    }

    /// Enters a room and waits to be let in.
    pub async fn join(&mut self, room: &str) -> (String, RoomSnapshot) {
        self.send_text(&format!(r#"{{"type":"join","room":"{room}"}}"#))
            .await;
        self.joined().await
    }

    pub async fn joined(&mut self) -> (String, RoomSnapshot) {
        match self.receive().await {
            ServerMessage::Joined {
                participant, room, ..
            } => (participant.0, room),
            other => panic!("expected to have joined, got {other:?}"),
        }
    }

    /// Offers a call whose media comes back.
    pub async fn offer(&mut self, sdp: String) {
        self.send(ClientMessage::Offer {
            id: None,
            sdp,
            tracks: None,
        })
        .await;
    }

    pub async fn send(&mut self, message: ClientMessage) {
        self.send_text(&message.encode()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send_frame(Message::text(text)).await;
    }

    pub async fn send_frame(&mut self, frame: Message) {
        timeout(PATIENCE, self.websocket.send(frame))
            .await
            .unwrap()
            .unwrap();
    }

    /// The next message; other ICE servers, which come when they are due, are skipped.
    pub async fn receive(&mut self) -> ServerMessage {
        loop {
            match self.next().await {
                Some(Message::Text(text)) => match ServerMessage::decode(&text).unwrap() {
                    ServerMessage::IceServers { .. } => {}
                    message => return message,
                },
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The next message; pongs before it, and other ICE servers, are skipped.
    pub async fn receive_message(&mut self) -> ServerMessage {
        loop {
            match self.next().await {
                Some(Message::Text(text)) => match ServerMessage::decode(&text).unwrap() {
                    ServerMessage::IceServers { .. } => {}
                    message => return message,
                },
                Some(Message::Pong(_)) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The next message that is one of those; others before it are skipped.
    pub async fn told<T>(&mut self, pick: impl Fn(ServerMessage) -> Option<T>) -> T {
        let telling = async {
            loop {
                if let Some(picked) = pick(self.receive_message().await) {
                    return picked;
                }
            }
        };
        timeout(PATIENCE, telling).await.expect("it was not told")
    }

    /// Publishes a microphone, as `mic`.
    pub async fn publish_microphone(&mut self) {
        self.send_text(&offer_of_sound(1)).await;
        let refused = self.told(|message| match message {
            ServerMessage::Answer { .. } => Some(None),
            ServerMessage::Error { code, message, .. } => Some(Some((code, message))),
            _ => None,
        });
        assert_eq!(refused.await, None);
    }

    /// The next message, which has to bring other ICE servers.
    pub async fn ice_servers(&mut self) -> Vec<IceServer> {
        match self.next().await {
            Some(Message::Text(text)) => match ServerMessage::decode(&text).unwrap() {
                ServerMessage::IceServers { ice_servers } => ice_servers,
                other => panic!("expected other ICE servers, got {other:?}"),
            },
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// The next message, which has to be an error; pongs before it are skipped.
    pub async fn error(&mut self) -> (Option<u32>, ErrorCode, String) {
        match self.receive_message().await {
            ServerMessage::Error { id, code, message } => (id.map(|id| id.0), code, message),
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// The code the server closes with; messages before are skipped.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Some(Message::Close(Some(frame))) => return frame.code.into(),
                Some(Message::Text(_) | Message::Pong(_)) => {}
                other => panic!("expected a close frame, got {other:?}"),
            }
        }
    }

    /// Shows that the session goes on: a ping is answered, after whatever came before.
    pub async fn is_served(&mut self) {
        self.send_text(r#"{"type":"ping","id":4711}"#).await;
        match self.receive_message().await {
            ServerMessage::Pong { id: Some(id) } => assert_eq!(id.0, 4711),
            other => panic!("expected a pong, got {other:?}"),
        }
    }

    /// Sends a text frame that is not UTF-8.
    pub async fn break_utf8(&mut self) {
        let frame = Frame::message(vec![0xff], OpCode::Data(Data::Text), true);
        self.send_frame(Message::Frame(frame)).await;
    }

    /// Closes as who is done, and waits for the answer.
    pub async fn leave(&mut self) {
        let code = 1000.into();
        let reason = "".into();
        self.send_frame(Message::Close(Some(CloseFrame { code, reason })))
            .await;
        assert_eq!(self.closed().await, 1000);
    }

    /// Ends the TCP connection without a word.
    pub async fn drop_connection(self) {
        drop(self.websocket.into_inner());
    }

    /// The next frame. The server's own pings, which come when they are due, are skipped.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let next = timeout(PATIENCE, self.websocket.next()).await;
            match next.expect("nothing came")?.ok()? {
                Message::Ping(_) => {}
                frame => return Some(frame),
            }
        }
    }
}
