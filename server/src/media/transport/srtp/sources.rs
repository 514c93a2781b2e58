//! What is kept for each synchronization source of one peer. They are few: reading through their
//! numbers, which lie together, is faster than a hash table, and whoever chooses them can make it no
//! slower.
//!
//! Of what is sent nothing is forgotten, or indices would be used again. Of what is received so much is
//! kept at a time; of the sources longest unheard only the highest index, so that a peer may go on to
//! ever new ones, and no packet of an old one can be played again.

use rtc::shared::error::{Error, Result};

use super::window::{MAX_INDEX, Window};
use crate::prefetch::prefetch;

/// The front: more than most peers are sent at a time.
const NEAR: usize = 64;

/// States by SSRC, of so many at most.
#[derive(Debug)]
pub(super) struct Sources<T, const MAX: usize> {
    ssrcs: Vec<u32>,
    states: Vec<T>,
    /// The place that was taken last at the front.
    next: usize,
}

impl<T, const MAX: usize> Default for Sources<T, MAX> {
    fn default() -> Self {
        Self {
            ssrcs: Vec::new(),
            states: Vec::new(),
            next: 0,
        }
    }
}

impl<T: Default, const MAX: usize> Sources<T, MAX> {
    /// Has the first few fetched.
    pub(super) fn prefetch(&self) {
        self.ssrcs.first().inspect(|ssrc| prefetch(*ssrc));
        self.states.first().inspect(|state| prefetch(*state));
    }

    /// The state of a source, made where there is none.
    pub(super) fn get_or_add(&mut self, ssrc: u32) -> Result<&mut T> {
        let at = match self.ssrcs.iter().position(|known| *known == ssrc) {
            Some(at) if at < NEAR => at,
            // What is used comes to the front, past what no longer is: each time to another place there,
            // so that no two chase one another away.
            Some(at) => {
                self.next = (self.next + 1) % NEAR;
                self.ssrcs.swap(at, self.next);
                self.states.swap(at, self.next);
                self.next
            }
            None if self.ssrcs.len() < MAX => {
                self.ssrcs.push(ssrc);
                self.states.push(T::default());
                self.states.len() - 1
            }
            None => return Err(too_many()),
        };
        Ok(&mut self.states[at])
    }
}

fn too_many() -> Error {
    Error::Other("too many SSRCs".to_owned())
}

/// The sources received: so many at a time, and so many in the life of their key.
#[derive(Debug, Default)]
pub(super) struct Heard<const WORDS: usize, const MAX: usize, const MAX_IN_LIFE: usize> {
    ssrcs: Vec<u32>,
    windows: Vec<(u64, Window<WORDS>)>,
    /// Counts what was heard.
    turn: u64,
    /// The sources that made room for others, ascending, with the highest index of each.
    displaced: Vec<(u32, u64)>,
}

