//! The native client's place in a room: its WebSocket, and the peer connection beside it.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, bail};
use ferrite_protocol::{
    CHAT, ClientData, ClientMessage, JoinToken, MediaKind, PROTOCOL_VERSION, ParticipantId,
    Priority, PublicationId, RequestId, SUBPROTOCOL, ServerMessage, TrackUse, Watch,
};
use futures_util::{SinkExt, StreamExt};
use rtc::rtp::Packet;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::clip::Clip;
use super::data::Channels;
use super::incoming::{Data, Delivery, Incoming};
use super::peer::Peer;

/// What it is shown at a time.
const SLOTS: [MediaKind; 2] = [MediaKind::Audio, MediaKind::Video];

/// What happens in a room, as its member sees it.
#[derive(Debug)]
pub enum News {
    /// The server said this.
    Said(ServerMessage),
    /// A packet came on the slot of this kind.
    Packet(MediaKind, Packet),
    /// Somebody sent bytes.
    Data(Data),
}

/// A place in a room. Dropping it leaves.
pub struct NativeRoom {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    peer: Peer,
    participant: ParticipantId,
    /// The slot for pictures.
    slot: Option<String>,
    /// What came while something else was waited for.
    waiting: VecDeque<News>,
    requests: u32,
}

impl NativeRoom {
    /// Enters a room of the server at `HOST:PORT`, publishing these kinds, and waits until media and data
    /// can flow.
    pub async fn enter(
        server: &str,
        room: &str,
        name: &str,
        token: Option<&str>,
        publishes: &[MediaKind],
    ) -> Result<Self> {
        let peer = Peer::new(server, publishes, &SLOTS).await?;
        Self::enter_with(peer, server, (room, name, token)).await
    }

    /// Enters a room to send and get nothing but bytes.
    pub async fn enter_for_data(
        server: &str,
        room: &str,
        name: &str,
        token: Option<&str>,
    ) -> Result<Self> {
        let peer = Peer::new(server, &[], &[]).await?;
        Self::enter_with(peer, server, (room, name, token)).await
    }

    async fn enter_with(
        peer: Peer,
        server: &str,
        (room, name, token): (&str, &str, Option<&str>),
    ) -> Result<Self> {
        let uri = format!("ws://{server}/ws").parse()?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
        let (socket, _) = connect_async(request).await.context("the WebSocket")?;
        let mut this = Self {
            socket,
            peer,
            participant: ParticipantId(String::new()),
            slot: None,
            waiting: VecDeque::new(),
            requests: 0,
        };
        this.join(room, name, token).await?;
        this.call().await?;
        Ok(this)
    }

    async fn join(&mut self, room: &str, name: &str, token: Option<&str>) -> Result<()> {
        self.send(&ClientMessage::Hello {
            version: PROTOCOL_VERSION,
            client: Some(concat!("ferrite-native/", env!("CARGO_PKG_VERSION")).to_owned()),
            resume_token: None,
            last_message: None,
        })
        .await?;
        let id = self.request();
        self.send(&ClientMessage::Join {
            id,
            room: room.into(),
            name: Some(name.to_owned()),
            metadata: None,
            token: token.map(JoinToken::from),
        })
        .await?;
        let joined = self.reply(id).await?;
        if let ServerMessage::Joined { participant, .. } = &joined {
            self.participant = participant.clone();
        }
        // It says who is there, and what was written before.
        self.waiting.push_back(News::Said(joined));
        Ok(())
    }

    async fn call(&mut self) -> Result<()> {
        let (sdp, tracks) = self.peer.offer().await?;
        let slot = |(mid, track): (&String, &TrackUse)| {
            let is_slot = *track == TrackUse::Receive(MediaKind::Video);
            is_slot.then(|| mid.clone())
        };
        self.slot = tracks.iter().find_map(slot);
        let (id, tracks) = (self.request(), Some(tracks));
        self.send(&ClientMessage::Offer { id, sdp, tracks }).await?;
        if let ServerMessage::Answer { sdp, .. } = self.reply(id).await? {
            self.peer.accept(sdp).await?;
        }
        let (mut is_connected, mut open) = (false, 0);
        while !is_connected || open < Channels::COUNT {
            match self.incoming().await? {
                Incoming::Connected => is_connected = true,
                Incoming::Opened => open += 1,
                Incoming::Failed => bail!("the server's addresses cannot be reached"),
                Incoming::Packet(kind, packet) => {
                    self.waiting.push_back(News::Packet(kind, packet));
                }
                Incoming::Data(data) => self.waiting.push_back(News::Data(data)),
                Incoming::Gathered => {}
            }
        }
        Ok(())
    }

