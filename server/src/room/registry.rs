//! The one map of rooms. A room is there while somebody is in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferrite_protocol::{DepartureCause, RoomId};
use tokio::sync::watch;

use super::inbox::{Inbox, WAITING_BUDGET};
use super::state::{Newcomer, RoomError, RoomLimits, RoomState};
use super::view::View;
use crate::media::net::budget::Budget;
use crate::media::{Gathering, TrackId, Voice};

/// All rooms of the server.
#[derive(Debug)]
pub struct Rooms {
    max_rooms: usize,
    limits: RoomLimits,
    rooms: Mutex<HashMap<RoomId, Arc<Room>>>,
    /// Names tracks, in all rooms.
    tracks: AtomicU64,
    /// Numbers what is said, in all rooms.
    messages: AtomicU64,
    /// What the bytes that wait in all rooms count in.
    waiting: Arc<Budget>,
}

/// One room, and the view of it that everybody in it has.
///
/// The channel holds one value, the latest. Who looks late has missed nothing that still is so.
#[derive(Debug)]
pub(super) struct Room {
    state: Mutex<RoomState>,
    /// The room's name in the media plane.
    pub(super) gathering: Gathering,
    view: watch::Sender<Arc<View>>,
    /// Something changed that nobody should wait for long to see.
    pressing: watch::Sender<()>,
}

impl Rooms {
    /// No rooms yet, and at most so many.
    #[must_use]
    pub fn new(max_rooms: usize, limits: RoomLimits) -> Self {
        Self {
            max_rooms,
            limits,
            rooms: Mutex::default(),
            tracks: AtomicU64::new(1),
            messages: AtomicU64::new(1),
            waiting: Budget::new(WAITING_BUDGET),
        }
    }

    /// Lets somebody into a room, which is made if it is not there. For a seat, which leaves it again.
    pub(super) fn enter(
        &self,
        id: &RoomId,
        newcomer: Newcomer,
        inbox: Arc<Inbox>,
    ) -> Result<(Arc<Room>, u64), RoomError> {
        let mut rooms = self.lock();
        let room = match rooms.get(id) {
            Some(room) => Arc::clone(room),
            None if rooms.len() >= self.max_rooms => {
                return Err(RoomError::TooManyRooms(self.max_rooms));
            }
            None => Arc::new(Room::new(self.limits, id.clone())),
        };
        let serial = room.change_company(|state| state.enter(newcomer, inbox))?;
        rooms.insert(id.clone(), Arc::clone(&room));
        Ok((room, serial))
    }

    /// A room that is there.
    pub(super) fn find(&self, id: &RoomId) -> Option<Arc<Room>> {
        self.lock().get(id).map(Arc::clone)
    }

    /// How many are in a room and the first so many of their names, for somebody who is not in it. Nothing of who is
    /// hidden.
    pub(crate) fn glimpse(&self, id: &RoomId, names: usize) -> (usize, Vec<String>) {
        let Some(view) = self.find(id).map(|room| room.view()) else {
            return (0, Vec::new());
        };
        let named = view.seen_by_all().filter_map(|it| it.name.clone());
        let named = named.filter(|name| !name.is_empty());
        (view.seen_by_all().count(), named.take(names).collect())
    }

    /// All rooms, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Room>> {
        self.lock().values().map(Arc::clone).collect()
    }

    /// Called by a seat that is given up.
    pub(super) fn leave(
        &self,
        id: &RoomId,
        room: &Arc<Room>,
        serial: u64,
        cause: Option<DepartureCause>,
    ) {
        let mut rooms = self.lock();
        room.change_company(|state| state.leave(serial, cause));
        let is_known = rooms.get(id).is_some_and(|known| Arc::ptr_eq(known, room));
        if is_known && room.state().is_over() {
            rooms.remove(id);
        }
    }

    /// A queue for what is sent to somebody.
    pub(super) fn new_inbox(&self) -> Arc<Inbox> {
        Arc::new(Inbox::new(&self.waiting))
    }

    /// A track that never was.
    pub(super) fn new_track(&self) -> TrackId {
        TrackId::of_publication(self.tracks.fetch_add(1, Ordering::Relaxed))
    }

    /// A number larger than those of all messages before. To be asked for while the room is held, so
    /// that its messages are in the order of their numbers.
    pub(super) fn next_message(&self) -> u64 {
        self.messages.fetch_add(1, Ordering::Relaxed)
    }

    /// How many rooms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is no room.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Room>>> {
        // No step under this lock can leave the map half changed.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn new(limits: RoomLimits, id: RoomId) -> Self {
        let view = View::empty(id);
        Self {
            state: Mutex::new(RoomState::new(limits, view.clone())),
            gathering: Gathering::default(),
            view: watch::Sender::new(Arc::new(view)),
            pressing: watch::Sender::new(()),
        }
    }

    /// The room as it is now, to look at for a moment.
    pub(super) fn state(&self) -> MutexGuard<'_, RoomState> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room as its members see it now.
    pub(super) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Changes the room, and shows everybody.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut RoomState) -> T) -> T {
        let result = self.change_company(change);
        self.pressing.send_replace(());
        result
    }

    /// Changes who is in the room, or what they publish: in a large room everybody is shown that in a while, together with
    /// what else of the kind there is by then, unless it is something that the room says is pressing.
    pub(super) fn change_company<T>(&self, change: impl FnOnce(&mut RoomState) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        // While it is held: views come in the order of the changes.
        self.view.send_replace(Arc::new(state.view().clone()));
        if state.take_pressing() {
            self.pressing.send_replace(());
        }
        result
    }

    /// Somebody in it is heard: everybody is shown that, where it makes a difference.
    pub(super) fn hear(&self, now: Instant, serial: u64, track: TrackId, voice: Voice) {
        let mut state = self.state();
        if state.hear(now, serial, track, voice) {
            self.view.send_replace(Arc::new(state.view().clone()));
            self.pressing.send_replace(());
        }
    }

    /// The view of somebody in the room, and what tells them that they should look at it.
    pub(super) fn watch(&self) -> (watch::Receiver<Arc<View>>, watch::Receiver<()>) {
        (self.view.subscribe(), self.pressing.subscribe())
    }
}
