//! Who gets what of a path: the layers of what a subscriber watches that fit what there is. Everything
//! gets its least before anything gets more, in the order of its priority; what does not even get that is
//! paused, once too much is sent beyond doubt. What goes out stays for as long as that does little harm: each change costs a keyframe.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::point::OperatingPoint;

/// What is better than what goes out has to fit this well.
const HEADROOM: f64 = 1.15;
/// What goes out takes so much more than there is that it cannot stay: its inverse.
const GRAVE: f64 = 0.65;
/// Less of a shortage is waited out for this long: a probe may show that there was none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Its name.
    pub id: usize,
    /// What is greater comes first.
    pub priority: u32,
    /// What it may be sent as, best first, and what each takes, in bits per second.
    pub points: Vec<(OperatingPoint, u64)>,
}

impl Demand {
    /// How far a point is from the best; what is paused is farthest. Where there is none such, as of a track that had
    /// more layers, it is the one above it of the same layer, which takes no less; else the one below it, else the last.
    fn rank(&self, point: Option<OperatingPoint>) -> usize {
        let Some(point) = point else {
            return self.points.len();
        };
        let at = self.points.iter().position(|(it, _)| *it >= point);
        let at = at.unwrap_or(self.points.len());
        if self.point(at) == Some(point) {
            return at;
        }
        let is_of_layer = |at: usize| self.point(at).is_some_and(|it| it.layer == point.layer);
        match at.checked_sub(1) {
            Some(above) if is_of_layer(above) => above,
            _ => at.min(self.points.len().saturating_sub(1)),
        }
    }

    fn point(&self, rank: usize) -> Option<OperatingPoint> {
        self.points.get(rank).map(|(point, _)| *point)
    }

    /// The place of the whole of its least layer.
    fn least_whole(&self) -> usize {
        let least = self.points.last().map(|(it, _)| it.layer);
        let mut points = self.points.iter();
        let at = points.position(|(it, _)| Some(it.layer) == least);
        at.unwrap_or(0)
    }

    fn cost(&self, rank: usize) -> u64 {
        self.points.get(rank).map_or(0, |(_, bits)| *bits)
    }

    /// What a layer needs, where another goes out by now.
    fn need(&self, rank: usize, present: usize) -> u64 {
        let cost = self.cost(rank);
        match rank < present {
            true => (cost as f64 * HEADROOM) as u64,
            false => cost,
        }
    }
}

/// What one of them is given.
#[derive(Clone, Copy, Debug)]
struct Grant {
    point: Option<OperatingPoint>,
    /// Since when there is no such point any more, and another of its layer stands for it.
    gone: Option<Instant>,
    patience: Patience,
}

impl Grant {
    /// What goes out is given by the name it has now, once it is no longer what was given. Returns whether that is so.
    fn rename(&mut self, now: Instant, present: Option<OperatingPoint>) -> bool {
        let layer = |point: Option<OperatingPoint>| point.map(|it| it.layer);
        if self.point == present || layer(self.point) != layer(present) {
            self.gone = None;
            return false;
        }
        let is_over = now >= *self.gone.get_or_insert(now) + PATIENCE;
        if is_over {
            (self.point, self.gone) = (present, None);
        }
        is_over
    }
}

/// What everything is given.
#[derive(Debug, Default)]
pub struct Allocation {
    given: BTreeMap<usize, Grant>,
    /// What was watched last.
    watched: Vec<usize>,
    short_since: Option<Instant>,
}

impl Allocation {
    /// What something is given: within it `None` where it is paused. `None` where nothing was decided.
    pub fn given(&self, id: usize) -> Option<Option<OperatingPoint>> {
        self.given.get(&id).map(|given| given.point)
    }

