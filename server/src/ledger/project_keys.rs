//! The keys of projects, where whoever shows one is known without waiting for the ledger's thread: what strangers
//! guess costs it nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

use super::credential::Number;
use super::projects::Projects;

/// A key's hash: how long it takes to find one says nothing of the key.
type Hash = [u8; 32];

/// Which project a key is of.
#[derive(Default)]
pub struct ProjectKeys(RwLock<HashMap<Hash, Number>>);

impl ProjectKeys {
    /// The project that a key is of.
    pub fn find(&self, key: &str) -> Option<Number> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(&hash(key)).copied()
    }

    /// They are these from now on.
    pub(super) fn put(&self, projects: &Projects) {
        let keys = projects.iter();
        let keys = keys.map(|(number, project)| (hash(&project.api_key), number));
        let keys = keys.collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

impl fmt::Debug for ProjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProjectKeys(..)")
    }
}

fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}
