//! Sound or pictures as encoded frames, each with its time.

use std::time::Duration;

use ferrite_protocol::MediaKind;

/// An encoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it is to be shown or heard, counted by the clock of its RTP stream from the first.
    pub at: u64,
    /// What an encoder made.
    pub bytes: Vec<u8>,
}

/// Frames of one stream: Opus, or VP8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Sound is Opus, pictures are VP8.
    pub kind: MediaKind,
    /// In their order.
    pub frames: Vec<Frame>,
}

impl Clip {
    /// When a frame is due, from the first on.
    #[must_use]
    pub fn due(&self, frame: &Frame) -> Duration {
        Duration::from_micros(frame.at * 1_000_000 / clock_rate(self.kind))
    }
}

/// The ticks of a second: RFC 7587 §4.1, RFC 7741 §4.1.
pub(super) fn clock_rate(kind: MediaKind) -> u64 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}
