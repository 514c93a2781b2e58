//! What comes to a native client over its peer connection.

use ferrite_protocol::{MediaKind, ParticipantId};
use rtc::rtp::Packet;

/// What the connection says.
#[derive(Debug)]
pub(super) enum Incoming {
    Gathered,
    Connected,
    Failed,
    Packet(MediaKind, Packet),
    /// One of the data channels is open.
    Opened,
    Data(Data),
}

/// How bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Everything comes, in order.
    Reliable,
    /// The newest counts.
    Lossy,
}

/// Bytes that somebody sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// On which channel.
    pub delivery: Delivery,
    /// Who, as the server knows them.
    pub from: ParticipantId,
    /// They were not for everybody.
    pub is_private: bool,
    /// What they are about.
    pub topic: String,
    /// What was sent.
    pub payload: Vec<u8>,
}
