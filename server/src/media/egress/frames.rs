//! The numbers of a stream's frames, continued over its sources. A decoder takes a frame whose number is behind the
//! last one's for an old one, and throws it away, keyframes too: whoever has just begun to send would stay black for
//! as long as whoever was shown before had sent.

use crate::media::rtp::frame_numbers::{FrameNumbers, FrameOffsets, PictureFields};

/// Sources whose packets can be asked for again, the present one included.
const SOURCES: usize = 4;

/// Which of a stream's sources a packet was of: they are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SourceCount(u8);

/// How the frames of a stream are numbered.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The present one.
    source: SourceCount,
    /// Of the last sources how their numbers become ours, each where its count says.
    offsets: [(SourceCount, FrameOffsets); SOURCES],
    /// The newest that were given.
    last: FrameNumbers,
}

impl Frames {
    /// Another source begins, with a packet that has these numbers.
    pub(super) fn begin(&mut self, theirs: FrameNumbers) {
        self.source.0 = self.source.0.wrapping_add(1);
        let offsets = FrameOffsets::after(self.last, theirs);
        self.offsets[usize::from(self.source.0) % SOURCES] = (self.source, offsets);
    }

    /// The present source.
    pub(super) fn source(&self) -> SourceCount {
        self.source
    }

    /// The newest numbers that were given.
    pub(super) fn last(&self) -> FrameNumbers {
        self.last
    }

    /// Frames after these were not sent.
    pub(super) fn take_back(&mut self, last: FrameNumbers) {
        self.last = last;
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
        let (_, offsets) = self.offsets[usize::from(self.source.0) % SOURCES];
        let ours = offsets.ours(fields, theirs);
        if is_newest {
            self.last = FrameNumbers {
                picture: ours.picture.or(self.last.picture),
                tl0: ours.tl0.or(self.last.tl0),
                frame: ours.frame.or(self.last.frame),
            };
        }
        ours
    }

    /// The numbers that a packet of a source was sent with. `None` where that is forgotten.
    pub(super) fn again(
        &self,
        source: SourceCount,
        fields: PictureFields,
        theirs: FrameNumbers,
    ) -> Option<FrameNumbers> {
        let (kept, offsets) = self.offsets[usize::from(source.0) % SOURCES];
        (kept == source).then(|| offsets.ours(fields, theirs))
    }
}
