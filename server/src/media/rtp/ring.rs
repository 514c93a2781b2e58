//! Things by sequence number, of a window that moves along: found in one step, whatever is asked for.
//! Knows nothing of what they are.

use std::collections::VecDeque;

use crate::media::rtp::header::sequence_diff;
use crate::media::rtp::work;
use crate::prefetch::prefetch;

/// The things whose numbers lie within `max` of the newest.
#[derive(Debug)]
pub struct SequenceRing<T> {
    /// From `first` on, one for each number.
    slots: VecDeque<Option<T>>,
    first: u16,
    max: u16,
}

impl<T> SequenceRing<T> {
    /// Without anything yet; the window will be no wider than `max`.
    pub fn new(max: u16) -> Self {
        Self {
            slots: VecDeque::new(),
            first: 0,
            max,
        }
    }

    /// Puts something at a number. What falls behind the window goes; so does something that would
    /// lie there.
    pub fn insert(&mut self, number: u16, thing: T) {
        let end = self.first.wrapping_add(self.slots.len() as u16);
        let behind_first = sequence_diff(self.first, number);
        let ahead = sequence_diff(number, end);
        if self.slots.is_empty() || ahead >= self.max as i16 {
            self.slots.clear();
            self.first = number;
            self.slots.push_back(Some(thing));
        } else if ahead >= 0 {
            self.make_room(usize::from(ahead.unsigned_abs()) + 1);
            self.slots.extend((0..ahead).map(|_| None));
            self.slots.push_back(Some(thing));
            while self.slots.len() > usize::from(self.max) {
                self.pop();
            }
        } else if behind_first <= 0 {
            self.slots[usize::from(behind_first.unsigned_abs())] = Some(thing);
        } else if usize::from(behind_first.unsigned_abs()) + self.slots.len() <= self.max.into() {
            (1..behind_first).for_each(|_| self.slots.push_front(None));
            self.slots.push_front(Some(thing));
            self.first = number;
        }
    }

    /// Has room for so many more: by itself a queue doubles, and there are many, of which each is mostly as wide as it was.
    fn make_room(&mut self, more: usize) {
        let len = self.slots.len();
        if self.slots.capacity() - len < more {
            self.slots.reserve_exact(more.max(len / 4));
        }
    }

    /// What is at a number.
    pub fn get(&self, number: u16) -> Option<&T> {
        work::count(1);
        let at = number.wrapping_sub(self.first);
        self.slots.get(usize::from(at))?.as_ref()
    }

    /// What is at a number.
    pub fn get_mut(&mut self, number: u16) -> Option<&mut T> {
        work::count(1);
        let at = number.wrapping_sub(self.first);
        self.slots.get_mut(usize::from(at))?.as_mut()
    }

    /// What is at the numbers that follow one within the window, in their order.
    pub fn after(&self, number: u16) -> impl Iterator<Item = &T> {
        let next = usize::from(number.wrapping_sub(self.first)) + 1;
        let following = self.slots.range(next.min(self.slots.len())..);
        following.flatten().inspect(|_| work::count(1))
    }

    /// Has both ends fetched.
    pub fn prefetch(&self) {
        self.slots.front().inspect(|oldest| prefetch(*oldest));
        self.slots.back().inspect(|newest| prefetch(*newest));
    }

    /// Drops the oldest as long as they are to go, and gives back memory that many of them took.
    pub fn drop_while(&mut self, goes: impl Fn(&T) -> bool) {
        while let Some(oldest) = self.slots.front()
            && oldest.as_ref().is_none_or(&goes)
        {
            self.pop();
        }
        if self.slots.capacity() > 16 && self.slots.len() * 4 < self.slots.capacity() {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    fn pop(&mut self) {
        self.slots.pop_front();
        self.first = self.first.wrapping_add(1);
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.slots = VecDeque::new();
    }

    /// How many numbers the window spans.
    #[cfg(test)]
    fn width(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn the_oldest_go_first_and_memory_comes_back() {
        let mut ring = SequenceRing::new(512);
        (0..400).for_each(|n: u16| ring.insert(n.wrapping_sub(200), n));
        assert_eq!(ring.get(65_535), Some(&199));
        ring.drop_while(|n| *n < 390);
        assert_eq!((ring.width(), ring.get(188)), (10, None));
        assert!(ring.slots.capacity() < 64, "{}", ring.slots.capacity());
        assert_eq!(ring.get(199), Some(&399));
    }

    #[test]
    fn a_steady_window_takes_little_more_than_it_holds() {
        for width in [5, 30, 70, 300] {
            let mut ring = SequenceRing::new(512);
            for n in 0..2000 {
                ring.insert(n, n);
                ring.drop_while(|kept| kept + width <= n);
            }
            let (width, capacity) = (usize::from(width), ring.slots.capacity());
            assert!(capacity <= width + width / 4 + 4, "{capacity} for {width}");
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_table_would(
            first in any::<u16>(),
            steps in proptest::collection::vec(-40..60_i32, 1..300),
        ) {
            let (mut ring, mut table) = (SequenceRing::new(32), HashMap::new());
            let (mut at, mut newest) = (0_i32, i32::MIN);
            for step in steps {
                at += step;
                newest = newest.max(at);
                let number = first.wrapping_add(at as u16);
                ring.insert(number, at);
                table.insert(number, at);
                table.retain(|_, at| newest - *at < 32);
                prop_assert!(ring.width() <= 32);
                if ring.get(number).is_some() {
                    let following = (1..32).filter_map(|step| ring.get(number.wrapping_add(step)));
                    prop_assert!(ring.after(number).eq(following));
                }
                for (number, at) in &table {
                    let found = ring.get(*number);
                    prop_assert!(found == Some(at) || found.is_none());
                }
                if newest == at {
                    prop_assert_eq!(ring.get(number), Some(&at));
                }
            }
        }
    }
}
