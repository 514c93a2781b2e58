//! Where screenshots and logs go: `tests/artefacts/<test>/`, emptied when the test starts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The directory of one test's artefacts, made anew.
pub fn fresh(test: &str) -> Result<PathBuf> {
    let dir = root().join(test);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(&dir),
    }
    .with_context(|| format!("making {}", dir.display()))?;
    Ok(dir)
}

/// The repository this crate stands in.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("artefacts")
}
