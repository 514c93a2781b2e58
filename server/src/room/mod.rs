//! Who is where. Plain data: a room is a list of participants, and what its members are shown is a
//! snapshot of it.
//!
//! It knows nothing of sockets, sessions or RTP. It decides when somebody has to be told by
//! comparing snapshots, never by what happened in between.

use ferrite_protocol::{Participant, ParticipantId, RoomSnapshot};

mod registry;
mod seat;

pub use registry::{JoinError, Rooms};
pub use seat::Seat;

/// What is different between two snapshots of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody is there now.
    Joined(Participant),
    /// Somebody is no longer there.
    Left(ParticipantId),
}

/// What to tell somebody who knows one snapshot to make them know another.
///
/// Participants are in the order they came, and an id is never used twice: whatever is in both
/// snapshots is in the same order in both, so one pass finds every difference.
#[must_use]
pub fn changes(known: &RoomSnapshot, now: &RoomSnapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut present = now.participants.iter().peekable();
    for participant in &known.participants {
        if present
            .next_if(|there| there.id == participant.id)
            .is_none()
        {
            changes.push(Change::Left(participant.id.clone()));
        }
    }
    changes.extend(present.cloned().map(Change::Joined));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(ids: &[u32]) -> RoomSnapshot {
        RoomSnapshot {
            id: "r".into(),
            participants: ids.iter().map(|id| participant(*id)).collect(),
        }
    }

    fn participant(id: u32) -> Participant {
        Participant {
            id: ParticipantId(id.to_string()),
            name: None,
        }
    }

    fn joined(id: u32) -> Change {
        Change::Joined(participant(id))
    }

    fn left(id: u32) -> Change {
        Change::Left(ParticipantId(id.to_string()))
    }

    #[test]
    fn nothing_is_told_when_nothing_changed() {
        assert_eq!(changes(&snapshot(&[1, 2]), &snapshot(&[1, 2])), []);
    }

    #[test]
    fn any_number_of_changes_is_told_at_once() {
        assert_eq!(
            changes(&snapshot(&[1, 2, 3, 4]), &snapshot(&[2, 4, 5, 6])),
            [left(1), left(3), joined(5), joined(6)]
        );
        assert_eq!(
            changes(&snapshot(&[1, 2]), &snapshot(&[3])),
            [left(1), left(2), joined(3)]
        );
    }

    #[test]
    fn who_came_and_went_in_between_is_not_mentioned() {
        let known = snapshot(&[1]);
        // 2 came and went before anybody looked.
        assert_eq!(changes(&known, &snapshot(&[1, 3])), [joined(3)]);
    }
}
