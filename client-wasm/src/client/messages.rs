//! What a client sends on its data channel and what comes: joins a room's [`Replay`](crate::replay::Replay) to whichever
//! channel there is, and leaves the echo's to the peer connection.

use ferrite_protocol::Count;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;

use super::{Client, Event};
use crate::call;
use crate::peer::{ChannelEvent, Outgoing, Peer, SendError};

impl Client {
    pub(super) fn send(&mut self, message: Outgoing) {
        match &mut self.peer {
            Some(peer) if !peer.is_in_room() => peer.send(message),
            Some(_) | None if self.call.takes_messages() => {
                self.replay.push(message);
                self.give();
            }
            Some(_) | None => message.finish(Err(SendError::NotOpen)),
        }
    }

    /// Nothing that was sent in the room is sent any more.
    pub(super) fn forget_messages(&mut self) {
        let said = self.replay.forget();
        self.count(said);
    }

    /// The server has another session.
    pub(super) fn begin_session(&mut self) {
        self.replay.reset();
    }

    pub(super) fn on_channel(&mut self, event: ChannelEvent, events: &mut Vec<Event>) {
        match event {
            ChannelEvent::Opened => {
                self.advance(call::Input::ChannelOpened, events);
                self.on_opened(events);
            }
            ChannelEvent::Closed => {
                self.replay.close();
                events.push(Event::ChannelClosed);
                self.advance(call::Input::ChannelClosed, events);
            }
            ChannelEvent::Message(data) => self.on_message(data, events),
            ChannelEvent::Lossy(data) => events.push(Event::Message(data)),
            ChannelEvent::Drained => {
                self.with_peer(Peer::drain);
                self.give();
            }
        }
    }

    fn is_in_room(&self) -> bool {
        self.peer.as_ref().is_some_and(Peer::is_in_room)
    }

    fn on_opened(&mut self, events: &mut Vec<Event>) {
        if !self.is_in_room() {
            return events.push(Event::ChannelOpen { resumed: false });
        }
        // A room's is open for others once the server has said what it kept.
        for count in self.replay.begin() {
            self.count(Some(count));
        }
    }

    fn on_message(&mut self, data: JsValue, events: &mut Vec<Event>) {
        let is_counted = self.is_in_room() && !data.is_string();
        let is_new = !is_counted || self.is_new_message(&Uint8Array::new(&data));
        if is_new {
            events.push(Event::Message(data));
        } else if let Some(resumed) = self.replay.opened() {
            events.push(Event::ChannelOpen { resumed });
        }
    }

    /// Whether this is a message of others, and did not come before.
    fn is_new_message(&mut self, bytes: &Uint8Array) -> bool {
        if let Some(count) = count_in(bytes) {
            let said = self.replay.count(count);
            self.count(said);
            self.give();
            return false;
        }
        let is_new = self.replay.hear(bytes.length() as usize);
        let due = self.replay.due();
        self.count(due);
        is_new
    }

    fn count(&self, said: Option<Count>) {
        if let (Some(peer), Some(count)) = (&self.peer, said) {
            peer.count(count);
        }
    }

    /// Gives the channel what it has room for.
    fn give(&mut self) {
        if let Some(peer) = &self.peer {
            self.replay.give(|bytes| peer.give(bytes));
        }
    }
}

fn count_in(bytes: &Uint8Array) -> Option<Count> {
    let is_one = bytes.length() as usize == Count::BYTES;
    Count::decode(&is_one.then(|| bytes.to_vec())?).ok()?
}
