//! The routes of one shard: from each track to the sections that show it. Pure data, of which a packet
//! finds its track by key: packets are pushed as they come, and each track that got some shows them to
//! each of its sinks once a batch. Wishes for keyframes go the other way, as the union of all.
//!
//! A track is there while it comes from here, is shown here, or other shards want it: its sinks wait for
//! it wherever it comes from next. What is shown here and comes from elsewhere is wanted of the others.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::media::forward::rates::LayerRates;
use crate::media::forward::track::{Layers, Place, Show, Track, Watched, better};
use crate::media::id::TrackId;
use crate::media::rtp::packet::MediaPacket;

/// Where a track is in its router. It is another's no more than the track is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackKey {
    at: usize,
    born: u64,
}

/// A wish for keyframes of some layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish<P> {
    /// Of what comes on a section here.
    Here(Place<P>, Layers),
    /// Of a track that another shard has, known or not.
    Elsewhere {
        /// The track.
        track: TrackId,
        /// The layers.
        layers: Layers,
        /// The shard that it last came from.
        shard: Option<usize>,
    },
}

/// What is to cross to other shards after a batch.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// The packets, of each track in their order.
    pub packets: Arc<[MediaPacket]>,
    /// The shards that want some of them.
    pub shards: Vec<usize>,
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
    /// The tracks of which other shards are wanted something else from now on, or nothing more.
    changed: Vec<TrackId>,
    /// The tracks of which something else is watched since than who sends them was told.
    rewatched: Vec<TrackKey>,
    crossing: Vec<MediaPacket>,
    /// The shards that want some of that.
    crossing_to: Vec<usize>,
    /// What a shard is sent ahead of what it wants from now on.
    lead_ins: Vec<Crossing>,
}

impl<P> Default for Router<P> {
    fn default() -> Self {
        Self {
            tracks: Slab::new(),
            keys: FxHashMap::default(),
            born: 0,
            fresh: Vec::new(),
            wished: Vec::new(),
            changed: Vec::new(),
            rewatched: Vec::new(),
            crossing: Vec::new(),
            crossing_to: Vec::new(),
            lead_ins: Vec::new(),
        }
    }
}

impl<P: Copy + Eq> Router<P> {
    /// A track comes from a section from now on: a new one, or one that goes on from elsewhere.
    pub fn publish(&mut self, id: TrackId, source: Place<P>) -> TrackKey {
        self.add_source(id, source, false)
    }

    /// A track's peer came from another shard, which sent what came before, and heard before it left what
    /// is wanted there: nothing is missing.
    pub fn publish_on(&mut self, id: TrackId, source: Place<P>) -> TrackKey {
        self.add_source(id, source, true)
    }

    /// Whether a track comes from a section now, and something of it has come since it does.
    pub fn has_come_from(&self, key: TrackKey, source: Place<P>) -> bool {
        self.get(key)
            .is_some_and(|track| track.source() == Some(source) && !track.resumes)
    }

    fn add_source(&mut self, id: TrackId, source: Place<P>, came: bool) -> TrackKey {
        self.change(id, |track| {
            track.add_source(source, came);
            std::mem::take(&mut track.unfulfilled)
        })
    }

