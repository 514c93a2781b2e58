//! Sound or pictures as encoded frames, each with its time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use ferrite_protocol::MediaKind;

use super::{ivf, ogg};

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
    /// Reads a file: VP8 in IVF, or Opus in Ogg, as its first bytes say.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path);
        let bytes = bytes.with_context(|| format!("reading {}", path.display()))?;
        let clip = match bytes.starts_with(b"OggS") {
            true => ogg::read(&bytes),
            false => ivf::read(&bytes),
        };
        clip.with_context(|| path.display().to_string())
    }

    /// Writes it to a file: pictures to IVF, sound to Ogg.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = match self.kind {
            MediaKind::Audio => ogg::write(self),
            MediaKind::Video => ivf::write(self),
        };
        std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
    }

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
