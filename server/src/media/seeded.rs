//! Tables keyed by what a remote chooses, and that are asked for each packet. Their hash has a seed that nobody outside
//! knows, so that keys which all fall into one place cannot be made up. It is not cryptographic. Nothing may depend on
//! the order of what is in them, which differs from run to run; where something does, or keys are few and values small, a
//! `BTreeMap` serves. A hash without a seed is for what this end numbers by itself.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// A map.
pub type SeededMap<K, V> = HashMap<K, V, RandomState>;

/// A set.
pub type SeededSet<T> = HashSet<T, RandomState>;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::hash::BuildHasher as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn no_two_tables_put_a_key_into_the_same_place() {
        let hashes = || SeededMap::<u32, ()>::default().hasher().hash_one(7_u32);
        let places: HashSet<_> = (0..64).map(|_| hashes()).collect();
        assert!(places.len() > 60, "{}", places.len());
    }

    /// Where a hash without a seed is used, and what for: numbers of this end's own.
    const UNSEEDED: [(&str, &str); 8] = [
        ("media/forward/router.rs", "names of tracks"),
        ("media/net/relays.rs", "ports of ours"),
        ("media/net/tcp.rs", "connections' numbers"),
        ("media/shard/gatherings.rs", "addresses of rooms"),
        ("media/shard/others.rs", "names of tracks"),
        ("media/shard/peers.rs", "names of peers"),
        ("turn/server.rs", "ports of ours"),
        ("turn/streams.rs", "connections' numbers"),
    ];

    #[test]
    fn what_remotes_choose_is_in_no_table_without_a_seed() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        let mut open = vec![sources.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if fs::read_to_string(&path)
                    .unwrap()
                    .contains(concat!("use ", "rustc_hash"))
                {
                    let name = path.strip_prefix(&sources).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        assert_eq!(found, UNSEEDED.map(|(file, _)| file));
    }
}
