//! The data channel: messages out under back-pressure, messages in as they come; and in a room another, on which the
//! newest counts. Knows nothing of what is said on them, nor what becomes of a room's messages when one closes.

use std::collections::VecDeque;

use ferrite_protocol::{LOSSY_CHANNEL, REPLAYED_CHANNEL};
use futures_channel::oneshot;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Event, MessageEvent, RtcDataChannel, RtcDataChannelInit, RtcDataChannelState,
    RtcDataChannelType,
};

use crate::dom::{Listener, Post};
use crate::gaps::Connection;

/// Chromium closes a channel whose send buffer it finds too full, so ours stays well below.
const HIGH_WATER: u32 = 1024 * 1024;
const LOW_WATER: u32 = 256 * 1024;
/// In a room this end also says there what it received, which is not to stand behind much else.
const ROOM_HIGH_WATER: u32 = 32 * 1024;
const ROOM_LOW_WATER: u32 = 16 * 1024;
/// Messages that wait for room, beyond the browser's own buffer.
const WAITING: usize = 256;
/// What is newer than this is of more use than what waits before it.
const LOSSY_HIGH_WATER: u32 = 16 * 1024;

/// What became of the channel.
#[derive(Debug)]
pub(crate) enum ChannelEvent {
    /// It can be used.
    Opened,
    /// It cannot be used any more.
    Closed,
    /// The server sent a string or an `ArrayBuffer`.
    Message(JsValue),
    /// The same on the channel on which the newest counts.
    Lossy(JsValue),
    /// The send buffer has room again.
    Drained,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// There is no open channel.
    NotOpen,
    /// The other end takes no message of this size.
    TooLarge,
    /// Too many messages wait.
    Full,
    /// In a room it would be something else than a message.
    BadData,
}

/// What to send.
#[derive(Debug)]
pub(crate) enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Payload {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// A message and who waits for its departure.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) payload: Payload,
    pub(crate) done: Option<oneshot::Sender<Result<(), SendError>>>,
}

impl Outgoing {
    /// Tells whoever waits.
    pub(crate) fn finish(mut self, result: Result<(), SendError>) {
        self.depart(result);
    }

    /// The same, where what is left of it stays.
    pub(crate) fn depart(&mut self, result: Result<(), SendError>) {
        if let Some(done) = self.done.take() {
            // Nobody has to wait.
            let _ = done.send(result);
        }
    }

    fn size(&self) -> usize {
        match &self.payload {
            Payload::Text(text) => text.len(),
            Payload::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Whose messages come back, outside of rooms.
pub(super) const ECHO: (&str, u32) = ("chat", LOW_WATER);
pub(super) const ROOM: (&str, u32) = (REPLAYED_CHANNEL, ROOM_LOW_WATER);

pub(super) struct Channel {
    channel: RtcDataChannel,
    waiting: VecDeque<Outgoing>,
    _listeners: [Listener; 4],
}

impl Channel {
    pub(super) fn open(
        connection: &Connection,
        (label, low_water): (&str, u32),
        post: &Post<ChannelEvent>,
    ) -> Result<Self, JsValue> {
        let channel = connection.create_channel(label, &RtcDataChannelInit::new())?;
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(low_water);
        let listeners = listeners(&channel, post);
        Ok(Self {
            channel,
            waiting: VecDeque::new(),
            _listeners: listeners,
        })
    }

    /// Sends, or queues while the buffer is full.
    pub(super) fn send(&mut self, message: Outgoing, limit: f64) {
        if message.size() as f64 > limit {
            message.finish(Err(SendError::TooLarge));
        } else if self.channel.ready_state() != RtcDataChannelState::Open {
            message.finish(Err(SendError::NotOpen));
        } else if self.waiting.len() >= WAITING {
            message.finish(Err(SendError::Full));
        } else {
            self.waiting.push_back(message);
            self.drain();
        }
    }

    /// Sends now, if there is room. Returns whether that was so.
    pub(super) fn give(&self, bytes: &[u8]) -> bool {
        self.channel.buffered_amount() < ROOM_HIGH_WATER && self.say(bytes)
    }

    /// Sends now. Returns whether the channel took it.
    pub(super) fn say(&self, bytes: &[u8]) -> bool {
        self.channel.ready_state() == RtcDataChannelState::Open
            && self.channel.send_with_u8_array(bytes).is_ok()
    }

    /// Sends what fits.
    pub(super) fn drain(&mut self) {
        while self.channel.buffered_amount() < HIGH_WATER {
            let Some(message) = self.waiting.pop_front() else {
                return;
            };
            let sent = match &message.payload {
                Payload::Text(text) => self.channel.send_with_str(text),
                Payload::Bytes(bytes) => self.channel.send_with_u8_array(bytes),
            };
            message.finish(sent.map_err(|_| SendError::NotOpen));
        }
    }
}

/// A room's channel on which the newest counts: nothing is sent again, and nothing waits here.
pub(super) struct Lossy {
    channel: RtcDataChannel,
    _listener: Listener,
}

impl Lossy {
    pub(super) fn open(
        connection: &Connection,
        post: &Post<ChannelEvent>,
    ) -> Result<Self, JsValue> {
        let init = RtcDataChannelInit::new();
        init.set_ordered(false);
        init.set_max_retransmits(0);
        let channel = connection.create_channel(LOSSY_CHANNEL, &init)?;
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        let listener = Listener::posting(&channel, "message", post, |event| {
            Some(ChannelEvent::Lossy(data_of(event)?))
        });
        Ok(Self {
            channel,
            _listener: listener,
        })
    }

    /// Sends now, or not at all.
    pub(super) fn send(&self, bytes: &[u8]) {
        let is_open = self.channel.ready_state() == RtcDataChannelState::Open;
        if is_open && self.channel.buffered_amount() < LOSSY_HIGH_WATER {
            // What is lost here is lost as on the way.
            let _ = self.channel.send_with_u8_array(bytes);
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        for message in self.waiting.drain(..) {
            message.finish(Err(SendError::NotOpen));
        }
    }
}

fn listeners(channel: &RtcDataChannel, post: &Post<ChannelEvent>) -> [Listener; 4] {
    let listen = |kind, read: fn(Event) -> Option<ChannelEvent>| {
        Listener::posting(channel, kind, post, read)
    };
    [
        listen("open", |_| Some(ChannelEvent::Opened)),
        listen("close", |_| Some(ChannelEvent::Closed)),
        listen("bufferedamountlow", |_| Some(ChannelEvent::Drained)),
        listen("message", |event| {
            Some(ChannelEvent::Message(data_of(event)?))
        }),
    ]
}

fn data_of(event: Event) -> Option<JsValue> {
    Some(event.dyn_into::<MessageEvent>().ok()?.data())
}
