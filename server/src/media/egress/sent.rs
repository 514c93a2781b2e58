//! What is remembered of a packet that was sent, and what the other end asks for by its number.

use std::num::NonZeroU32;
use std::time::Duration;

use super::frames::SourceCount;
use crate::media::forward::cache::{MAX_CACHED, MAX_SPAN};
use crate::media::id::TrackId;

/// Packets that may be asked for again, at most.
pub const MAX_HISTORY: u16 = MAX_CACHED;
/// How long packets may be asked for again, at most.
pub const HISTORY_SPAN: Duration = MAX_SPAN;
/// A packet that may be asked for again: which it was of its source's, and what became of its timestamp.
/// Its bytes are kept with its track.
pub(super) struct Sent {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    /// Payload bytes; of one that nothing was sent of, 0.
    pub(super) octets: u16,
    /// How many pictures of its source's had been left out before it.
    pub(super) left_out: u16,
    pub(super) timestamp: u32,
    /// Which of the stream's sources it was of.
    pub(super) source: SourceCount,
    /// It was the last of its picture.
    pub(super) marker: bool,
    /// In milliseconds since this stream began.
    pub(super) at: NonZeroU32,
    pub(super) again: Option<NonZeroU32>,
}

/// There are hundreds for each picture that is shown.
const _: () = assert!(size_of::<Option<Sent>>() == 24);

/// A packet that the other end asks for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its track.
    pub track: TrackId,
    /// Its source.
    pub ssrc: u32,
    /// Its source's number.
    pub original: u16,
    /// The number it was sent under.
    pub(super) sequence: u16,
    /// The timestamp it was sent with.
    pub(super) timestamp: u32,
    /// Which of the stream's sources it was of.
    pub(super) source: SourceCount,
    /// How many pictures of that had been left out before it.
    pub(super) left_out: u16,
    /// It was the last of its picture.
    pub(super) marker: bool,
    /// Nothing of it was sent but its number.
    pub(super) is_empty: bool,
}

impl Wanted {
    /// The number it was sent under.
    pub fn sequence(&self) -> u16 {
        self.sequence
    }
}
