//! The W3C `RTCSessionDescriptionInit`, field for field.

use serde::{Deserialize, Serialize};

/// `RTCSdpType`. The browser always offers and the server always answers, so v1 has no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// An offer, from the client.
    Offer,
    /// An answer, from the server.
    Answer,
}

/// `RTCSessionDescriptionInit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct SessionDescription {
    /// Whether this offers or answers.
    #[serde(rename = "type")]
    pub kind: SdpType,
    /// The session description (RFC 8866).
    pub sdp: String,
}
