//! What the program that the server is a part of sees of rooms, and does to them: the same as a member who
//! moderates, without a seat and without asking for a right.

use std::sync::Arc;

use ferrite_protocol::{Participant, ParticipantId, PublicationId, RoomId, RoomSnapshot};

use super::registry::{Room, Rooms};
use super::state::{Moderator, RoomError};

impl Rooms {
    /// The names of all rooms with somebody in them, in no order.
    #[must_use]
    pub fn names(&self) -> Vec<RoomId> {
        let views = self.all().into_iter().map(|room| room.view());
        let inhabited = views.filter(|view| !view.members.is_empty());
        inhabited.map(|view| view.room.clone()).collect()
    }

    /// Everybody in a room, and what they publish; those whom other members do not see, too. `None` where
    /// nobody is.
    #[must_use]
    pub fn snapshot(&self, room: &RoomId) -> Option<RoomSnapshot> {
        let view = self.find(room)?.view();
        let members = view.members.iter();
        let participants: Vec<Participant> = members.map(|it| it.participant.clone()).collect();
        (!participants.is_empty()).then(|| RoomSnapshot {
            id: view.room.clone(),
            participants,
        })
    }

    /// Removes somebody from a room. They are told `kicked`, and this reason; they may come again.
    ///
    /// # Errors
    /// When there is no such room, or nobody of this name in it.
    pub fn kick(
        &self,
        room: &RoomId,
        whom: &ParticipantId,
        reason: Option<&str>,
    ) -> Result<(), RoomError> {
        let reason = reason.map(str::to_owned);
        self.inhabited(room)?
            .change(|state| state.kick(Moderator::Program, whom, reason))
    }

    /// Mutes what somebody publishes, until they unmute it. They are told `muted`, and this reason.
    ///
    /// # Errors
    /// When there is no such room, or nothing of this name is published in it.
    pub fn mute_publication(
        &self,
        room: &RoomId,
        publication: &PublicationId,
        reason: Option<&str>,
    ) -> Result<(), RoomError> {
        let reason = reason.map(str::to_owned);
        self.inhabited(room)?
            .change(|state| state.mute_publication(Moderator::Program, publication, reason))
    }

    /// Ends a room: everybody in it is told `roomEnded`, and this reason. Who enters it after that makes
    /// it anew.
    ///
    /// # Errors
    /// When there is no such room.
    pub fn end(&self, room: &RoomId, reason: Option<&str>) -> Result<(), RoomError> {
        self.inhabited(room)?
            .change(|state| state.end(Moderator::Program, reason))
    }

    /// A room with somebody in it. One that has only to notice that it has ended is none.
    fn inhabited(&self, room: &RoomId) -> Result<Arc<Room>, RoomError> {
        let found = self.find(room).ok_or(RoomError::NoRoom)?;
        match found.view().members.is_empty() {
            true => Err(RoomError::NoRoom),
            false => Ok(found),
        }
    }
}
