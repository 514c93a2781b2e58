//! What happens to the files of a room's page, besides what others send.

use ferrite_protocol::file::FileId;

/// What happens to files.
#[derive(Debug)]
pub(in crate::app) enum Event {
    /// A piece of a file was read; nothing, where it could not be.
    Read {
        id: FileId,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// What was given to the channel is on its way, and there is room for more.
    Departed,
    /// Some time passed.
    Tick,
}
