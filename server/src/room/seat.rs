//! A participant's place in a room. Giving it up, by dropping it, is leaving.

use std::sync::Arc;

use ferrite_protocol::{Participant, ParticipantId, RoomId, RoomSnapshot};

use super::registry::{JoinError, Rooms, View};

/// A place in a room, and the view from it.
#[derive(Debug)]
pub struct Seat {
    rooms: Arc<Rooms>,
    room: RoomId,
    participant: ParticipantId,
    view: View,
}

impl Seat {
    /// Takes a seat in a room, which is made if it is not there. The participant's id has to be a new
    /// one.
    ///
    /// # Errors
    /// When the room is full.
    pub fn take(
        rooms: &Arc<Rooms>,
        room: RoomId,
        participant: Participant,
    ) -> Result<Self, JoinError> {
        let own = participant.id.clone();
        let view = rooms.enter(&room, participant)?;
        Ok(Self {
            rooms: rooms.clone(),
            room,
            participant: own,
            view,
        })
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
