//! The routes of one shard: from each track to the sections that show it. Pure data, of which a packet
//! finds its track by key: packets are pushed as they come, and each track that got some shows them to
//! each of its sinks once a batch. Wishes for keyframes go the other way, as the union of all.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::media::forward::track::{Layers, Place, Track};
use crate::media::id::TrackId;
use crate::media::rtp::packet::MediaPacket;

/// Where a track is in its router. It is another's no more than the track is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackKey {
    at: usize,
    born: u64,
}

/// The tracks of one shard. `P` names a peer.
#[derive(Debug)]
pub struct Router<P> {
    tracks: Slab<(u64, Track<P>)>,
    keys: FxHashMap<TrackId, TrackKey>,
    /// Counts the tracks there ever were.
    born: u64,
    /// The tracks that got packets in this batch.
    fresh: Vec<TrackKey>,
    /// The tracks of which somebody wishes for a keyframe.
    wished: Vec<TrackKey>,
}

impl<P> Default for Router<P> {
    fn default() -> Self {
        Self {
            tracks: Slab::new(),
            keys: FxHashMap::default(),
            born: 0,
            fresh: Vec::new(),
            wished: Vec::new(),
        }
    }
}

impl<P: Copy + Eq> Router<P> {
    /// A track comes from a section from now on: a new one, or one that goes on from elsewhere.
    pub fn publish(&mut self, id: TrackId, source: Place<P>) -> TrackKey {
        if let Some(key) = self.keys.get(&id).copied()
            && let Some(track) = self.get_mut(key)
        {
            track.source = source;
            return key;
        }
        self.born += 1;
        let born = self.born;
        let at = self.tracks.insert((born, Track::new(id, source)));
        let key = TrackKey { at, born };
        self.keys.insert(id, key);
        key
    }

    /// A track is no more, unless it comes from elsewhere by now.
    pub fn unpublish(&mut self, key: TrackKey, source: Place<P>) {
        if let Some(track) = self.get(key)
            && track.source == source
        {
            let id = track.id;
            self.keys.remove(&id);
            self.tracks.remove(key.at);
        }
    }

    /// The key of a track.
    pub fn key(&self, id: TrackId) -> Option<TrackKey> {
        self.keys.get(&id).copied()
    }

    /// The name of a track.
    pub fn id(&self, key: TrackKey) -> Option<TrackId> {
        Some(self.get(key)?.id)
    }

    /// A section is sent a track, too.
    pub fn subscribe(&mut self, key: TrackKey, sink: Place<P>) {
        if let Some(track) = self.get_mut(key)
            && !track.sinks.contains(&sink)
        {
            track.sinks.push(sink);
        }
    }

    /// A section is sent a track no more.
    pub fn unsubscribe(&mut self, key: TrackKey, sink: Place<P>) {
        if let Some(track) = self.get_mut(key) {
            track.remove_sink(sink);
        }
    }

    /// Takes a packet of a track.
    pub fn push(&mut self, key: TrackKey, mut media: MediaPacket) {
        let Some(track) = self.get_mut(key) else {
            return;
        };
        media.track = track.id;
        let is_first = track.fresh.is_empty();
        track.fresh.push(media);
        if is_first {
            self.fresh.push(key);
        }
    }

    /// Shows every sink what came of its track since the last time. `show` says for how long the sink
    /// may ask for any of it again.
    pub fn deliver(
        &mut self,
        now: Instant,
        mut show: impl FnMut(Place<P>, &[MediaPacket]) -> Duration,
    ) {
        while let Some(key) = self.fresh.last().copied() {
            if let Some(track) = self.get_mut(key) {
                track.deliver(now, &mut show);
            }
            self.fresh.pop();
        }
    }

    /// The packet of a track that its source gave this number, while it is kept.
    pub fn cached(&self, id: TrackId, ssrc: u32, sequence: u16) -> Option<&MediaPacket> {
        self.get(self.key(id)?)?.cache.get(ssrc, sequence)
    }

    /// Once a second: lets go of what is too old to be asked for.
    pub fn sweep(&mut self, now: Instant) {
        self.tracks
            .iter_mut()
            .for_each(|(_, (_, track))| track.cache.sweep(now));
    }

    /// Somebody wishes for a keyframe of some layers of a track.
    pub fn wish(&mut self, key: TrackKey, layers: Layers) {
        let Some(track) = self.get_mut(key) else {
            return;
        };
        let before = track.wishes;
        track.wishes |= layers;
        if before == 0 && layers != 0 {
            self.wished.push(key);
        }
    }

    /// A section that keyframes are wished of, and the layers: each once.
    pub fn take_wish(&mut self) -> Option<(Place<P>, Layers)> {
        loop {
            let key = self.wished.pop()?;
            if let Some(track) = self.get_mut(key) {
                return Some((track.source, std::mem::take(&mut track.wishes)));
            }
        }
    }

    /// How many tracks there are.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    fn get(&self, key: TrackKey) -> Option<&Track<P>> {
        let (born, track) = self.tracks.get(key.at)?;
        (*born == key.born).then_some(track)
    }

    fn get_mut(&mut self, key: TrackKey) -> Option<&mut Track<P>> {
        let (born, track) = self.tracks.get_mut(key.at)?;
        (*born == key.born).then_some(track)
    }
}