impl<const WORDS: usize, const MAX: usize, const MAX_IN_LIFE: usize>
    Heard<WORDS, MAX, MAX_IN_LIFE>
{
    /// Opens a packet whose index, which follows from the highest seen, was not seen yet. Only an
    /// authentic one leaves anything behind.
    pub(super) fn admit<R>(
        &mut self,
        ssrc: u32,
        index: impl FnOnce(Option<u64>) -> u64,
        open: impl FnOnce(u64) -> Result<R>,
    ) -> Result<R> {
        self.turn += 1;
        let known = self.ssrcs.iter().position(|known| *known == ssrc);
        let mut stranger = Window::default();
        let window = match known {
            Some(at) => &mut self.windows[at].1,
            None => {
                stranger = self.returning(ssrc)?;
                &mut stranger
            }
        };
        let index = index(window.highest());
        if index >= MAX_INDEX || !window.is_new(index) {
            return Err(Error::SrtpSsrcDuplicated(ssrc, index as u16));
        }
        let opened = open(index)?;
        window.note(index);
        match known {
            Some(at) => self.windows[at].0 = self.turn,
            None => self.add(ssrc, stranger),
        }
        Ok(opened)
    }

    /// What is known of a source that has no window: nothing, or what was before it made room.
    fn returning(&self, ssrc: u32) -> Result<Window<WORDS>> {
        match self
            .displaced
            .binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc)
        {
            Ok(at) => Ok(Window::after(self.displaced[at].1)),
            Err(_) if self.ssrcs.len() + self.displaced.len() < MAX_IN_LIFE => {
                Ok(Window::default())
            }
            Err(_) => Err(too_many()),
        }
    }

    fn add(&mut self, ssrc: u32, window: Window<WORDS>) {
        if let Ok(at) = self
            .displaced
            .binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc)
        {
            self.displaced.remove(at);
        }
        if self.ssrcs.len() == MAX {
            self.displace();
        }
        self.ssrcs.push(ssrc);
        // Most peers have two or three, and each takes some.
        self.windows.reserve_exact(1);
        self.windows.push((self.turn, window));
    }

    /// The source longest unheard makes room.
    fn displace(&mut self) {
        let turns = self.windows.iter().map(|(turn, _)| *turn).enumerate();
        let Some((oldest, _)) = turns.min_by_key(|(_, turn)| *turn) else {
            return;
        };
        let (ssrc, (_, window)) = (
            self.ssrcs.swap_remove(oldest),
            self.windows.swap_remove(oldest),
        );
        let displaced = &mut self.displaced;
        if let (Err(at), Some(highest)) = (
            displaced.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc),
            window.highest(),
        ) {
            displaced.insert(at, (ssrc, highest));
        }
    }

    /// A source's index is this.
    #[cfg(test)]
    pub(super) fn go_to(&mut self, ssrc: u32, index: u64) {
        self.ssrcs.push(ssrc);
        self.windows.push((self.turn, Window::after(index)));
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::srtp::window::index_of;

    type Few = Heard<1, 4, 10>;

    fn admits(heard: &mut Few, ssrc: u32, sequence: u16) -> bool {
        let index = |highest| index_of(highest, sequence);
        heard.admit(ssrc, index, |_| Ok(())).is_ok()
    }

    #[test]
    fn who_is_longest_unheard_makes_room_and_is_played_back_by_nobody() {
        let mut heard = Few::default();
        for ssrc in 1..=4 {
            assert!(admits(&mut heard, ssrc, 100));
        }
        assert!(admits(&mut heard, 1, 101), "heard again");
        assert!(admits(&mut heard, 5, 100), "in the place of 2");
        assert_eq!((heard.len(), heard.displaced.len()), (4, 1));
        assert!(
            !admits(&mut heard, 2, 100) && !admits(&mut heard, 2, 40),
            "a replay"
        );
        assert!(!admits(&mut heard, 1, 101), "a replay of one that stayed");
        assert!(admits(&mut heard, 2, 101), "it goes on where it was");
        assert_eq!((heard.len(), heard.displaced.len()), (4, 1));
        for ssrc in 6..=10 {
            assert!(admits(&mut heard, ssrc, 100));
        }
        assert!(!admits(&mut heard, 11, 100), "as many as a key may have");
        assert!(admits(&mut heard, 3, 101), "who was there may come back");
    }

    #[test]
    fn what_is_not_authentic_displaces_nobody() {
        let mut heard = Few::default();
        (1..=4).for_each(|ssrc| assert!(admits(&mut heard, ssrc, 1)));
        let refused = |_| Err::<(), _>(too_many());
        for ssrc in 20..40 {
            assert!(heard.admit(ssrc, |_| 7, refused).is_err());
        }
        assert_eq!(heard.ssrcs, [1, 2, 3, 4]);
        assert!(heard.displaced.is_empty());
    }

    #[test]
    fn what_is_sent_often_is_found_near_the_front() {
        let mut sources = Sources::<u64, 4096>::default();
        (0..4000).for_each(|ssrc| *sources.get_or_add(ssrc).unwrap() = ssrc.into());
        for _ in 0..20 {
            assert_eq!(*sources.get_or_add(3999).unwrap(), 3999);
            assert_eq!(*sources.get_or_add(3998).unwrap(), 3998);
        }
        let at = |ssrc| {
            sources
                .ssrcs
                .iter()
                .position(|known| *known == ssrc)
                .unwrap()
        };
        assert!(at(3999) < NEAR && at(3998) < NEAR);
    }
}
