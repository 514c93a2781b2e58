//! What of what a peer is to be shown fits its path: its room's wish for each section, and the layer that
//! is sent instead where the estimate does not carry it, or nothing.

use std::time::{Duration, Instant};

use crate::congestion::trace::Trace;
use crate::congestion::{Allocation, Demand, OperatingPoint};
use crate::media::forward::rates::LayerRates;
use crate::media::peer::pressure::lowers;
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
    /// By section, too: the best layer that the other end keeps up with.
    allowed: Vec<u8>,
    next: Option<Instant>,
}

/// What there is for everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// In bits per second.
    pub(super) bits_per_second: u64,
    /// More than that harms beyond doubt.
    pub(super) is_strained: bool,
}

/// What is to be decided.
pub(super) struct Asked {
    /// What would be sent if there was room for it, in bits per second.
    pub(super) wanted: u64,
    /// What there is for pictures.
    available: u64,
    is_strained: bool,
    demands: Vec<Demand>,
}

impl Fitting {
    /// Notes a wish.
    pub(super) fn wish(&mut self, section: usize, shown: Option<Shown>, trace: Option<&mut Trace>) {
        if self.wished.len() <= section {
            self.wished.resize(section + 1, None);
        }
        if let Some(wished) = self.wished.get_mut(section) {
            let track = |shown: &Option<Shown>| shown.map(|shown| shown.track);
            if track(wished) != track(&shown) {
                self.allocation.forget(section);
                if let Some(trace) = trace {
                    trace.forgets(section);
                }
            }
            *wished = shown;
        }
    }

    /// Nothing is known of the path any more: everything goes out as it is wished for.
    pub(super) fn forget(&mut self, trace: Option<&mut Trace>) {
        self.allocation = Allocation::default();
        self.allowed.clear();
        if let Some(trace) = trace {
            trace.forgets_all();
        }
        self.next = None;
    }

    /// Whether anything was decided.
    pub(super) fn is_decided(&self) -> bool {
        self.next.is_some()
    }

    /// What is sent of what is wished for on a section.
    pub(super) fn fitted(&self, section: usize) -> Option<Shown> {
        let shown = self.wished.get(section).copied().flatten()?;
        match self.allocation.given(section) {
            Some(given) if !shown.from_the_start => Some(self.limited(section, shown, given?)),
            _ => Some(shown),
        }
    }

    /// What is wished for, no better than there is room for and than the other end keeps up with.
    fn limited(&self, section: usize, shown: Shown, room: OperatingPoint) -> Shown {
        let best_layer = (shown.best_layer.max(room.layer)).max(self.allowed(section));
        Shown {
            best_layer,
            temporal: match best_layer == room.layer {
                true => room.temporal,
                false => shown.temporal,
            },
            is_pressed: room.layer > shown.best_layer,
            ..shown
        }
    }

    /// The best layer that the other end keeps up with.
    pub(super) fn allowed(&self, section: usize) -> u8 {
        self.allowed.get(section).copied().unwrap_or(0)
    }

    /// Has less sent of pictures, by so many steps, where there is less; `rates` are those of what is wished for on a
    /// section. Screens stay as they are. Returns whether that is otherwise than before.
    pub(super) fn relieve<'r>(
        &mut self,
        step: u8,
        rates: impl Fn(usize) -> Option<&'r LayerRates>,
    ) -> bool {
        if step == 0 {
            return !std::mem::take(&mut self.allowed).is_empty();
        }
        let pictures = self.wished.iter().enumerate();
        let pictures = pictures.filter_map(|(at, shown)| Some((at, (*shown)?)));
        let pictures: Vec<_> = pictures.filter(|(_, it)| !it.is_screen()).collect();
        let first = pictures.iter().map(|(_, shown)| shown.priority).max();
        let mut allowed = vec![0; self.wished.len()];
        for (section, shown) in pictures {
            let rates = rates(section);
            let last = rates.and_then(|rates| rates.layers().last());
            let lowered = lowers(step, Some(shown.priority) == first);
            let best = rates.map_or(shown.best_layer, |rates| rates.best(&shown));
            let lowered = best.saturating_add(lowered);
            allowed[section] = last.map_or(0, |(last, _)| lowered.min(last));
        }
        std::mem::replace(&mut self.allowed, allowed) != self.allowed
    }

    /// What is wished for on a section, and what there is room for, where that was decided.
    pub(super) fn wished(&self, section: usize) -> Option<(Shown, Option<Option<OperatingPoint>>)> {
        let shown = self.wished.get(section).copied().flatten()?;
        Some((shown, self.allocation.given(section)))
    }

    /// Whether it is time to decide anew.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|at| now >= at)
    }

    /// What there is to be decided. `kind` and `rates` are those of what is wished for on a section.
    pub(super) fn asked<'r>(
        &self,
        room: Room,
        kind: impl Fn(usize) -> Option<MediaKind>,
        rates: impl Fn(usize) -> Option<&'r LayerRates>,
    ) -> Asked {
        let (sound, demands) = self.demands(kind, rates);
        let best = demands.iter().filter_map(|demand| demand.points.first());
        Asked {
            wanted: sound + best.map(|(_, bits)| bits).sum::<u64>(),
            available: room.bits_per_second.saturating_sub(sound),
            is_strained: room.is_strained,
            demands,
        }
    }

    /// Decides anew. Returns whether anything changed.
    pub(super) fn fit(
        &mut self,
        now: Instant,
        asked: Asked,
        mut trace: Option<&mut Trace>,
    ) -> bool {
        self.next = Some(now + INTERVAL);
        let Asked {
            wanted,
            available,
            is_strained,
            demands,
        } = asked;
        if let Some(trace) = &mut trace {
            trace.fits(now, available, is_strained, &demands);
        }
        let has_changed = self.allocation.update(now, available, is_strained, demands);
        if let Some(trace) = trace {
            trace.fitted(has_changed, &self.allocation);
        }
        if has_changed {
            tracing::debug!(available, wanted, allocation = ?self.allocation, "other layers fit");
        }
        has_changed
    }

    /// What sound takes, and what of pictures there is.
    fn demands<'r>(
        &self,
        kind: impl Fn(usize) -> Option<MediaKind>,
        rates: impl Fn(usize) -> Option<&'r LayerRates>,
    ) -> (u64, Vec<Demand>) {
        let (mut sound, mut demands) = (0, Vec::new());
        let wished = self.wished.iter().enumerate();
        for (section, shown) in wished.filter_map(|(at, shown)| Some((at, (*shown)?))) {
            let (Some(kind), Some(rates)) = (kind(section), rates(section)) else {
                continue;
            };
            let best = rates.best(&shown).max(self.allowed(section));
            match kind {
                MediaKind::Audio => sound += rates.layers().map(|(_, bits)| bits).sum::<u64>(),
                // What comes back as it is has nothing to choose from.
                MediaKind::Video if shown.from_the_start => {}
                MediaKind::Video => demands.push(Demand {
                    id: section,
                    priority: shown.priority,
                    points: rates.points(best).collect(),
                }),
            }
        }
        demands.retain(|demand| !demand.points.is_empty());
        (sound, demands)
    }

    /// How many sections there are wishes for.
    pub(super) fn sections(&self) -> usize {
        self.wished.len()
    }

    /// The sections that nothing is sent on for want of room.
    pub(super) fn paused(&self) -> impl Iterator<Item = usize> {
        self.allocation.paused()
    }
}