    /// What each is given.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, Option<OperatingPoint>)> {
        self.given.iter().map(|(id, given)| (*id, given.point))
    }

    /// What was decided of something is over: it is another thing now.
    pub fn forget(&mut self, id: usize) {
        // Whether something is watched there is for `watch` to see: whoever speaks, one picture takes another's place.
        self.given.remove(&id);
    }

    /// What is paused.
    pub fn paused(&self) -> impl Iterator<Item = usize> {
        let paused = self.given.iter().filter(|(_, given)| given.point.is_none());
        paused.map(|(id, _)| *id)
    }

    /// Decides anew, where so much is available, in bits per second; `is_strained` where what is sent is too
    /// much beyond doubt, so that something may be paused. Returns whether anything changed.
    pub fn update(
        &mut self,
        now: Instant,
        available: u64,
        is_strained: bool,
        mut demands: Vec<Demand>,
    ) -> bool {
        demands.sort_by_key(|demand| (Reverse(demand.priority), demand.id));
        self.watch(&demands);
        let mut before = std::mem::take(&mut self.given);
        let present = present(&before, &demands);
        let targets = targets(available, &demands, &present);
        let costs = demands.iter().zip(&present);
        let spent: u64 = costs.map(|(demand, rank)| demand.cost(*rank)).sum();
        let may_lower = self.may_lower(now, spent, available);
        let (mut has_changed, mut sum) = (false, spent);
        for ((demand, present), target) in demands.iter().zip(present).zip(targets) {
            let mut given = before.remove(&demand.id).unwrap_or(Grant {
                point: demand.point(0),
                gone: None,
                patience: Patience::default(),
            });
            let is_paused = present == demand.points.len();
            let target = match is_paused || is_strained {
                true => target,
                false => target.min(demand.points.len().saturating_sub(1)),
            };
            let is_held = |rank: &usize| {
                let point = demand.point(*rank);
                point.is_some_and(|it| given.patience.holds(now, available, it, is_paused))
            };
            let mut raises = target..present;
            let target = match target < present {
                true => raises.find(|rank| !is_held(rank)).unwrap_or(present),
                false => target,
            };
            let changes = match target < present {
                // Also while what others are to give up for it is still sent.
                true => sum - demand.cost(present) + demand.cost(target) <= available,
                false => target > present && may_lower,
            };
            if changes {
                has_changed = true;
                sum = sum - demand.cost(present) + demand.cost(target);
                given.point = demand.point(target);
                match given.point.filter(|_| target < present) {
                    Some(point) => given.patience.raise(now, available, point),
                    None => given.patience.lower(now),
                }
            } else {
                has_changed |= given.rename(now, demand.point(present));
            }
            if let (Some(point), Some((last, _))) = (given.point, demand.points.last())
                && point.layer > last.layer
            {
                (given.point, has_changed) = (Some(*last), true);
            }
            self.given.insert(demand.id, given);
        }
        // Of the others nothing comes at the moment. They go on where they were, but for what was paused: of that
        // nobody would know whether anything comes.
        let count = before.len();
        before.retain(|_, given| given.point.is_some());
        has_changed |= before.len() < count;
        self.given.append(&mut before);
        has_changed
    }

    /// Notes what is watched. Where that is not what it was, there is other room for each.
    fn watch(&mut self, demands: &[Demand]) {
        let mut watched: Vec<_> = demands.iter().map(|demand| demand.id).collect();
        watched.sort_unstable();
        if watched != self.watched {
            self.watched = watched;
            (self.given.values_mut()).for_each(|given| given.patience.excuse());
        }
    }

    fn may_lower(&mut self, now: Instant, spent: u64, available: u64) -> bool {
        if spent <= available {
            self.short_since = None;
            return false;
        }
        let since = *self.short_since.get_or_insert(now);
        let may = spent as f64 * GRAVE > available as f64 || now >= since + PATIENCE;
        if may {
            self.short_since = None;
        }
        may
    }
}

/// How far from its best each is. What is new goes out as it is asked for, for as long as nothing is decided.
fn present(given: &BTreeMap<usize, Grant>, demands: &[Demand]) -> Vec<usize> {
    let present = demands.iter().map(|demand| {
        let given = given.get(&demand.id);
        given.map_or(0, |given| demand.rank(given.point))
    });
    present.collect()
}

/// How far from its best each is to be. Everything gets its least, then the whole of its least layer, then what is
/// better.
fn targets(available: u64, demands: &[Demand], present: &[usize]) -> Vec<usize> {
    let mut left = available;
    let mut targets: Vec<_> = demands.iter().map(|demand| demand.points.len()).collect();
    for ((demand, present), target) in demands.iter().zip(present).zip(&mut targets) {
        let least = demand.points.len().saturating_sub(1);
        let need = demand.need(least, *present);
        if need <= left {
            (*target, left) = (least, left - need);
        }
    }
    for best in [Demand::least_whole, |_: &Demand| 0] {
        for ((demand, present), target) in demands.iter().zip(present).zip(&mut targets) {
            if *target == demand.points.len() {
                continue;
            }
            let has = demand.need(*target, *present);
            let mut better = best(demand)..*target;
            let better = better.find(|rank| demand.need(*rank, *present) <= left + has);
            if let Some(better) = better {
                left = left + has - demand.need(better, *present);
                *target = better;
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests;
