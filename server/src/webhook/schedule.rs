//! When each webhook is told: at once, and where that fails again and again, each time after four times as long, until
//! it is given up. It knows what is to be told by name alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Calls at a time.
pub(crate) const MAX_AT_ONCE: usize = 8;

/// How often one is tried.
pub(crate) const MAX_TRIES: u32 = 12;

/// How long is waited at most before it is tried again.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What becomes of one that nobody took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is tried again.
    Again,
    /// It is not.
    Over,
}

#[derive(Debug)]
struct Waiting {
    tries: u32,
    /// `None` while it is being told.
    due: Option<Instant>,
}

/// All that are to be told.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeMap<String, Waiting>);

impl Schedule {
    /// These are to be told, and no others. One that is new waits until all of its project is written.
    pub(super) fn follow(&mut self, now: Instant, noted: Vec<(String, bool)>) {
        let mut known = std::mem::take(&mut self.0);
        for (id, is_written) in noted {
            let new = is_written.then_some(Waiting {
                tries: 0,
                due: Some(now),
            });
            if let Some(waiting) = known.remove(&id).or(new) {
                self.0.insert(id, waiting);
            }
        }
        // What is being told goes on, whatever became of it.
        known.retain(|_, waiting| waiting.due.is_none());
        self.0.append(&mut known);
    }

    /// One that is due, and is being told from now on.
    pub(super) fn take(&mut self, now: Instant) -> Option<String> {
        if self.under_way() >= MAX_AT_ONCE {
            return None;
        }
        let due = self
            .0
            .iter_mut()
            .filter(|(_, one)| one.due.is_some_and(|due| due <= now));
        let (id, waiting) = due.min_by_key(|(_, one)| one.due)?;
        waiting.due = None;
        Some(id.clone())
    }

    /// When the next is due, if one may be told then.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let is_free = self.under_way() < MAX_AT_ONCE;
        let due = self.0.values().filter_map(|waiting| waiting.due);
        due.min().filter(|_| is_free)
    }

    /// It could not be told yet, which is nobody's fault.
    pub(super) fn put_back(&mut self, now: Instant, id: &str) {
        if let Some(waiting) = self.0.get_mut(id) {
            waiting.due = Some(now);
        }
    }

    /// Nobody took it.
    pub(super) fn fail(&mut self, now: Instant, id: &str) -> Fate {
        let Some(waiting) = self.0.get_mut(id) else {
            return Fate::Over;
        };
        waiting.tries += 1;
        if waiting.tries >= MAX_TRIES {
            return Fate::Over;
        }
        let wait = Duration::from_secs(4_u64.saturating_pow(waiting.tries - 1));
        waiting.due = Some(now + wait.min(LONGEST_WAIT));
        Fate::Again
    }

    /// It was taken, or is given up.
    pub(super) fn end(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// A call broke down, and nobody knows which: those that are under way are told again.
    pub(super) fn forget_calls(&mut self, now: Instant) {
        for waiting in self.0.values_mut().filter(|one| one.due.is_none()) {
            waiting.due = Some(now + LONGEST_WAIT);
        }
    }

    fn under_way(&self) -> usize {
        self.0.values().filter(|one| one.due.is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<usize>) -> Vec<(String, bool)> {
        range.map(|n| (format!("{n:03}"), true)).collect()
    }

    #[test]
    fn one_is_told_once_and_again_where_nobody_takes_it_until_it_is_given_up() {
        let (mut now, mut schedule) = (Instant::now(), Schedule::default());
        let mut waits = Vec::new();
        loop {
            schedule.follow(now, ids(0..1));
            assert_eq!(schedule.take(now).as_deref(), Some("000"));
            assert_eq!(schedule.take(now), None);
            if schedule.fail(now, "000") == Fate::Over {
                break;
            }
            schedule.follow(now, ids(0..1));
            assert_eq!(schedule.take(now), None, "not at once");
            let wake = schedule.next_wake().unwrap();
            waits.push((wake - now).as_secs());
            now = wake;
        }
        assert_eq!(
            waits,
            [1, 4, 16, 64, 256, 1024, 3600, 3600, 3600, 3600, 3600]
        );
        schedule.end("000");
        assert_eq!((schedule.take(now), schedule.next_wake()), (None, None));
    }

    #[test]
    fn so_many_are_told_at_a_time_and_one_that_hangs_holds_up_no_other_for_ever() {
        let (now, mut schedule) = (Instant::now(), Schedule::default());
        schedule.follow(now, ids(0..20));
        let first: Vec<_> = std::iter::from_fn(|| schedule.take(now)).collect();
        assert_eq!((first.len(), schedule.next_wake()), (MAX_AT_ONCE, None));
        assert_eq!(schedule.fail(now, &first[0]), Fate::Again);
        // Those that were never tried come before it.
        let next = schedule.take(now).unwrap();
        assert!(!first.contains(&next));
    }

    #[test]
    fn what_is_to_be_told_no_more_is_forgotten_unless_it_is_being_told() {
        let (now, mut schedule) = (Instant::now(), Schedule::default());
        schedule.follow(now, ids(0..2));
        let told = schedule.take(now).unwrap();
        schedule.follow(now, Vec::new());
        assert_eq!((schedule.take(now), schedule.0.len()), (None, 1));
        schedule.end(&told);
        assert!(schedule.0.is_empty());
    }

    #[test]
    fn one_begins_when_it_is_written_and_its_tries_are_known_while_something_is_not() {
        let (now, mut schedule) = (Instant::now(), Schedule::default());
        let unwritten = || vec![("000".to_owned(), false)];
        schedule.follow(now, unwritten());
        assert_eq!((schedule.take(now), schedule.next_wake()), (None, None));
        schedule.follow(now, ids(0..1));
        schedule.take(now).unwrap();
        schedule.fail(now, "000");
        schedule.follow(now, unwritten());
        schedule.follow(now, ids(0..1));
        assert_eq!(schedule.next_wake(), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn what_is_put_back_is_due_and_has_lost_no_try() {
        let (now, mut schedule) = (Instant::now(), Schedule::default());
        schedule.follow(now, ids(0..1));
        for _ in 0..2 * MAX_TRIES {
            assert_eq!(schedule.take(now).as_deref(), Some("000"));
            schedule.put_back(now, "000");
        }
        schedule.take(now).unwrap();
        assert_eq!(schedule.fail(now, "000"), Fate::Again);
    }

    #[test]
    fn calls_that_broke_down_are_made_again() {
        let (now, mut schedule) = (Instant::now(), Schedule::default());
        schedule.follow(now, ids(0..1));
        schedule.take(now).unwrap();
        schedule.forget_calls(now);
        assert_eq!(schedule.take(now + LONGEST_WAIT).as_deref(), Some("000"));
    }
}
