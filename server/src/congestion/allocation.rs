//! Who gets what of a path: the layers of what a subscriber watches that fit what there is. Everything
//! gets its least before anything gets more, in the order of its priority; what does not even get that is
//! paused, once too much is sent beyond doubt. What goes out stays for as long as that does little harm: each change costs a keyframe.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What is better than what goes out has to fit this well.
const HEADROOM: f64 = 1.15;
/// What goes out takes so much more than there is that it cannot stay: its inverse.
const GRAVE: f64 = 0.65;
/// Less of a shortage is waited out for this long: a probe may show that there was none.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was lowered is not raised for this long.
const HOLD: Duration = Duration::from_secs(2);

/// Something that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Its name.
    pub id: usize,
    /// What is greater comes first.
    pub priority: u32,
    /// Its layers by their names, best first, and what each takes, in bits per second. The best there
    /// is has the least name.
    pub layers: Vec<(u8, u64)>,
}

impl Demand {
    /// How far a layer is from the best; what is paused is farthest. One that is below all there are, as of
    /// a track that had more, is the last.
    fn rank(&self, layer: Option<u8>) -> usize {
        let Some(layer) = layer else {
            return self.layers.len();
        };
        let at = self.layers.iter().position(|(name, _)| *name >= layer);
        at.unwrap_or(self.layers.len().saturating_sub(1))
    }

    fn cost(&self, rank: usize) -> u64 {
        self.layers.get(rank).map_or(0, |(_, bits)| *bits)
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
    layer: Option<u8>,
    lowered: Option<Instant>,
}

/// What everything is given.
#[derive(Debug, Default)]
pub struct Allocation {
    given: BTreeMap<usize, Grant>,
    short_since: Option<Instant>,
}

impl Allocation {
    /// The layer that something is given: within it `None` where it is paused. `None` where nothing was
    /// decided.
    pub fn given(&self, id: usize) -> Option<Option<u8>> {
        self.given.get(&id).map(|given| given.layer)
    }

    /// What each is given.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, Option<u8>)> {
        self.given.iter().map(|(id, given)| (*id, given.layer))
    }

    /// What was decided of something is over: it is another thing now.
    pub fn forget(&mut self, id: usize) {
        self.given.remove(&id);
    }

