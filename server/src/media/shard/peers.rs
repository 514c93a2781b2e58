//! The peers that live on one shard, and what the shard notes of each. Pure data: a packet finds its
//! peer by key, without hashing; a command finds it by name.

use std::time::Instant;

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::media::id::PeerId;
use crate::media::net::path::FourTuple;
use crate::media::shard::resident::Resident;

/// Where a peer is in [`Peers`]. Once it is gone another may get the key, so whoever keeps one over a
/// turn lets go of it with the peer, or does no harm to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerKey(usize);

/// A peer at home.
pub(super) struct Place {
    pub(super) resident: Box<Resident>,
    /// Every path that leads to it here is among these.
    pub(super) paths: Vec<FourTuple>,
    /// The earliest timer set for this peer.
    pub(super) deadline: Option<Instant>,
    /// It has something to pass on or send after this batch.
    pub(super) touched: bool,
}

/// The peers.
#[derive(Default)]
pub(super) struct Peers {
    places: Slab<Place>,
    keys: FxHashMap<PeerId, PeerKey>,
}

impl Peers {
    pub(super) fn insert(&mut self, resident: Box<Resident>, paths: Vec<FourTuple>) -> PeerKey {
        let id = resident.id;
        let place = Place {
            resident,
            paths,
            deadline: None,
            touched: false,
        };
        let key = PeerKey(self.places.insert(place));
        self.keys.insert(id, key);
        key
    }

    pub(super) fn remove(&mut self, key: PeerKey) -> Option<Place> {
        let place = self.places.try_remove(key.0)?;
        self.keys.remove(&place.resident.id);
        Some(place)
    }

    pub(super) fn key(&self, id: PeerId) -> Option<PeerKey> {
        self.keys.get(&id).copied()
    }

    pub(super) fn get(&self, key: PeerKey) -> Option<&Place> {
        self.places.get(key.0)
    }

    pub(super) fn get_mut(&mut self, key: PeerKey) -> Option<&mut Place> {
        self.places.get_mut(key.0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().map(|(_, place)| place)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut Place)> {
        let places = self.places.iter_mut();
        places.map(|(key, place)| (PeerKey(key), place))
    }

    pub(super) fn keys(&self) -> Vec<PeerKey> {
        self.places.iter().map(|(key, _)| PeerKey(key)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

/// Notes that a peer has something to pass on or to send.
pub(super) fn touch(touched: &mut Vec<PeerKey>, key: PeerKey, place: &mut Place) {
    if !std::mem::replace(&mut place.touched, true) {
        touched.push(key);
    }
}
