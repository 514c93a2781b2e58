//! A room for programs in Rust: what the JavaScript-facing class is to others, with the protocol's own types. Owns one
//! client by value, and what comes on its slots; decides nothing.
//!
//! Everything happens while [`Room::next`] is awaited: a program has one loop, and needs no locks and no callbacks.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

use ferrite_protocol::{CHAT, Participant, ParticipantId, PublicationId, RoomMessage, Source};
use wasm_bindgen::JsCast;
use web_sys::{MediaStreamTrack, RtcTrackEvent};

use crate::call::{Ending, Entry, Errand, Phase, Request};
use crate::client::{self, Client, Command, Event};
use crate::dom::{self, Inbox};
use crate::gaps::Transceiver;
use crate::peer::Outlet;
use crate::sorted::Map;
use crate::{url, words};

/// What happens in a room. What is different there is not told: the room is looked at.
#[derive(Debug)]
pub enum RoomEvent {
    /// Others are there than before, or publish something else, or another track comes of it.
    Changed,
    /// How the call is, and what is wrong with it, in words for people.
    Status(Phase, Option<String>),
    /// Somebody said something, perhaps this program.
    Said(RoomMessage),
    /// Somebody else muted what this program publishes, and perhaps said why.
    Muted(PublicationId, Option<String>),
    /// Something asked for was not done, in the server's words.
    Refused(String),
    /// The server did not let this program in, or made it leave.
    Ended(Ending),
}

/// That is no address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

impl fmt::Display for BadAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("that is no address of a server")
    }
}

impl Error for BadAddress {}

/// A place in a room. It comes back by itself after the network was gone. Dropping it leaves.
pub struct Room {
    client: Client,
    inbox: Inbox<client::Input>,
    events: VecDeque<RoomEvent>,
    /// What comes on the slots, by their `mid`.
    tracks: Map<String, MediaStreamTrack>,
    outlets: Vec<Outlet>,
}

impl Room {
    /// Goes into a room of the server at this address, `http(s):` or `ws(s):`.
    ///
    /// # Errors
    /// Where the address is none. What the server says comes from [`Room::next`].
    pub fn enter(server: &str, entry: Entry) -> Result<Self, BadAddress> {
        let url = url::from(server).ok_or(BadAddress)?;
        let (post, inbox) = dom::queue();
        let mut room = Self {
            client: Client::new(url, None, post),
            inbox,
            events: VecDeque::new(),
            tracks: Map::new(),
            outlets: Vec::new(),
        };
        room.command(Command::ShowAny);
        room.command(Command::Enter(entry));
        Ok(room)
    }

    /// What happens next. Nothing more does after [`Room::leave`].
    pub async fn next(&mut self) -> Option<RoomEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.client.status().phase == Phase::Closed {
                return None;
            }
            let input = self.inbox.next().await?;
            self.tell(input);
        }
    }

    /// Who this program is, once it is in.
    #[must_use]
    pub fn own(&self) -> Option<&ParticipantId> {
        self.client.room().own()
    }

    /// Everybody, this program included, oldest first.
    #[must_use]
    pub fn participants(&self) -> &[Participant] {
        self.client.room().people()
    }

    /// What comes of a publication of somebody else. The server chooses what does.
    #[must_use]
    pub fn track(&self, publication: &PublicationId) -> Option<&MediaStreamTrack> {
        self.tracks.get(self.client.room().slot_of(publication)?)
    }

    /// Publishes a track under a key, in place of what was published under it. The key is not empty and has no `/`.
    pub fn publish(&mut self, key: &str, source: Source, track: MediaStreamTrack) {
        self.outlets.retain(|outlet| outlet.key != key);
        self.outlets.push(Outlet {
            key: key.to_owned(),
            source,
            label: None,
            track: Some(track),
            muted: self.client.room().is_muted(key),
            manner: None,
        });
        self.carry();
    }

    /// Publishes no more what is published under this key.
    pub fn unpublish(&mut self, key: &str) {
        self.outlets.retain(|outlet| outlet.key != key);
        self.command(Command::Mute(key.to_owned(), false));
        self.carry();
    }

    /// Mutes what is published under this key, or no longer, whoever muted it.
    pub fn mute(&mut self, key: &str, muted: bool) {
        self.command(Command::Mute(key.to_owned(), muted));
    }

    /// Says something in the chat, to everybody.
    pub fn say(&mut self, text: &str) {
        let request = Request::Say {
            to: None,
            topic: CHAT.to_owned(),
            text: text.to_owned(),
        };
        self.command(Command::Ask(Errand {
            request,
            ticket: None,
        }));
    }

    /// Leaves the room, and the server.
    pub fn leave(&mut self) {
        self.command(Command::Close);
    }

    fn command(&mut self, command: Command) {
        self.tell(client::Input::Do(command));
    }

    fn tell(&mut self, input: client::Input) {
        for event in self.client.handle(input) {
            self.note(event);
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Status(status) => {
                let problem = status.problem.as_ref().map(words::problem);
                self.events
                    .push_back(RoomEvent::Status(status.phase, problem));
            }
            Event::Track(event) => self.plug(&event),
            Event::PeerClosed => self.tracks.clear(),
            Event::Room => {
                self.carry_as_muted();
                self.events.push_back(RoomEvent::Changed);
            }
            Event::Said(message) => self.events.push_back(RoomEvent::Said(message)),
            Event::Complaint(words) => self.events.push_back(RoomEvent::Refused(words)),
            Event::Muted(publication, reason) => {
                self.events.push_back(RoomEvent::Muted(publication, reason));
            }
            Event::Ended(ending) => {
                self.events.push_back(RoomEvent::Ended(ending));
                self.command(Command::HangUp);
            }
            // The browser's own, and what nobody here asks for.
            Event::ServerState { .. }
            | Event::PeerConnection(_)
            | Event::ChannelOpen { .. }
            | Event::ChannelClosed
            | Event::Message(_)
            | Event::Departed(..)
            | Event::Settled(..)
            | Event::Stats(_) => {}
        }
    }

    fn plug(&mut self, event: &RtcTrackEvent) {
        let transceiver: Transceiver = event.transceiver().unchecked_into();
        if let Some(mid) = transceiver.mid() {
            self.tracks.insert(mid, event.track());
            self.events.push_back(RoomEvent::Changed);
        }
    }

    /// Whoever may mutes what others publish.
    fn carry_as_muted(&mut self) {
        let room = self.client.room();
        let mut changed = false;
        for outlet in &mut self.outlets {
            let muted = room.is_muted(&outlet.key);
            changed |= std::mem::replace(&mut outlet.muted, muted) != muted;
        }
        if changed {
            self.carry();
        }
    }

    fn carry(&mut self) {
        self.command(Command::Carry(self.outlets.clone()));
    }
}