    /// Makes another peer connection, as one does after the network has changed. Bytes that were on their way over the
    /// one before, which is given up without a word, come over this one.
    pub async fn call_again(&mut self, server: &str) -> Result<()> {
        let came = self.peer.detach().await?;
        self.waiting.extend(came.into_iter().map(News::Data));
        let peer = self.peer.again(server).await?;
        let before = std::mem::replace(&mut self.peer, peer);
        self.call().await?;
        before.close().await
    }

    /// What the connection says. What the server says meanwhile waits.
    async fn incoming(&mut self) -> Result<Incoming> {
        loop {
            tokio::select! {
                incoming = self.peer.next() => return incoming,
                message = heard(&mut self.socket) => self.waiting.push_back(News::Said(message?)),
            }
        }
    }

    /// Who this is, as the server says.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// Publishes a clip, in a task that ends with it. It is sent as fast as it is to be seen or heard.
    pub fn play(&self, clip: Clip) -> Result<JoinHandle<Result<()>>> {
        self.peer.play(clip)
    }

    /// Says what the slot for pictures shows. The server fills the one for sound.
    pub async fn watch(&mut self, publication: PublicationId) -> Result<()> {
        let watch = Watch {
            publication,
            width: None,
            height: None,
            paused: false,
            priority: Priority::default(),
        };
        let id = self.request();
        let slot = self.slot.clone().context("there is no slot")?;
        let slots = BTreeMap::from([(slot, Some(watch))]);
        self.send(&ClientMessage::Watch { id, slots }).await?;
        let watching = self.reply(id).await?;
        self.waiting.push_back(News::Said(watching));
        Ok(())
    }

    /// Writes a line to the chat.
    pub async fn say(&mut self, text: &str) -> Result<()> {
        let id = self.request();
        self.send(&ClientMessage::Say {
            id,
            to: None,
            topic: CHAT.to_owned(),
            text: text.to_owned(),
        })
        .await?;
        self.reply(id).await.map(drop)
    }

    /// Sends bytes about a topic: to these participants, or to everybody else in the room.
    pub async fn send_data(
        &self,
        delivery: Delivery,
        to: Option<&[ParticipantId]>,
        topic: &str,
        payload: &[u8],
    ) -> Result<()> {
        let to = to.map(|to| to.iter().map(|it| it.0.as_str()).collect());
        let data = ClientData { to, topic, payload };
        self.peer.send(delivery, &data).await
    }

    /// Waits for something to happen.
    pub async fn next(&mut self) -> Result<News> {
        if let Some(news) = self.waiting.pop_front() {
            return Ok(news);
        }
        loop {
            tokio::select! {
                message = heard(&mut self.socket) => return Ok(News::Said(message?)),
                incoming = self.peer.next() => match incoming? {
                    Incoming::Packet(kind, packet) => return Ok(News::Packet(kind, packet)),
                    Incoming::Data(data) => return Ok(News::Data(data)),
                    Incoming::Failed => bail!("the peer connection failed"),
                    Incoming::Gathered | Incoming::Connected | Incoming::Opened => {}
                },
            }
        }
    }

    /// Leaves.
    pub async fn leave(mut self) -> Result<()> {
        self.socket.close(None).await?;
        self.peer.close().await
    }

    fn request(&mut self) -> Option<RequestId> {
        self.requests += 1;
        Some(RequestId(self.requests))
    }

    async fn send(&mut self, message: &ClientMessage) -> Result<()> {
        Ok(self.socket.send(Message::text(message.encode())).await?)
    }

    /// The reply to a request. What else comes waits.
    async fn reply(&mut self, wanted: Option<RequestId>) -> Result<ServerMessage> {
        loop {
            let message = heard(&mut self.socket).await?;
            match &message {
                ServerMessage::Error { id, message, .. } if *id == wanted => bail!("{message}"),
                ServerMessage::Joined { id, .. }
                | ServerMessage::Answer { id, .. }
                | ServerMessage::Watching { id, .. }
                | ServerMessage::Done { id, .. }
                    if *id == wanted =>
                {
                    return Ok(message);
                }
                _ => self.waiting.push_back(News::Said(message)),
            }
        }
    }
}

/// The next message. The library answers pings.
async fn heard(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<ServerMessage> {
    loop {
        match socket.next().await.context("the WebSocket is gone")?? {
            // What cannot be read a newer server sent: it can do without an answer.
            Message::Text(text) => {
                if let Ok(message) = ServerMessage::decode(&text) {
                    return Ok(message);
                }
            }
            Message::Close(frame) => bail!("the server closed: {frame:?}"),
            _ => {}
        }
    }
}
