//! Files from one member of a room to another, of any size, over its reliable messages: what is said under
//! the topic [`FILE_TOPIC`], and the rules of both ends. No IO: bytes, time and what a file is named by
//! are arguments.
//!
//! The receiver says from where on it wants the file, at first and whenever something may have been lost;
//! the sender begins there. So a transfer goes on after either end was away, and nothing but that is asked
//! of what carries the messages. What came is compared by SHA-256.

mod receiving;
mod sending;
mod wire;

pub use receiving::Receiving;
pub use sending::{Sending, Step};
pub use wire::{CHUNK_BYTES, CancelReason, FileError, FileId, FileMessage};

/// The topic of messages about files.
pub const FILE_TOPIC: &str = "file";

/// Bytes that are sent and that the receiver has not reported. Less than a server keeps for who is slow.
pub const WINDOW_BYTES: u64 = 1024 * 1024;

/// The receiver reports each time that so many more have come.
const REPORT_BYTES: u64 = WINDOW_BYTES / 4;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// The receiver was asked, and has not answered.
    Offered,
    /// The file is on its way.
    Active,
    /// All of it is there, as it was sent.
    Complete,
    /// It will not come.
    Cancelled(CancelReason),
}

impl Transfer {
    /// Whether nothing more comes of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled(_))
    }
}
