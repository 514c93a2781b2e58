//! The way of participants into rooms of Janus's VideoRoom, over its WebSocket API: one session for all, and a
//! handle for each. A publisher offers and Janus answers; Janus offers to a subscriber, who answers. Knows nothing of
//! media.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::offer::Part;
use crate::wait;

const PLUGIN: &str = "janus.plugin.videoroom";

/// What it caps a publisher at, in bit/s: nothing that is sent here.
const BITRATE: u64 = 1_000_000_000;

/// A description that came for the participant with this number.
#[derive(Debug)]
pub(super) enum Description {
    /// Of what it offered.
    Answer(usize, String),
    /// That it is to answer.
    Offer(usize, String),
}

/// One who wants in, or is.
struct Visitor {
    room: u32,
    part: Part,
    /// What a publisher offers.
    offer: String,
    handle: Option<u64>,
}

/// The session.
pub(super) struct Desk {
    socket: WebSocket<UnixStream>,
    session: u64,
    /// Makes rooms.
    handle: u64,
    visitors: BTreeMap<usize, Visitor>,
    handles: HashMap<u64, usize>,
    rooms: HashSet<u32>,
    /// Publishers of each room whose media Janus has.
    feeds: HashMap<u32, Vec<usize>>,
    /// Subscribers whose room has too few publishers yet.
    waiting: Vec<usize>,
}

