//! Who has the machine: tests with browsers share it, those that measure have it to themselves, also
//! where several `cargo test` run at once. It knows nothing of what they do with it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// A share of the machine, or all of it, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    _locked: File,
}

/// Waits until nobody measures.
pub async fn shared() -> Result<Turn> {
    wait(File::lock_shared).await
}

/// Waits until no browser runs and nobody else measures.
pub async fn alone() -> Result<Turn> {
    wait(File::lock).await
}

async fn wait(lock: fn(&File) -> io::Result<()>) -> Result<Turn> {
    tokio::task::spawn_blocking(move || Ok(take(&path(), lock)?)).await?
}

fn take(path: &Path, lock: fn(&File) -> io::Result<()>) -> io::Result<Turn> {
    // Nothing is ever written into it, so that another user's does as well.
    let file = File::open(path).or_else(|_| File::create(path))?;
    lock(&file)?;
    Ok(Turn { _locked: file })
}

fn path() -> PathBuf {
    std::env::temp_dir().join("ferrite-tests.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_measures_waits_for_all_who_share_and_they_for_it() {
        let path = std::env::temp_dir().join(format!("machine-{}.lock", std::process::id()));
        let shared = || take(&path, |file| Ok(file.try_lock_shared()?));
        let alone = || take(&path, |file| Ok(file.try_lock()?));
        let (first, second) = (shared().unwrap(), shared().unwrap());
        assert!(alone().is_err());
        drop(first);
        assert!(alone().is_err());
        drop(second);
        let measuring = alone().unwrap();
        assert!(shared().is_err() && alone().is_err());
        drop(measuring);
        assert!(shared().is_ok());
        std::fs::remove_file(&path).unwrap();
    }
}