    /// What is paused.
    pub fn paused(&self) -> impl Iterator<Item = usize> {
        let paused = self.given.iter().filter(|(_, given)| given.layer.is_none());
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
        let mut before = std::mem::take(&mut self.given);
        // What is new goes out as it is asked for, for as long as nothing is decided.
        let present: Vec<_> = demands
            .iter()
            .map(|demand| {
                let given = before.get(&demand.id);
                given.map_or(0, |given| demand.rank(given.layer))
            })
            .collect();
        let targets = targets(available, &demands, &present);
        let costs = demands.iter().zip(&present);
        let spent: u64 = costs.map(|(demand, rank)| demand.cost(*rank)).sum();
        let may_lower = self.may_lower(now, spent, available);
        let (mut has_changed, mut sum) = (false, spent);
        for ((demand, present), target) in demands.iter().zip(present).zip(targets) {
            let mut given = before.remove(&demand.id).unwrap_or(Grant {
                layer: demand.layers.first().map(|(layer, _)| *layer),
                lowered: None,
            });
            let is_paused = present == demand.layers.len();
            let target = match is_paused || is_strained {
                true => target,
                false => target.min(demand.layers.len().saturating_sub(1)),
            };
            let is_held = given.lowered.is_some_and(|at| now < at + HOLD);
            let changes = match target < present {
                // Also while what others are to give up for it is still sent.
                true => sum - demand.cost(present) + demand.cost(target) <= available && !is_held,
                false => target > present && may_lower,
            };
            if changes {
                has_changed = true;
                sum = sum - demand.cost(present) + demand.cost(target);
                given.layer = demand.layers.get(target).map(|(layer, _)| *layer);
                given.lowered = (target > present).then_some(now).or(given.lowered);
            }
            if let (Some(layer), Some((last, _))) = (given.layer, demand.layers.last())
                && layer > *last
            {
                (given.layer, has_changed) = (Some(*last), true);
            }
            self.given.insert(demand.id, given);
        }
        // Of the others nothing comes at the moment. They go on where they were, but for what was paused: of that
        // nobody would know whether anything comes.
        let count = before.len();
        before.retain(|_, given| given.layer.is_some());
        has_changed |= before.len() < count;
        self.given.append(&mut before);
        has_changed
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

/// How far from its best each is to be.
fn targets(available: u64, demands: &[Demand], present: &[usize]) -> Vec<usize> {
    let mut left = available;
    let mut targets: Vec<_> = demands.iter().map(|demand| demand.layers.len()).collect();
    for ((demand, present), target) in demands.iter().zip(present).zip(&mut targets) {
        let least = demand.layers.len().saturating_sub(1);
        let need = demand.need(least, *present);
        if need <= left {
            (*target, left) = (least, left - need);
        }
    }
    for ((demand, present), target) in demands.iter().zip(present).zip(&mut targets) {
        if *target == demand.layers.len() {
            continue;
        }
        let has = demand.need(*target, *present);
        let better = (0..*target).find(|rank| demand.need(*rank, *present) <= left + has);
        if let Some(better) = better {
            left = left + has - demand.need(better, *present);
            *target = better;
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: [(u8, u64); 3] = [(0, 1_500_000), (1, 500_000), (2, 150_000)];

    fn picture(id: usize, priority: u32) -> Demand {
        Demand {
            id,
            priority,
            layers: LAYERS.to_vec(),
        }
    }

    /// What two pictures and a screen, in the order of screen, large, small, are given.
    fn given(available: u64) -> [Option<u8>; 3] {
        let mut allocation = Allocation::default();
        let screen = Demand {
            layers: vec![(0, 800_000)],
            ..picture(7, u32::MAX)
        };
        let demands = vec![picture(1, 10), screen, picture(2, 1000)];
        // Past all patience.
        let start = Instant::now();
        allocation.update(start, available, true, demands.clone());
        allocation.update(start + PATIENCE, available, true, demands);
        [7, 2, 1].map(|id| allocation.given(id).unwrap())
    }

    #[test]
    fn each_gets_its_least_and_then_the_more_important_gets_more() {
        assert_eq!(given(10_000_000), [Some(0), Some(0), Some(0)]);
        assert_eq!(given(3_000_000), [Some(0), Some(0), Some(1)]);
        assert_eq!(given(1_500_000), [Some(0), Some(1), Some(2)]);
        assert_eq!(given(1_100_000), [Some(0), Some(2), Some(2)]);
        assert_eq!(given(960_000), [Some(0), Some(2), None]);
        assert_eq!(given(810_000), [Some(0), None, None]);
        assert_eq!(given(500_000), [None, Some(2), Some(2)]);
        assert_eq!(given(100_000), [None, None, None]);
    }

    /// What one picture is given over time, by tenths of a second, where so much is available.
    fn over_time(available: impl Fn(u32) -> u64, tenths: u32) -> Vec<Option<u8>> {
        let (start, mut allocation) = (Instant::now(), Allocation::default());
        let step = |at| {
            let now = start + Duration::from_millis(100) * at;
            allocation.update(now, available(at), true, vec![picture(1, 1)]);
            allocation.given(1).unwrap()
        };
        (0..tenths).map(step).collect()
    }

    #[test]
    fn a_thing_with_fewer_layers_is_not_paused_without_a_word() {
        let (start, mut allocation) = (Instant::now(), Allocation::default());
        allocation.update(start, 200_000, false, vec![picture(1, 1)]);
        assert_eq!(allocation.given(1), Some(Some(2)));
        let screen = Demand {
            layers: vec![(0, 800_000)],
            ..picture(1, 1)
        };
        // It has too little room, and nothing says that it harms.
        assert!(allocation.update(start, 200_000, false, vec![screen.clone()]));
        assert_eq!(allocation.given(1), Some(Some(0)));
        assert_eq!(allocation.paused().count(), 0);
        allocation.forget(1);
        assert_eq!(allocation.given(1), None);
    }

    #[test]
    fn nothing_is_raised_into_the_room_of_what_is_yet_to_be_lowered() {
        let (start, mut allocation) = (Instant::now(), Allocation::default());
        let mut wishes = vec![picture(1, 10), picture(2, 9)];
        allocation.update(start, 1_000_000, false, wishes.clone());
        assert_eq!([1, 2].map(|id| allocation.given(id).unwrap()), [Some(1); 2]);
        // Time goes on past what holds either, and the first could have all if the second had less.
        for tenth in 0..100 {
            let now = start + HOLD + Duration::from_millis(100) * tenth;
            allocation.update(now, 1_900_000, false, wishes.clone());
            let given = [1, 2].map(|id| allocation.given(id).unwrap());
            let sum: u64 = given
                .iter()
                .map(|layer| LAYERS[usize::from(layer.unwrap())].1)
                .sum();
            assert!(sum <= 1_900_000, "{given:?}");
            wishes.reverse();
        }
    }

    #[test]
    fn a_grave_shortage_shows_at_once_and_a_small_one_is_waited_out() {
        let grave = over_time(|at| if at < 5 { 2_000_000 } else { 600_000 }, 10);
        assert_eq!(grave[4..6], [Some(0), Some(1)]);
        let short = over_time(|at| if at % 20 < 19 { 1_300_000 } else { 2_000_000 }, 100);
        assert!(short.iter().all(|layer| *layer == Some(0)));
        let long = over_time(|_| 1_300_000, 40);
        assert_eq!(long.iter().position(|layer| *layer == Some(1)), Some(20));
    }

    #[test]
    fn what_is_better_has_to_fit_well_and_to_wait() {
        let tight = over_time(|at| if at < 2 { 600_000 } else { 1_600_000 }, 100);
        assert_eq!(tight.last(), Some(&Some(1)));
        let roomy = over_time(|at| if at < 2 { 600_000 } else { 1_800_000 }, 100);
        assert_eq!(roomy.iter().rposition(|layer| *layer == Some(1)), Some(19));
        let swinging = over_time(|at| if at % 6 < 3 { 600_000 } else { 3_000_000 }, 600);
        let switches = swinging.windows(2).filter(|pair| pair[0] != pair[1]);
        assert!(switches.count() <= 60, "one a second at the most");
    }

    #[test]
    fn a_delay_alone_pauses_nothing() {
        let (mut now, mut allocation) = (Instant::now(), Allocation::default());
        for _ in 0..100 {
            now += Duration::from_millis(100);
            allocation.update(now, 50_000, false, vec![picture(1, 1)]);
        }
        assert_eq!(allocation.given(1), Some(Some(2)));
        allocation.update(now, 50_000, true, vec![picture(1, 1)]);
        assert_eq!(allocation.given(1), Some(None));
        allocation.update(now + HOLD, 50_000, false, vec![picture(1, 1)]);
        assert_eq!(allocation.given(1), Some(None));
    }

    #[test]
    fn what_nothing_comes_of_goes_on_where_it_was_and_what_is_watched_no_more_is_forgotten() {
        let mut allocation = Allocation::default();
        let now = Instant::now();
        allocation.update(now, 600_000, true, vec![picture(1, 1)]);
        allocation.update(now, 600_000, true, Vec::new());
        assert_eq!(allocation.given(1), Some(Some(1)));
        allocation.forget(1);
        assert_eq!(allocation.given(1), None);
        allocation.update(now, 0, true, vec![picture(1, 1)]);
        assert_eq!(allocation.paused().collect::<Vec<_>>(), [1]);
        assert!(allocation.update(now, 0, true, Vec::new()));
        assert_eq!(allocation.given(1), None);
    }
}