impl Desk {
    /// Opens the session at this Unix socket.
    pub(super) fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("Janus's API")?;
        stream.set_read_timeout(Some(wait::PATIENCE))?;
        let mut request = "ws://localhost/".into_client_request()?;
        let protocol = HeaderValue::from_static("janus-protocol");
        (request.headers_mut()).insert("Sec-WebSocket-Protocol", protocol);
        let opened = tungstenite::client(request, stream);
        let (socket, _) = opened.ok().context("Janus's WebSocket")?;
        let mut desk = Self {
            socket,
            session: 0,
            handle: 0,
            visitors: BTreeMap::new(),
            handles: HashMap::new(),
            rooms: HashSet::new(),
            feeds: HashMap::new(),
            waiting: Vec::new(),
        };
        let create = json!({ "janus": "create", "transaction": "create" });
        desk.session = desk.ask(&create)?;
        let attach = json!({
            "janus": "attach", "session_id": desk.session, "plugin": PLUGIN, "transaction": "rooms",
        });
        desk.handle = desk.ask(&attach)?;
        desk.socket.get_ref().set_nonblocking(true)?;
        Ok(desk)
    }

    /// Says this and waits for the number that it is answered with.
    fn ask(&mut self, request: &Value) -> Result<u64> {
        self.socket.send(Message::text(request.to_string()))?;
        let answer: Value = serde_json::from_str(self.socket.read()?.to_text()?)?;
        let number = answer["data"]["id"].as_u64();
        number.with_context(|| format!("Janus says {answer}"))
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        match self.socket.send(Message::text(message.to_string())) {
            Err(error) if !is_nothing(&error) => Err(error).context("a message to Janus"),
            _ => Ok(()),
        }
    }

    /// A request of the plugin's, of the participant with this number or of the desk itself.
    fn request(&mut self, handle: u64, of: &str, body: Value, jsep: Option<Value>) -> Result<()> {
        let mut message = json!({
            "janus": "message", "session_id": self.session, "handle_id": handle, "transaction": of, "body": body,
        });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.say(&message)
    }

    /// Somebody wants into a room, to publish what is offered, or else to be shown what others publish.
    pub(super) fn enter(
        &mut self,
        number: usize,
        room: u32,
        part: Part,
        offer: String,
    ) -> Result<()> {
        if self.rooms.insert(room) {
            let body = json!({
                "request": "create", "room": id(room), "publishers": 100_000, "bitrate": BITRATE,
                "audiocodec": "opus", "videocodec": "vp8",
            });
            self.request(self.handle, "room", body, None)?;
        }
        let visitor = Visitor {
            room,
            part,
            offer,
            handle: None,
        };
        self.visitors.insert(number, visitor);
        self.say(&json!({
            "janus": "attach", "session_id": self.session, "plugin": PLUGIN, "transaction": number.to_string(),
        }))
    }

    /// Somebody goes.
    pub(super) fn leave(&mut self, number: usize) -> Result<()> {
        let Some(visitor) = self.visitors.remove(&number) else {
            return Ok(());
        };
        self.waiting.retain(|waiting| *waiting != number);
        let feeds = self.feeds.entry(visitor.room).or_default();
        feeds.retain(|feed| *feed != number);
        let Some(handle) = visitor.handle else {
            return Ok(());
        };
        self.handles.remove(&handle);
        self.say(&json!({
            "janus": "detach", "session_id": self.session, "handle_id": handle, "transaction": "detach",
        }))
    }

    /// A subscriber answers.
    pub(super) fn answer(&mut self, number: usize, sdp: &str) -> Result<()> {
        let visitor = self.visitors.get(&number).context("an answer of nobody")?;
        let handle = visitor.handle.context("an answer without a handle")?;
        let jsep = json!({ "type": "answer", "sdp": sdp });
        self.request(
            handle,
            &number.to_string(),
            json!({ "request": "start" }),
            Some(jsep),
        )
    }

    /// Hears what Janus says, and returns what came of descriptions.
    pub(super) fn hear(&mut self) -> Result<Vec<Description>> {
        let mut descriptions = Vec::new();
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text)?;
                    descriptions.extend(self.note(&message)?);
                }
                Ok(Message::Close(_)) => bail!("Janus closed its WebSocket"),
                Ok(_) => {}
                Err(error) if is_nothing(&error) => break,
                Err(error) => return Err(error).context("Janus's WebSocket"),
            }
        }
        // What the kernel did not take goes out with the next look.
        match self.socket.flush() {
            Err(error) if !is_nothing(&error) => Err(error).context("a message to Janus"),
            _ => Ok(descriptions),
        }
    }

    fn note(&mut self, message: &Value) -> Result<Option<Description>> {
        let transaction = message["transaction"].as_str().unwrap_or_default();
        let asker = transaction.parse().ok();
        let sender = message["sender"].as_u64().unwrap_or_default();
        let number = self.handles.get(&sender).copied();
        match message["janus"].as_str().unwrap_or_default() {
            "success" => {
                let handle = message["data"]["id"].as_u64();
                if let Some((number, handle)) = asker.zip(handle) {
                    self.sit(number, handle)?;
                }
            }
            "webrtcup" => {
                if let Some(number) = number {
                    self.note_up(number)?;
                }
            }
            "event" => return self.note_event(message, number),
            "hangup" if number.is_some() => bail!("Janus hung up: {message}"),
            "error" if asker.is_some() => bail!("Janus says {message}"),
            _ => {}
        }
        Ok(None)
    }

    fn note_event(
        &mut self,
        message: &Value,
        number: Option<usize>,
    ) -> Result<Option<Description>> {
        let data = &message["plugindata"]["data"];
        if !data["error"].is_null() && number.is_some() {
            bail!("Janus says {message}");
        }
        let sdp = message["jsep"]["sdp"].as_str().map(str::to_owned);
        let is_offer = message["jsep"]["type"] == "offer";
        Ok(number.zip(sdp).map(|(number, sdp)| match is_offer {
            true => Description::Offer(number, sdp),
            false => Description::Answer(number, sdp),
        }))
    }

    /// Somebody has a handle.
    fn sit(&mut self, number: usize, handle: u64) -> Result<()> {
        let Some(visitor) = self.visitors.get_mut(&number) else {
            return Ok(());
        };
        visitor.handle = Some(handle);
        self.handles.insert(handle, number);
        if !visitor.part.publishes() {
            self.waiting.push(number);
            return self.subscribe();
        }
        let jsep = json!({ "type": "offer", "sdp": std::mem::take(&mut visitor.offer) });
        let body = json!({
            "request": "joinandconfigure", "ptype": "publisher", "room": id(visitor.room), "id": feed(number),
        });
        self.request(handle, &number.to_string(), body, Some(jsep))
    }

    fn note_up(&mut self, number: usize) -> Result<()> {
        let Some(visitor) = self.visitors.get(&number) else {
            return Ok(());
        };
        if !visitor.part.publishes() {
            return Ok(());
        }
        self.feeds.entry(visitor.room).or_default().push(number);
        self.subscribe()
    }

    /// Whoever waited and has enough publishers now asks for them.
    fn subscribe(&mut self) -> Result<()> {
        for number in std::mem::take(&mut self.waiting) {
            let Some(visitor) = self.visitors.get(&number) else {
                continue;
            };
            let (handle, room, part) = (visitor.handle, visitor.room, visitor.part);
            let feeds = self.feeds.get(&room).map_or(&[][..], Vec::as_slice);
            if feeds.len() < part.shown.max(part.heard).max(1) {
                self.waiting.push(number);
                continue;
            }
            // Not everybody sees the same.
            let feeds = feeds.iter().cycle().skip(number % feeds.len());
            let pictures = feeds.clone().take(part.shown).map(|of| (of, "0"));
            let sounds = feeds.take(part.heard).map(|of| (of, "1"));
            let streams = pictures.chain(sounds);
            let streams: Vec<_> = streams
                .map(|(of, mid)| json!({ "feed": feed(*of), "mid": mid }))
                .collect();
            let body = json!({ "request": "join", "ptype": "subscriber", "room": id(room), "streams": streams });
            let handle = handle.context("a subscriber without a handle")?;
            self.request(handle, &number.to_string(), body, None)?;
        }
        Ok(())
    }
}

/// Its rooms and feeds are numbers from 1.
fn id(room: u32) -> u64 {
    u64::from(room) + 1
}

fn feed(number: usize) -> u64 {
    number as u64 + 1
}

fn is_nothing(error: &tungstenite::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error, tungstenite::Error::Io(error)
        if matches!(error.kind(), WouldBlock | TimedOut | Interrupted))
}
