//! Tables keyed by what a remote chooses, and that are asked for each packet. Their hash has a seed that nobody outside
//! knows, so that keys which all fall into one place cannot be made up. It is not cryptographic.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A map.
pub type SeededMap<K, V> = HashMap<K, V, RandomState>;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn no_two_tables_put_a_key_into_the_same_place() {
        let hashes = || SeededMap::<u32, ()>::default().hasher().hash_one(7_u32);
        let places: HashSet<_> = (0..64).map(|_| hashes()).collect();
        assert!(places.len() > 60, "{}", places.len());
    }
}
