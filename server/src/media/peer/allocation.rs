//! What of what a peer is to be shown fits its path: its room's wish for each section, and the layer that
//! is sent instead where the estimate does not carry it, or nothing.

use std::time::{Duration, Instant};

use super::{Peer, PeerOutput};
use crate::congestion::{Allocation, Demand};
use crate::media::forward::rates::LayerRates;
use crate::media::plan::Shown;
use crate::media::sdp::MediaKind;

/// The least time between two decisions.
const INTERVAL: Duration = Duration::from_millis(100);

/// The wishes, and what was decided of them.
#[derive(Debug, Default)]
pub(super) struct Fitting {
    /// By section.
    wished: Vec<Option<Shown>>,
    /// By section, too.
    allocation: Allocation,
    next: Option<Instant>,
}

impl Fitting {
    fn wish(&mut self, section: usize, shown: Option<Shown>) {
        if self.wished.len() <= section {
            self.wished.resize(section + 1, None);
        }
        if let Some(wished) = self.wished.get_mut(section) {
            *wished = shown;
        }
    }

    /// What is sent of what is wished for on a section.
    fn fitted(&self, section: usize) -> Option<Shown> {
        let shown = self.wished.get(section).copied().flatten()?;
        match self.allocation.given(section) {
            Some(given) if !shown.from_the_start => Some(Shown {
                best_layer: shown.best_layer.max(given?),
                ..shown
            }),
            _ => Some(shown),
        }
    }
}

impl Peer {
    /// Shows another track on a section, from its next keyframe on; or none. A layer that does not fit
    /// is not shown.
    pub fn select(&mut self, section: usize, shown: Option<Shown>) {
        self.fitting.wish(section, shown);
        self.select_fitted(section);
    }

    fn select_fitted(&mut self, section: usize) {
        let fitted = self.fitting.fitted(section);
        if self.streams.select(section, fitted) {
            self.outputs
                .push_back(PeerOutput::KeyframeWanted { section });
        }
    }

    /// Lets what is shown fit the path, as far as that is known. `rates` are those of what is wished for
    /// on a section.
    pub fn fit<'r>(&mut self, now: Instant, rates: impl Fn(usize) -> Option<&'r LayerRates>) {
        if self.fitting.next.is_some_and(|at| now < at) {
            return;
        }
        let Some(estimate) = self.estimate() else {
            return;
        };
        self.fitting.next = Some(now + INTERVAL);
        let (sound, demands) = self.demands(rates);
        let best = demands.iter().filter_map(|demand| demand.layers.first());
        let wanted = sound + best.map(|(_, bits)| bits).sum::<u64>();
        self.streams.want(wanted);
        let available = estimate.bits_per_second.saturating_sub(sound);
        if self.fitting.allocation.update(now, available, demands) {
            tracing::debug!(
                estimate = estimate.bits_per_second,
                loss = estimate.loss,
                wanted,
                allocation = ?self.fitting.allocation,
                "other layers fit"
            );
            (0..self.fitting.wished.len()).for_each(|section| self.select_fitted(section));
        }
    }

    /// What sound takes, and what of pictures there is.
    fn demands<'r>(&self, rates: impl Fn(usize) -> Option<&'r LayerRates>) -> (u64, Vec<Demand>) {
        let (mut sound, mut demands) = (0, Vec::new());
        let wished = self.fitting.wished.iter().enumerate();
        for (section, shown) in wished.filter_map(|(at, shown)| Some((at, (*shown)?))) {
            let (Some(kind), Some(rates)) = (self.streams.sends(section), rates(section)) else {
                continue;
            };
            let layers = rates.layers();
            let layers = layers.filter(|(layer, _)| *layer >= shown.best_layer);
            match kind {
                MediaKind::Audio => sound += layers.map(|(_, bits)| bits).sum::<u64>(),
                // What comes back as it is has nothing to choose from.
                MediaKind::Video if shown.from_the_start => {}
                MediaKind::Video => demands.push(Demand {
                    id: section,
                    priority: shown.priority,
                    layers: layers.collect(),
                }),
            }
        }
        demands.retain(|demand| !demand.layers.is_empty());
        (sound, demands)
    }

    /// The sections that nothing is sent on for want of room.
    pub fn paused(&self) -> impl Iterator<Item = usize> {
        self.fitting.allocation.paused()
    }
}
