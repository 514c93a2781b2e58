//! A member of a room with its WebSocket, and with its data channels on a thread of their own, which can
//! be made to stand still.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrite_protocol::{ClientData, ErrorCode, ServerData, ServerMessage};
use ferrite_server::Server;
use serde_json::json;

use super::background::Background;
use super::native::Native;
use super::{Client, PATIENCE};

pub const RELIABLE: &str = "ferrite.reliable";
pub const LOSSY: &str = "ferrite.lossy";

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    pub label: String,
    pub from: String,
    pub is_private: bool,
    pub topic: String,
    pub payload: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    to_send: Mutex<VecDeque<(&'static str, Vec<u8>)>>,
    came: Mutex<Vec<Came>>,
    channels: AtomicUsize,
    stands_still: AtomicBool,
}

/// Somebody in a room.
pub struct Talker {
    pub client: Client,
    pub id: String,
    shared: Arc<Shared>,
    media: Background,
}

impl Talker {
    /// Enters a room, and waits for its channels to be open.
    pub async fn enter(server: &Server, room: &str, token: Option<&str>) -> Self {
        let (mut client, _) = Client::greeted(server).await;
        let join = json!({"type": "join", "room": room, "token": token});
        client.send_text(&join.to_string()).await;
        let (id, _) = client.joined().await;
        let mut talker = Self {
            client,
            id,
            shared: Arc::default(),
            media: Background::default(),
        };
        talker.call().await;
        talker
    }

    /// Makes another peer connection.
    pub async fn call(&mut self) {
        self.media.end();
        let mut native = Native::new();
        let offer = json!({"type": "offer", "sdp": native.offer_channels(), "tracks": {}});
        self.client.send_text(&offer.to_string()).await;
        let answer = loop {
            if let ServerMessage::Answer { sdp, .. } = self.client.receive_message().await {
                break sdp;
            }
        };
        native.take_answer(&answer);
        self.shared = Arc::default();
        let shared = self.shared.clone();
        self.media = Background::repeat(move || turn(&mut native, &shared));
        self.until("its channels", |talker| {
            talker.shared.channels.load(Ordering::Relaxed) == 2
        });
        // Its session has heard of the channel once it answers what comes on it.
        self.send_raw(RELIABLE, vec![0]);
        while !matches!(
            self.client.receive_message().await,
            ServerMessage::Error {
                code: ErrorCode::BadMessage | ErrorCode::NotAllowed,
                ..
            }
        ) {}
    }

    pub fn stand_still(&self, still: bool) {
        self.shared.stands_still.store(still, Ordering::Relaxed);
    }

    pub fn send_raw(&self, label: &'static str, message: Vec<u8>) {
        self.shared
            .to_send
            .lock()
            .unwrap()
            .push_back((label, message));
    }

    pub fn send(&self, label: &'static str, to: Option<&[&str]>, topic: &str, payload: &[u8]) {
        let to = to.map(<[&str]>::to_vec);
        let message = ClientData { to, topic, payload };
        self.send_raw(label, message.encode().unwrap());
    }

    pub fn count(&self) -> usize {
        self.shared.came.lock().unwrap().len()
    }

    /// What came last.
    pub fn last(&self) -> Option<Came> {
        self.shared.came.lock().unwrap().last().cloned()
    }

    /// What came, and nothing of it again.
    pub fn take(&self) -> Vec<Came> {
        std::mem::take(&mut *self.shared.came.lock().unwrap())
    }

    /// Waits until so much came.
    #[track_caller]
    pub fn hears(&self, count: usize) {
        self.until(&format!("{count} messages"), |talker| {
            talker.count() >= count
        });
    }

    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let count = self.count();
            assert!(Instant::now() < deadline, "not in time: {what}; {count}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Sends what is to be sent, and keeps what came.
fn turn(native: &mut Native, shared: &Shared) {
    if shared.stands_still.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(2));
        return;
    }
    shared.channels.store(native.channels(), Ordering::Relaxed);
    while let Some((label, message)) = next(shared) {
        if !native.send_on(label, &message) {
            shared.to_send.lock().unwrap().push_front((label, message));
            break;
        }
    }
    native.step();
    let came = native.came.drain(..).map(|(label, message)| {
        let message = ServerData::decode(&message).unwrap();
        Came {
            label,
            from: message.from.to_owned(),
            is_private: message.is_private,
            topic: message.topic.to_owned(),
            payload: message.payload.to_vec(),
        }
    });
    let came: Vec<_> = came.collect();
    native.messages.clear();
    shared.came.lock().unwrap().extend(came);
}

fn next(shared: &Shared) -> Option<(&'static str, Vec<u8>)> {
    shared.to_send.lock().unwrap().pop_front()
}
