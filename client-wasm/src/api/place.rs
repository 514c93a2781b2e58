//! A program's place in a room: what it publishes, what comes for it, who waits for the room's word. Owns
//! these by value; knows neither the client nor the callbacks.

use ferrite_protocol::{DepartureCause, ParticipantId};
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use web_sys::{MediaStreamTrack, RtcTrackEvent};

use super::changes::{Change, Snapshot};
use super::outcome::{Failure, Reply};
use super::shapes;
use crate::call::{Ending, Errand, Request, Room, Undone};
use crate::gaps::Transceiver;
use crate::peer::Outlet;
use crate::sorted::Map;

#[derive(Default)]
pub(super) struct Place {
    snapshot: Snapshot,
    /// What comes on the slots, by their `mid`.
    tracks: Map<String, MediaStreamTrack>,
    outlets: Vec<Outlet>,
    joining: Vec<Reply<JsValue>>,
    asking: Map<u32, Reply<()>>,
    tickets: u32,
    /// Why those left who are told to be gone next.
    departures: Map<ParticipantId, DepartureCause>,
    /// Why the room is about to be left, where nobody here asked for it.
    ending: Option<Ending>,
}

impl Place {
    /// The room as the program knows it.
    pub(super) fn room(&self) -> JsValue {
        shapes::room(&self.snapshot)
    }

    /// What is published, as muted as the room has it.
    pub(super) fn outlets(&mut self, room: &Room) -> Vec<Outlet> {
        for outlet in &mut self.outlets {
            outlet.muted = room.is_muted(&outlet.key);
        }
        self.outlets.clone()
    }

    /// Whether somebody muted or unmuted what is published, since [`Place::outlets`].
    pub(super) fn is_muted_otherwise(&self, room: &Room) -> bool {
        let mut outlets = self.outlets.iter();
        outlets.any(|it| it.muted != room.is_muted(&it.key))
    }

    pub(super) fn publish(&mut self, outlet: Outlet) {
        self.unpublish(&outlet.key);
        self.outlets.push(outlet);
    }

    pub(super) fn unpublish(&mut self, key: &str) {
        self.outlets.retain(|known| known.key != key);
    }

    /// Somebody waits to be in.
    pub(super) fn join(&mut self, reply: Reply<JsValue>) {
        self.ending = None;
        self.joining.push(reply);
    }

    /// Tells those who wait to be in that they are, or why not.
    pub(super) fn let_in(&mut self, result: impl Fn(JsValue) -> Result<JsValue, Failure>) {
        let room = self.room();
        for reply in self.joining.drain(..) {
            // Nobody has to wait for an answer, here and below.
            let _ = reply.send(result(room.clone()));
        }
    }

    /// Somebody waits for what becomes of this.
    pub(super) fn ask(&mut self, request: Request, reply: Reply<()>) -> Errand {
        self.tickets = self.tickets.wrapping_add(1);
        self.asking.insert(self.tickets, reply);
        Errand {
            request,
            ticket: Some(self.tickets),
        }
    }

    pub(super) fn settle(&mut self, ticket: u32, result: Result<(), Undone>) {
        if let Some(reply) = self.asking.remove(&ticket) {
            let _ = reply.send(result.map_err(Failure::Undone));
        }
    }

    /// The server did not let this client in, or made it leave.
    pub(super) fn end(&mut self, ending: Ending) {
        if let Ending::Refused(code, words) = &ending {
            let undone = Undone::Refused(*code, words.clone());
            self.let_in(|_| Err(Failure::Undone(undone.clone())));
        }
        self.ending = Some(ending);
    }

    /// This comes on a slot.
    pub(super) fn plug(&mut self, event: &RtcTrackEvent) {
        let transceiver: Transceiver = event.transceiver().unchecked_into();
        if let Some(mid) = transceiver.mid() {
            self.tracks.insert(mid, event.track());
        }
    }

    /// Nothing comes any more.
    pub(super) fn unplug(&mut self) {
        self.tracks.clear();
    }

    /// Somebody is about to be gone.
    pub(super) fn departs(&mut self, who: ParticipantId, cause: DepartureCause) {
        self.departures.insert(who, cause);
    }

    /// The events that tell a program what is different in the room.
    pub(super) fn look(&mut self, room: &Room) -> Vec<(&'static str, JsValue)> {
        let now = Snapshot::of(room, |mid| self.tracks.contains_key(mid));
        let before = std::mem::replace(&mut self.snapshot, now);
        let changes = before.changes(&self.snapshot);
        let ending = match self.snapshot.place {
            None => self.ending.take(),
            Some(_) => None,
        };
        let departures = std::mem::take(&mut self.departures);
        let event = |change: &Change<'_>| match change {
            Change::Joined => ("joined", self.room()),
            Change::ParticipantJoined(it) => ("participantJoined", shapes::participant(it)),
            Change::ParticipantChanged(it) => ("participantChanged", shapes::participant(it)),
            Change::ParticipantLeft(it) => {
                let cause = departures.get(&it.id).copied();
                ("participantLeft", shapes::departed(it, cause))
            }
            Change::Published(who, it) => ("published", shapes::publication(who, it)),
            Change::PublicationChanged(who, it) => {
                ("publicationChanged", shapes::publication(who, it))
            }
            Change::Unpublished(who, it) => ("unpublished", shapes::publication(who, it)),
            Change::Shown(id, shown) => {
                let coming = shown.filter(|shown| shown.idle.is_none());
                let track = coming.and_then(|shown| self.tracks.get(&shown.mid));
                let idle = shown.and_then(|shown| shown.idle);
                ("shown", shapes::shown(id, track, idle))
            }
            Change::Speaking(it) => ("speaking", shapes::speaking(it)),
            Change::Quality(it) => ("quality", shapes::quality(it)),
            Change::Left => ("left", shapes::left(ending.as_ref())),
        };
        changes.iter().map(event).collect()
    }
}
