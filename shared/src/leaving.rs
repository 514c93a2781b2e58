//! Why somebody is no longer in a room: as they are told themselves, and as the others are.

use serde::{Deserialize, Serialize};

/// Why a client was made to leave its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum LeaveCause {
    /// Somebody removed this participant.
    Kicked,
    /// The room was ended.
    RoomEnded,
    /// The same identity joined anew.
    JoinedElsewhere,
    /// A cause that a later version added.
    #[serde(other)]
    Other,
}

/// Why somebody else is no longer in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum DepartureCause {
    /// They left, or closed the page.
    Left,
    /// Somebody removed them.
    Kicked,
    /// The same identity joined anew.
    JoinedElsewhere,
    /// Their connection was gone, and they did not come back, or could not.
    Lost,
    /// Their client passed a limit, and the server ended its session.
    LimitExceeded,
    /// A cause that a later version added.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use crate::{DepartureCause, ServerMessage};

    #[test]
    fn a_cause_of_a_later_version_is_another_and_none_of_an_earlier_is_none() {
        for (cause, expected) in [
            (r#","cause":"abducted""#, Some(DepartureCause::Other)),
            (
                r#","cause":"limitExceeded""#,
                Some(DepartureCause::LimitExceeded),
            ),
            ("", None),
        ] {
            let text = format!(r#"{{"type":"participantLeft","participant":"p3"{cause}}}"#);
            let ServerMessage::ParticipantLeft { cause, .. } =
                ServerMessage::decode(&text).unwrap()
            else {
                panic!("{text}");
            };
            assert_eq!(cause, expected);
        }
    }
}
