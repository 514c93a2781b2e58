//! One publication on one shard: where it comes from, who is sent it, and what they wish for. A batch of
//! its packets is shown to each of them once. Knows nothing of what becomes of it there.

use std::time::{Duration, Instant};

use crate::media::forward::cache::Cache;
use crate::media::forward::lead_in::LeadIn;
use crate::media::forward::rates::LayerRates;
use crate::media::forward::wants::Wants;
use crate::media::id::TrackId;
use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::work;

/// One bit for each layer.
pub type Layers = u16;

/// The best layer there is.
pub const BEST: u8 = 0;

/// The best layer that somebody is to be shown, by index ([`BEST`] is the best there is), or of one stream by how many
/// times its width and height may be halved for that; `None` where nobody is shown any.
/// Those below it are what a path that becomes narrow falls back to, so they are wanted with it.
pub type Watched = Option<u8>;

/// Both together.
pub fn better(one: Watched, other: Watched) -> Watched {
    one.into_iter().chain(other).min()
}

/// A section of a peer, by whatever names a peer where the router is: it publishes a track there, or is
/// sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<P> {
    /// The peer.
    pub peer: P,
    /// The index of its section.
    pub section: usize,
}

/// Shows sinks what came for them.
pub trait Show<P> {
    /// Has memory fetched that showing something to a sink will need: a part of it with each of [`STEPS`]
    /// steps, of which each finds the next one's by what the last has fetched.
    fn prefetch(&self, sink: Place<P>, step: usize);

    /// Shows a sink a batch. Returns for how long it may ask for any of it again.
    fn show(&mut self, sink: Place<P>, batch: &[MediaPacket]) -> Duration;
}

/// How many steps there are.
pub const STEPS: usize = 4;
/// How many sinks lie between one step and the next: about as long as memory takes.
const STRIDE: usize = 2;

/// A publication.
#[derive(Debug)]
pub(super) struct Track<P> {
    pub(super) id: TrackId,
    /// Who publishes it here. It comes from the last to begin: one goes once the next is there.
    sources: Vec<Place<P>>,
    /// The shard that its packets last came from, where that is another.
    pub(super) from: Option<usize>,
    /// No packet came since it comes from there.
    pub(super) resumes: bool,
    pub(super) sinks: Vec<Place<P>>,
    /// The best layer that each of them is to be shown, in their order.
    wants: Wants,
    /// Those of them that were shown nothing yet.
    pub(super) joining: Vec<Place<P>>,
    pub(super) lead_in: LeadIn,
    /// The shards on which others are sent it, and the best layer that is wanted there.
    pub(super) interested: Vec<(usize, u8)>,
    /// One of them wants it since, and was sent nothing.
    pub(super) has_joined: bool,
    /// What is wanted of it from another shard, and whoever asks is told so.
    pub(super) wanted: Watched,
    /// Who sends it here, and what of it is watched, as they were last told.
    pub(super) told: Option<(Place<P>, Watched)>,
    /// What came in this batch.
    pub(super) fresh: Vec<MediaPacket>,
    /// How many of the sinks were shown it.
    shown: usize,
    /// For how long at most one of them may ask for it again.
    span: Duration,
    pub(super) cache: Cache,
    pub(super) rates: LayerRates,
    /// The layers of which somebody wishes for a keyframe.
    pub(super) wishes: Layers,
    /// Those of which one was wished for while there was no source here, and none has come since.
    pub(super) unfulfilled: Layers,
}

impl<P: Copy + Eq> Track<P> {
    pub(super) fn new(id: TrackId) -> Self {
        Self {
            id,
            sources: Vec::new(),
            from: None,
            resumes: true,
            sinks: Vec::new(),
            wants: Wants::default(),
            joining: Vec::new(),
            lead_in: LeadIn::default(),
            interested: Vec::new(),
            has_joined: false,
            wanted: None,
            told: None,
            fresh: Vec::new(),
            shown: 0,
            span: Duration::ZERO,
            cache: Cache::default(),
            rates: LayerRates::default(),
            wishes: 0,
            unfulfilled: 0,
        }
    }

    /// Where it comes from, while that is on this shard.
    pub(super) fn source(&self) -> Option<Place<P>> {
        self.sources.last().copied()
    }

    /// It comes from here from now on; where its peer `came` with it, it goes on with what came from
    /// elsewhere, unless that was passed over here for another's.
    pub(super) fn add_source(&mut self, source: Place<P>, came: bool) {
        if !self.sources.contains(&source) {
            self.resumes = !came || !self.sources.is_empty();
            self.sources.push(source);
        }
        self.from = None;
    }

    /// It comes from here no more: then from who published it before, and still does.
    pub(super) fn remove_source(&mut self, source: Place<P>) {
        self.resumes |= self.source() == Some(source);
        self.sources.retain(|known| *known != source);
    }

