//! What a client is shown of a room, and what it says of its own part in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ParticipantId, PublicationId, RoomId};

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
    /// Whatever the application wants others to know of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Whether their client is there.
    #[serde(default, skip_serializing_if = "ParticipantState::is_connected")]
    pub state: ParticipantState,
    /// What they publish.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publications: Vec<Publication>,
}

impl Participant {
    /// Somebody of whom no more is known than who they are.
    #[must_use]
    pub fn new(id: ParticipantId) -> Self {
        Self {
            id,
            name: None,
            metadata: None,
            state: ParticipantState::Connected,
            publications: Vec::new(),
        }
    }
}

/// Whether somebody's client is there. Connected, where it is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum ParticipantState {
    /// It is.
    #[default]
    Connected,
    /// It lost its connection and may come back; until then its place is kept.
    Reconnecting,
}

impl ParticipantState {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
    const fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// What somebody publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// Unique in the room.
    pub id: PublicationId,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// What its publisher calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Nothing is sent of it at the moment.
    #[serde(default, skip_serializing_if = "is_false")]
    pub muted: bool,
    /// The width of the best there is of it, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    /// Its height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
}

/// The kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// Where a publication comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A screen, or a part of one.
    Screen,
    /// The sound of what a screen shows.
    ScreenAudio,
    /// Something else, or a source that a later version added.
    #[serde(other)]
    Other,
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

/// Something that a client may do in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Right {
    /// Publish, if not from every source.
    Publish,
    /// Watch and listen to others.
    Subscribe,
    /// Say something, and send messages.
    Say,
    /// Mute and remove others, and end the room.
    Moderate,
    /// A right that a later version added.
    #[serde(other)]
    Other,
}

/// What the media sections of an offer are for, by `mid`.
pub type Tracks = BTreeMap<String, TrackUse>;

/// What a media section is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TrackUse {
    /// This is published on it.
    Publish {
        /// Names the publication among this client's: under the same key it is the same one, also on
        /// another section or peer connection. It is not empty, and has no `/` in it.
        key: String,
        /// Where it comes from.
        source: Source,
        /// What to call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// The width of the best there is of it, in pixels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u16>,
        /// Its height.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u16>,
    },
    /// It is a slot: what others publish is shown on it, one at a time. The nth slot for sound and
    /// the nth for pictures are one `MediaStream`.
    Receive(MediaKind),
}

/// What a slot for pictures is to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    /// Which publication.
    pub publication: PublicationId,
    /// How wide it is shown, in pixels of the screen. Left out, the best there is is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u16>,
    /// How high it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u16>,
    /// Nothing is to be sent for now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// Whether it comes before what other slots show, where there is not room for all. Left out, it is `low`.
    #[serde(default, skip_serializing_if = "Priority::is_usual")]
    pub priority: Priority,
}

/// What comes first where there is not room for all, in the words of WebRTC's `RTCPriorityType`. Of one priority
/// screens come first, then what is shown larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// After everything else.
    VeryLow,
    /// As usual.
    #[default]
    Low,
    /// Before what is usual.
    Medium,
    /// Before everything else.
    High,
}

impl Priority {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a device keeps up with what it has to do, in the words of the Compute Pressure API's `PressureState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Pressure {
    /// It could do more.
    #[default]
    Nominal,
    /// It does what it has to, and no more.
    Fair,
    /// It falls behind: less would be better.
    Serious,
    /// It is about to fail: the least is enough.
    Critical,
}

/// What a slot carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// The publication that is shown on it, or would be.
    pub publication: PublicationId,
    /// Why nothing comes of it, where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
}

/// Why a slot carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Idle {
    /// Its publisher muted it.
    Muted,
    /// `watch` says so.
    Paused,
    /// Nobody publishes it: not yet, or not any more.
    NoPublisher,
    /// Its publisher sends a codec that this client did not agree to on the slot.
    Codec,
    /// There is no room for it on the way to this client. It comes back by itself.
    Bandwidth,
    /// This client's token does not let it subscribe.
    NotAllowed,
    /// A reason that a later version added.
    #[serde(other)]
    Other,
}

/// How well a slot for pictures does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SlotQuality {
    /// The layer that would be best for its size: 0 is the best there is, each further one has half the width and height.
    pub wished: u8,
    /// The layer that goes out; left out while none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u8>,
    /// The highest temporal layer of it that goes out, where those above it are left out for want of room: 0 is the
    /// lowest, and each further one doubles the frames in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_layer: Option<u8>,
    /// Why that is less than is wished for, where it has been for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// What keeps a picture from being better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// The way to this client is too narrow.
    Download,
    /// This client said that it cannot keep up.
    Cpu,
    /// Its publisher sends less, as browsers do whose way to the server is too narrow or that are too busy.
    Upload,
    /// Nothing comes from its publisher, who says nothing of why.
    Interrupted,
    /// Something that a later version added.
    #[serde(other)]
    Other,
}

/// Something that somebody said in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RoomMessage {
    /// A later message has a larger number, in whatever room.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub number: u64,
    /// Who sent it, as the server knows.
    pub from: ParticipantId,
    /// What they were called then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// To whom, where it is not to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<ParticipantId>>,
    /// What it is about; `chat` is what people write to each other.
    pub topic: String,
    /// When the server took it, in milliseconds since 1970.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub at: u64,
    /// What was said.
    pub text: String,
}

/// The topic of which late joiners get what was said last.
pub const CHAT: &str = "chat";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(value: &bool) -> bool {
    !*value
}
