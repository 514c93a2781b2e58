//! A participant's place in a room. Giving it up, by dropping it, is leaving.

use std::sync::Arc;

use ferrite_protocol::{ParticipantId, RoomId, RoomSnapshot};
use tokio::sync::watch;

use super::Rooms;

/// A place in a room, and the view from it.
#[derive(Debug)]
pub struct Seat {
    rooms: Arc<Rooms>,
    room: RoomId,
    participant: ParticipantId,
    view: watch::Receiver<Arc<RoomSnapshot>>,
}

impl Seat {
    pub(super) fn new(
        rooms: Arc<Rooms>,
        room: RoomId,
        participant: ParticipantId,
        view: watch::Receiver<Arc<RoomSnapshot>>,
    ) -> Self {
        Self {
            rooms,
            room,
            participant,
            view,
        }
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        &self.room
    }

    /// Who sits here.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// The room as it is now.
    pub fn snapshot(&mut self) -> Arc<RoomSnapshot> {
        self.view.borrow_and_update().clone()
    }

    /// Waits until the room is no longer as [`snapshot`](Self::snapshot) last said.
    pub async fn changed(&mut self) {
        // A room outlives its seats: this one is in it.
        if self.view.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rooms.leave(&self.room, &self.participant);
    }
}