    /// Shows the batch to every sink. Should that end early, by a panic, it goes on behind the sink that
    /// it ended at. What others are to be sent is left in `crossing`.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        crossing: &mut Vec<MediaPacket>,
        show: &mut impl Show<P>,
    ) {
        if self.shown == 0 {
            self.lead_in(now, show);
            if self.fresh.is_empty() {
                return;
            }
            self.rates.count(now, &self.fresh);
        }
        (self.shown..self.shown + STEPS * STRIDE).for_each(|at| self.prefetch(at, show));
        while let Some(sink) = self.sinks.get(self.shown) {
            self.prefetch(self.shown + STEPS * STRIDE, show);
            self.shown += 1;
            self.span = self.span.max(show.show(*sink, &self.fresh));
        }
        let span = std::mem::take(&mut self.span);
        self.shown = 0;
        // What came from another shard came to everybody from there.
        if self.source().is_some() && !self.interested.is_empty() {
            let first = crossing.len();
            crossing.extend(self.fresh.iter().cloned());
            if let Some(first) = crossing.get_mut(first) {
                first.resumes |= std::mem::take(&mut self.has_joined);
            }
        }
        for media in &self.fresh {
            self.lead_in.keep(media);
        }
        if span.is_zero() {
            self.fresh.clear();
            self.cache.clear();
        }
        for media in self.fresh.drain(..) {
            self.cache.insert(now, span, media);
        }
    }

    /// A section is sent it, too, and first what came just before. Returns whether there is any.
    pub(super) fn add_sink(&mut self, sink: Place<P>) -> bool {
        if self.find(sink).is_some() {
            return false;
        }
        self.sinks.push(sink);
        self.wants.push(BEST);
        let has_lead_in = !self.lead_in.is_empty();
        if has_lead_in {
            self.joining.push(sink);
        }
        has_lead_in
    }

    /// Shows who comes new what came just before.
    fn lead_in(&mut self, now: Instant, show: &mut impl Show<P>) {
        // One after the other is taken out: a panic in between costs nobody else anything.
        while let Some(sink) = self.joining.pop() {
            let ahead: Vec<_> = self.lead_in.packets(now).cloned().collect();
            if !ahead.is_empty() {
                self.span = self.span.max(show.show(sink, &ahead));
            }
        }
    }

    /// Takes the first step towards the sink at a place, and the next towards each nearer one that had
    /// one.
    fn prefetch(&self, at: usize, show: &impl Show<P>) {
        // With few there is no time for it.
        if self.sinks.len() <= STEPS {
            return;
        }
        for step in 0..STEPS {
            let at = at.checked_sub(step * STRIDE);
            if let Some(sink) = at.and_then(|at| self.sinks.get(at)) {
                show.prefetch(*sink, step);
            }
        }
    }

    pub(super) fn remove_sink(&mut self, sink: Place<P>) {
        self.joining.retain(|known| *known != sink);
        if let Some(at) = self.find(sink) {
            self.sinks.remove(at);
            self.wants.remove(at);
            self.shown -= usize::from(at < self.shown);
        }
    }

    /// A section is to be shown no better layer than this.
    pub(super) fn limit(&mut self, sink: Place<P>, best: u8) {
        if let Some(at) = self.find(sink) {
            self.wants.set(at, best);
        }
    }

    /// Where a sink is: a look at each before it.
    fn find(&self, sink: Place<P>) -> Option<usize> {
        let mut sinks = self.sinks.iter().inspect(|_| work::count(1));
        sinks.position(|known| *known == sink)
    }

    /// What of it a peer here is shown: a look at every sink.
    pub(super) fn watched_by(&self, peer: P) -> Watched {
        let sinks = self.sinks.iter().zip(self.wants.each());
        let sinks = sinks.inspect(|_| work::count(1));
        let wants = sinks.filter(|(sink, _)| sink.peer == peer);
        wants.map(|(_, best)| best).min()
    }

    /// What of it is watched here.
    pub(super) fn watched_here(&self) -> Watched {
        self.wants.best()
    }

    /// What of it is watched, here and elsewhere.
    pub(super) fn watched(&self) -> Watched {
        let elsewhere = self.interested.iter().map(|(_, best)| *best);
        better(self.watched_here(), elsewhere.min())
    }

    /// Another shard wants so much of it.
    pub(super) fn note_interest(&mut self, shard: usize, best: u8) {
        let mut known = self.interested.iter_mut();
        match known.find(|(known, _)| *known == shard) {
            Some((_, wants)) => *wants = best,
            None => {
                self.interested.push((shard, best));
                // Of what is yet to come nothing is missing.
                self.has_joined |= self.source().is_some();
            }
        }
    }

    /// What another shard wants of it.
    pub(super) fn interest(&self, shard: usize) -> Watched {
        let known = self.interested.iter().find(|(known, _)| *known == shard);
        known.map(|(_, best)| *best)
    }

    /// Whether anybody has to do with it.
    pub(super) fn is_used(&self) -> bool {
        self.source().is_some() || !self.sinks.is_empty() || !self.interested.is_empty()
    }

    /// Takes a packet that came from another shard. Returns whether a keyframe is to be wished for there,
    /// because whoever was asked for it before has the track no more.
    pub(super) fn take(&mut self, shard: usize, media: MediaPacket) -> bool {
        let has_moved = self.from.replace(shard) != Some(shard);
        if media.starts_keyframe {
            self.unfulfilled = 0;
        }
        self.fresh.push(media);
        has_moved && self.unfulfilled != 0
    }
}
