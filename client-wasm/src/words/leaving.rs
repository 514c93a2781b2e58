//! Why somebody is in the room no more: this client, or somebody else.

use ferrite_protocol::{DepartureCause, LeaveCause};

use crate::language::{fill, say};

/// This client was made to leave.
pub(super) fn farewell(cause: LeaveCause) -> String {
    match cause {
        LeaveCause::Kicked => say("You were removed from the room"),
        LeaveCause::RoomEnded => say("The room was ended"),
        LeaveCause::JoinedElsewhere => say("You joined this room from somewhere else"),
        LeaveCause::Other => say("You had to leave the room"),
    }
}

/// Somebody else left.
pub(crate) fn went(name: &str, cause: Option<DepartureCause>) -> String {
    match cause {
        Some(DepartureCause::Kicked) => fill("{} was removed", &[name]),
        Some(DepartureCause::Lost) => fill("{} lost the connection", &[name]),
        Some(
            DepartureCause::Left
            | DepartureCause::JoinedElsewhere
            | DepartureCause::LimitExceeded
            | DepartureCause::Other,
        )
        | None => fill("{} left", &[name]),
    }
}