    /// A track comes from a section no more. Without another that publishes it its sinks wait for it.
    pub fn unpublish(&mut self, key: TrackKey, source: Place<P>) {
        if let Some(track) = self.get_mut(key) {
            track.remove_source(source);
            self.review(key);
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

    /// A section is sent a track, too, whether or not there is one yet.
    pub fn subscribe(&mut self, id: TrackId, sink: Place<P>) -> TrackKey {
        let mut has_lead_in = false;
        let key = self.change(id, |track| {
            has_lead_in = track.add_sink(sink);
            0
        });
        if has_lead_in {
            self.fresh.push(key);
        }
        key
    }

    /// The best layer of a track that a section is to be shown: until this is said, the best there is. It takes
    /// a look at everybody who is sent the track, so it is to be said where it is news.
    pub fn limit(&mut self, key: TrackKey, sink: Place<P>, best: u8) {
        if let Some(track) = self.get_mut(key) {
            track.limit(sink, best);
            self.review(key);
        }
    }

    /// A section is sent a track no more.
    pub fn unsubscribe(&mut self, key: TrackKey, sink: Place<P>) {
        if let Some(track) = self.get_mut(key) {
            track.remove_sink(sink);
            self.review(key);
        }
    }

    /// Takes a packet of a track, unless that comes from elsewhere by now.
    pub fn push(&mut self, key: TrackKey, source: Place<P>, mut media: MediaPacket) {
        let Some(track) = self.get_mut(key) else {
            return;
        };
        if track.source() != Some(source) {
            return;
        }
        media.track = track.id;
        media.resumes = std::mem::take(&mut track.resumes);
        let is_first = track.fresh.is_empty();
        track.fresh.push(media);
        if is_first {
            self.fresh.push(key);
        }
    }

    /// Takes what came from another shard: of what is wanted from there.
    pub fn take(&mut self, shard: usize, packets: &[MediaPacket]) {
        for batch in packets.chunk_by(|before, after| before.track == after.track) {
            let key = batch.first().and_then(|media| self.key(media.track));
            let Some(key) = key else { continue };
            let Some(track) = self.get_mut(key).filter(|track| track.wanted.is_some()) else {
                continue;
            };
            let is_first = track.fresh.is_empty();
            let mut unfulfilled = 0;
            for media in batch {
                if track.take(shard, media.clone()) {
                    unfulfilled = track.unfulfilled;
                }
            }
            if is_first {
                self.fresh.push(key);
            }
            self.wish(key, unfulfilled);
        }
    }

    /// Shows every sink what came of its track since the last time.
    pub fn deliver(&mut self, now: Instant, show: &mut impl Show<P>) {
        while let Some(key) = self.fresh.last().copied() {
            if let Some((born, track)) = self.tracks.get_mut(key.at)
                && *born == key.born
            {
                let before = self.crossing.len();
                track.deliver(now, &mut self.crossing, show);
                if self.crossing.len() > before {
                    for (shard, _) in &track.interested {
                        if !self.crossing_to.contains(shard) {
                            self.crossing_to.push(*shard);
                        }
                    }
                }
            }
            self.fresh.pop();
        }
    }

    /// What is to cross to other shards since the last time.
    pub fn take_crossing(&mut self) -> Option<Crossing> {
        if let Some(ahead) = self.lead_ins.pop() {
            return Some(ahead);
        }
        if self.crossing.is_empty() {
            return None;
        }
        Some(Crossing {
            packets: self.crossing.drain(..).collect(),
            shards: std::mem::take(&mut self.crossing_to),
        })
    }

    /// The packet of a track that its source gave this number, while it is kept.
    pub fn cached(&self, id: TrackId, ssrc: u32, sequence: u16) -> Option<&MediaPacket> {
        self.get(self.key(id)?)?.cache.get(ssrc, sequence)
    }

    /// What a source of a track numbered after this and is kept: where that is a keyframe which came late, it was
    /// overtaken by them.
    pub fn cached_after(&self, id: TrackId, ssrc: u32, sequence: u16) -> Vec<MediaPacket> {
        let track = self.key(id).and_then(|key| self.get(key));
        let after = track.map(|track| track.cache.after(ssrc, sequence));
        // They follow the keyframe, whatever was before it.
        let follow = |media: &MediaPacket| MediaPacket {
            resumes: false,
            ..media.clone()
        };
        after.into_iter().flatten().map(follow).collect()
    }

    /// How much the layers of a track take.
    pub fn rates(&self, key: TrackKey) -> Option<&LayerRates> {
        self.get(key).map(|track| &track.rates)
    }

    /// Once a second: lets go of what is too old to be asked for.
    pub fn sweep(&mut self, now: Instant) {
        for (_, (_, track)) in &mut self.tracks {
            track.cache.sweep(now);
            track.lead_in.sweep(now);
            track.rates.sweep(now);
        }
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

    /// Somebody on another shard does. Where the track does not come from here it is kept until it does:
    /// nobody else is asked, or shards would ask one another for ever.
    pub fn wish_from_elsewhere(&mut self, id: TrackId, layers: Layers) {
        let Some(key) = self.key(id) else { return };
        match self.get_mut(key) {
            Some(track) if track.source().is_none() => track.unfulfilled |= layers,
            Some(_) => self.wish(key, layers),
            None => {}
        }
    }

    /// A wish, that of each track once.
    pub fn take_wish(&mut self) -> Option<Wish<P>> {
        loop {
            let key = self.wished.pop()?;
            let Some(track) = self.get_mut(key) else {
                continue;
            };
            let layers = std::mem::take(&mut track.wishes);
            return Some(match track.source() {
                Some(source) => Wish::Here(source, layers),
                None => {
                    track.unfulfilled |= layers;
                    Wish::Elsewhere {
                        track: track.id,
                        layers,
                        shard: track.from,
                    }
                }
            });
        }
    }

    /// Another shard wants a track since, and what came just before.
    pub fn lead_in(&mut self, now: Instant, shard: usize, id: TrackId) {
        let key = self.key(id).filter(|_| self.comes_from_here(id));
        let Some(track) = key.and_then(|key| self.get_mut(key)) else {
            return;
        };
        if track.interest(shard).is_some() {
            return;
        }
        let mut packets: Vec<_> = track.lead_in.packets(now).cloned().collect();
        if let Some(first) = packets.first_mut() {
            first.resumes = true;
            self.lead_ins.push(Crossing {
                packets: packets.into(),
                shards: vec![shard],
            });
        }
    }

    /// What another shard wants of a track, or that it wants it no more.
    pub fn note_interest(&mut self, shard: usize, id: TrackId, wants: Watched) {
        if let Some(best) = wants {
            self.change(id, |track| {
                track.note_interest(shard, best);
                0
            });
        } else if let Some(key) = self.key(id)
            && let Some(track) = self.get_mut(key)
        {
            track.interested.retain(|(known, _)| *known != shard);
            self.review(key);
        }
    }

    /// Another shard will say that it wants so much of a track, or more.
    pub fn expect_interest(&mut self, shard: usize, id: TrackId, wants: Watched) {
        let known = self.key(id).and_then(|key| self.get(key)?.interest(shard));
        self.note_interest(shard, id, better(known, wants));
    }

    /// Another shard has forgotten everything: what it wanted, and the wishes it was told.
    pub fn forget_shard(&mut self, shard: usize) {
        self.forget_interest(shard);
        for (_, (_, track)) in &mut self.tracks {
            track.from.take_if(|from| *from == shard);
        }
    }

    /// Another shard wants nothing of what it wanted until now.
    pub fn forget_interest(&mut self, shard: usize) {
        let keys: Vec<_> = self.keys.values().copied().collect();
        for key in keys {
            if let Some(track) = self.get_mut(key) {
                track.interested.retain(|(known, _)| *known != shard);
                self.review(key);
            }
        }
    }

    /// A track of which something else is wanted of other shards since, or nothing more.
    pub fn take_change(&mut self) -> Option<TrackId> {
        self.changed.pop()
    }

    /// Whether a track has its source here.
    pub fn comes_from_here(&self, id: TrackId) -> bool {
        let track = self.key(id).and_then(|key| self.get(key));
        track.is_some_and(|track| track.source().is_some())
    }

    /// Something else is watched of what comes on a section here than was said before.
    pub fn take_watched(&mut self) -> Option<(Place<P>, Watched)> {
        loop {
            let key = self.rewatched.pop()?;
            if let Some(told) = self.get(key).and_then(|track| track.told) {
                return Some(told);
            }
        }
    }

    /// What is wanted of a track of other shards.
    pub fn wants(&self, id: TrackId) -> Watched {
        self.get(self.key(id)?)?.wanted
    }

    /// What a peer here is shown of a track.
    pub fn watched_by(&self, id: TrackId, peer: P) -> Watched {
        self.get(self.key(id)?)?.watched_by(peer)
    }

    /// All that is wanted of other shards.
    pub fn wanted(&self) -> impl Iterator<Item = (TrackId, Watched)> {
        let tracks = self.tracks.iter().map(|(_, (_, track))| track);
        let wanted = tracks.filter(|track| track.wanted.is_some());
        wanted.map(|track| (track.id, track.wanted))
    }

    /// How many tracks there are.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Changes a track, which there is from then on. `change` says what is to be wished for.
    fn change(&mut self, id: TrackId, change: impl FnOnce(&mut Track<P>) -> Layers) -> TrackKey {
        let key = self.key(id).unwrap_or_else(|| self.insert(id));
        let wishes = self.get_mut(key).map_or(0, change);
        self.wish(key, wishes);
        self.review(key);
        key
    }

    fn insert(&mut self, id: TrackId) -> TrackKey {
        self.born += 1;
        let born = self.born;
        let at = self.tracks.insert((born, Track::new(id)));
        let key = TrackKey { at, born };
        self.keys.insert(id, key);
        key
    }

    /// Draws the conclusions from a change of a track.
    fn review(&mut self, key: TrackKey) {
        let Some(track) = self.get_mut(key) else {
            return;
        };
        let (id, is_used) = (track.id, track.is_used());
        let wanted = match track.source() {
            Some(_) => None,
            None => track.watched_here(),
        };
        let is_other = std::mem::replace(&mut track.wanted, wanted) != wanted;
        let told = track.source().map(|source| (source, track.watched()));
        let is_news = std::mem::replace(&mut track.told, told) != told && told.is_some();
        if is_other {
            self.changed.push(id);
        }
        if is_news {
            self.rewatched.push(key);
        }
        if !is_used {
            self.keys.remove(&id);
            self.tracks.remove(key.at);
        }
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
