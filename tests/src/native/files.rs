//! Clips in files: which of the two formats one has.

use std::path::Path;

use anyhow::{Context, Result};
use ferrite_protocol::MediaKind;

use super::clip::Clip;
use super::{ivf, ogg};

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
}
