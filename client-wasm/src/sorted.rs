//! Maps and sets of a few things, in a vector that is kept sorted. The trees of the standard library are for many, and
//! what they bring for each type of key and value would be a tenth of the download. Pure.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A value for each key, in the order of the keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map<K, V>(Vec<(K, V)>);

impl<K, V> Map<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn retain(&mut self, keeps: impl Fn(&K, &V) -> bool) {
        self.0.retain(|(key, value)| keeps(key, value));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where a key is, or else where it would be.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0
            .binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        Some(&self.0[at].1)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Returns what there was.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Returns what there was.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        Some(self.0.remove(at).1)
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, items: I) {
        for (key, value) in items {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut map = Self::new();
        map.extend(items);
        map
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Members<K, V> {
            type Value = Map<K, V>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Map<K, V>, A::Error> {
                let mut map = Map::new();
                while let Some((key, value)) = members.next_entry()? {
                    map.insert(key, value);
                }
                Ok(map)
            }
        }

        from.deserialize_map(Members(PhantomData))
    }
}

/// Things, each once, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Set<T>(Map<T, ()>);

impl<T> Set<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    pub(crate) fn retain(&mut self, keeps: impl Fn(&T) -> bool) {
        self.0.retain(|it, ()| keeps(it));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T: Ord> Set<T> {
    pub(crate) fn contains<Q: Ord + ?Sized>(&self, it: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(it)
    }

    /// Returns whether it is new.
    pub(crate) fn insert(&mut self, it: T) -> bool {
        self.0.insert(it, ()).is_none()
    }

    /// Returns whether it was there.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, it: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.remove(it).is_some()
    }
}

impl<T: Ord + Clone> Set<T> {
    /// What is not in the other.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.retain(|it| !other.contains(it));
        rest
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(Map::new())
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for it in items {
            self.insert(it);
        }
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = std::iter::Map<std::vec::IntoIter<(T, ())>, fn((T, ())) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.0.into_iter().map(|(it, ())| it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: &[&str]) -> Map<String, usize> {
        let keys = keys.iter().enumerate();
        keys.map(|(at, key)| ((*key).to_owned(), at)).collect()
    }

    #[test]
    fn a_map_has_the_last_value_of_each_key_in_their_order() {
        let mut map = map(&["b", "a", "c", "a"]);
        let there: Vec<_> = map.iter().map(|(key, at)| (key.as_str(), *at)).collect();
        assert_eq!(there, [("a", 3), ("b", 0), ("c", 2)]);
        assert_eq!(map.insert("b".into(), 7), Some(0));
        assert_eq!(map.get("b"), Some(&7));
        assert_eq!(map.remove("b"), Some(7));
        assert_eq!(map.remove("b"), None);
        assert!(!map.contains_key("b") && map.contains_key("c"));
        map.retain(|_, at| *at == 3);
        assert_eq!(map.keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn two_maps_are_the_same_whichever_came_first() {
        let sorted: Map<_, _> = [("a", 1), ("b", 2)].into_iter().collect();
        let other: Map<_, _> = [("b", 2), ("a", 1)].into_iter().collect();
        assert_eq!(sorted, other);
    }

    #[test]
    fn an_object_of_json_is_a_map() {
        let map: Map<String, usize> = serde_json::from_str(r#"{"b": 1, "a": 2}"#).unwrap();
        assert_eq!(map.values().copied().collect::<Vec<_>>(), [2, 1]);
        assert!(serde_json::from_str::<Map<String, usize>>("[]").is_err());
    }

    #[test]
    fn a_set_has_each_once() {
        let mut set = Set::default();
        assert!(set.insert("b") && set.insert("a") && !set.insert("b"));
        let mut other = Set::default();
        other.extend(["b", "c"]);
        assert_eq!(set.without(&other).into_iter().collect::<Vec<_>>(), ["a"]);
        assert!(set.remove("b") && !set.remove("b") && set.contains("a"));
        assert_eq!(set.into_iter().collect::<Vec<_>>(), ["a"]);
    }
}
