//! One publication on one shard: where it comes from, who is sent it, and what they wish for. A batch of
//! its packets is shown to each of them once. Knows nothing of what becomes of it there.

use std::time::{Duration, Instant};

use crate::media::forward::cache::Cache;
use crate::media::id::TrackId;
use crate::media::rtp::packet::MediaPacket;

/// One bit for each layer.
pub type Layers = u16;

/// A section of a peer, by whatever names a peer where the router is: it publishes a track there, or is
/// sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<P> {
    /// The peer.
    pub peer: P,
    /// The index of its section.
    pub section: usize,
}

/// A publication.
#[derive(Debug)]
pub(super) struct Track<P> {
    pub(super) id: TrackId,
    pub(super) source: Place<P>,
    pub(super) sinks: Vec<Place<P>>,
    /// What came in this batch.
    pub(super) fresh: Vec<MediaPacket>,
    /// How many of the sinks were shown it.
    shown: usize,
    /// For how long at most one of them may ask for it again.
    span: Duration,
    pub(super) cache: Cache,
    /// The layers of which somebody wishes for a keyframe.
    pub(super) wishes: Layers,
}

impl<P: Copy + Eq> Track<P> {
    pub(super) fn new(id: TrackId, source: Place<P>) -> Self {
        Self {
            id,
            source,
            sinks: Vec::new(),
            fresh: Vec::new(),
            shown: 0,
            span: Duration::ZERO,
            cache: Cache::default(),
            wishes: 0,
        }
    }

    /// Shows the batch to every sink. Should that end early, by a panic, it goes on behind the sink that
    /// it ended at.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        show: &mut impl FnMut(Place<P>, &[MediaPacket]) -> Duration,
    ) {
        while let Some(sink) = self.sinks.get(self.shown) {
            self.shown += 1;
            self.span = self.span.max(show(*sink, &self.fresh));
        }
        let span = std::mem::take(&mut self.span);
        self.shown = 0;
        if span.is_zero() {
            self.fresh.clear();
            self.cache.clear();
        }
        for media in self.fresh.drain(..) {
            self.cache.insert(now, span, media);
        }
    }

    pub(super) fn remove_sink(&mut self, sink: Place<P>) {
        if let Some(at) = self.sinks.iter().position(|known| *known == sink) {
            self.sinks.remove(at);
            self.shown -= usize::from(at < self.shown);
        }
    }
}
