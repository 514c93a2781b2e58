//! The one map of rooms. A room is there while somebody is in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_protocol::{Participant, ParticipantId, RoomId, RoomSnapshot};
use thiserror::Error;
use tokio::sync::watch;

/// All rooms of the server.
#[derive(Debug)]
pub struct Rooms {
    max_participants: usize,
    rooms: Mutex<HashMap<RoomId, Room>>,
}

/// One room: everybody in it, as its members see it.
///
/// The channel holds one value, the latest. Who looks late has missed nothing that still is so.
#[derive(Debug)]
struct Room(watch::Sender<Arc<RoomSnapshot>>);

/// A room as it is shown to whoever is in it.
pub(super) type View = watch::Receiver<Arc<RoomSnapshot>>;

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// The room has all the participants it may have.
    #[error("the room is full: it has {limit} participants")]
    Full {
        /// How many there may be.
        limit: usize,
    },
}

impl Rooms {
    /// No rooms yet, each for at most so many participants.
    #[must_use]
    pub fn new(max_participants: usize) -> Self {
        Self {
            max_participants,
            rooms: Mutex::default(),
        }
    }

    /// Lets somebody into a room, which is made if it is not there, and shows it to them. For a seat,
    /// which leaves it again.
    pub(super) fn enter(&self, id: &RoomId, participant: Participant) -> Result<View, JoinError> {
        let mut rooms = self.lock();
        let room = rooms
            .entry(id.clone())
            .or_insert_with(|| Room::empty(id.clone()));
        if room.0.borrow().participants.len() >= self.max_participants {
            return Err(JoinError::Full {
                limit: self.max_participants,
            });
        }
        let view = room.0.subscribe();
        room.change(|participants| participants.push(participant));
        Ok(view)
    }

    /// Called by a seat that is given up.
    pub(super) fn leave(&self, id: &RoomId, participant: &ParticipantId) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get(id) else {
            return;
        };
        room.change(|participants| participants.retain(|there| there.id != *participant));
        if room.0.borrow().participants.is_empty() {
            rooms.remove(id);
        }
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

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Room>> {
        // No step under this lock can leave the map half changed.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn empty(id: RoomId) -> Self {
        let snapshot = RoomSnapshot {
            id,
            participants: Vec::new(),
        };
        Self(watch::Sender::new(Arc::new(snapshot)))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Participant>)) {
        self.0
            .send_modify(|snapshot| change(&mut Arc::make_mut(snapshot).participants));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Seat;

    fn participant(id: &str) -> Participant {
        Participant {
            id: id.into(),
            name: None,
        }
    }

    fn ids(seat: &mut Seat) -> Vec<String> {
        let ids = seat.snapshot().participants.clone();
        ids.into_iter()
            .map(|participant| participant.id.0)
            .collect()
    }

    #[test]
    fn a_room_is_there_while_somebody_is_in_it() {
        let rooms = Arc::new(Rooms::new(10));
        let mut first = Seat::take(&rooms, "r".into(), participant("1")).unwrap();
        let second = Seat::take(&rooms, "r".into(), participant("2")).unwrap();
        assert_eq!(ids(&mut first), ["1", "2"]);
        drop(second);
        assert_eq!(ids(&mut first), ["1"]);
        drop(first);
        assert!(rooms.is_empty());
    }

    #[test]
    fn a_full_room_lets_nobody_in_until_somebody_left() {
        let rooms = Arc::new(Rooms::new(1));
        let only = Seat::take(&rooms, "r".into(), participant("1")).unwrap();
        let refused = Seat::take(&rooms, "r".into(), participant("2"));
        assert_eq!(refused.unwrap_err(), JoinError::Full { limit: 1 });
        drop(only);
        assert!(Seat::take(&rooms, "r".into(), participant("2")).is_ok());
    }

    #[test]
    fn rooms_do_not_see_each_other() {
        let rooms = Arc::new(Rooms::new(10));
        let mut first = Seat::take(&rooms, "a".into(), participant("1")).unwrap();
        let _second = Seat::take(&rooms, "b".into(), participant("2")).unwrap();
        assert_eq!(ids(&mut first), ["1"]);
        assert_eq!(rooms.len(), 2);
    }
}
