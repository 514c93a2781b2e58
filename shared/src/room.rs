//! What a client is shown of a room.

use serde::{Deserialize, Serialize};

use crate::{ParticipantId, RoomId};

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Unique in the room.
    pub id: ParticipantId,
    /// What others may call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A whole room at one moment: what a client that knows nothing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RoomSnapshot {
    /// The room.
    pub id: RoomId,
    /// Everybody in it, oldest first.
    pub participants: Vec<Participant>,
}
