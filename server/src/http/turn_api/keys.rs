//! The keys that may do everything.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The keys that may do everything, as hashes, which are all of one length.
pub(super) struct Keys(Vec<[u8; 32]>);

impl Keys {
    pub(super) fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|key| hash(key)).collect())
    }

    /// Whether this is one of them. How long that takes says nothing of which, or how much of it is right.
    pub(super) fn has(&self, key: &str) -> bool {
        let key = hash(key);
        let found = self.0.iter().map(|known| known.ct_eq(&key));
        found.fold(Choice::from(0), |any, is_it| any | is_it).into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_are_keys() {
        let keys = Keys::new(&["north".to_owned(), "south".to_owned()]);
        assert!(keys.has("north") && keys.has("south"));
        for wrong in ["", "nort", "northh", "North", "north,south"] {
            assert!(!keys.has(wrong), "{wrong}");
        }
        assert_eq!(format!("{keys:?}"), "Keys(2)");
    }
}
