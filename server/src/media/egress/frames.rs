//! The numbers of a stream's frames, continued over its sources. A decoder takes a frame whose number is behind the
//! last one's for an old one, and throws it away, keyframes too: whoever has just begun to send would stay black for
//! as long as whoever was shown before had sent.

use crate::media::rtp::frame_numbers::{FrameNumbers, FrameOffsets, PictureFields};
use crate::media::rtp::header::sequence_diff;

/// Sources whose packets can be asked for again, the present one included.
const SOURCES: usize = 4;

/// How the frames of a stream are numbered.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Of each source how its numbers become ours, by our sequence number of its first packet; the newest first.
    sources: [Option<(u16, FrameOffsets)>; SOURCES],
    /// The newest that were given.
    last: FrameNumbers,
}

impl Frames {
    /// Another source begins, with a packet that gets this sequence number.
    pub(super) fn begin(&mut self, sequence: u16, theirs: FrameNumbers) {
        self.sources.rotate_right(1);
        self.sources[0] = Some((sequence, FrameOffsets::after(self.last, theirs)));
    }

    /// Our numbers for a packet of the present source.
    pub(super) fn number(
        &mut self,
        fields: PictureFields,
        theirs: FrameNumbers,
        is_newest: bool,
    ) -> FrameNumbers {
        if theirs.is_empty() {
            return theirs;
        }
        let offsets = self.sources[0].map(|(_, offsets)| offsets);
        let ours = offsets.unwrap_or_default().ours(fields, theirs);
        if is_newest {
            self.last = FrameNumbers {
                picture: ours.picture.or(self.last.picture),
                tl0: ours.tl0.or(self.last.tl0),
                frame: ours.frame.or(self.last.frame),
            };
        }
        ours
    }

    /// The numbers that a packet got which was sent under this sequence number. `None` where that is forgotten.
    pub(super) fn again(
        &self,
        sequence: u16,
        fields: PictureFields,
        theirs: FrameNumbers,
    ) -> Option<FrameNumbers> {
        let mut sources = self.sources.iter().flatten();
        let (_, offsets) = sources.find(|(first, _)| sequence_diff(sequence, *first) >= 0)?;
        Some(offsets.ours(fields, theirs))
    }
}
