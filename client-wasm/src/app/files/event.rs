//! What happens to the files of a room's page, besides what others send.

use ferrite_protocol::file::FileId;

use crate::gaps::WritableFile;

/// What happens to files.
#[derive(Debug)]
pub(in crate::app) enum Event {
    /// A piece of a file was read; nothing, where it could not be.
    Read {
        id: FileId,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// What became of asking for a file to write this one to.
    Chose { number: u32, chosen: Chosen },
    /// What became of writing to it.
    Wrote { number: u32, wrote: Wrote },
    /// What was given to the channel is on its way, and there is room for more.
    Departed,
    /// Some time passed.
    Tick,
}

/// What became of asking for a file of the user's.
#[derive(Debug)]
pub(in crate::app) enum Chosen {
    File(WritableFile),
    /// The user wants none.
    Nothing,
    /// There is none to be had: pages in others may not ask, nor any where the user lets none write files.
    Unavailable,
    /// What was chosen cannot be written to.
    Unfit,
}

/// What became of writing to a file of the user's.
#[derive(Debug)]
pub(in crate::app) enum Wrote {
    /// So many bytes more are in it.
    Piece(u64),
    /// It is there.
    All,
    Failed,
}
