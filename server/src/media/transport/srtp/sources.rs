//! What is kept for each synchronization source of one peer. They are few: reading through their
//! numbers, which lie together, is faster than a hash table.

use rtc::shared::error::{Error, Result};

use super::window::{MAX_INDEX, Window};

/// States by SSRC, of so many at most.
#[derive(Debug)]
pub(super) struct Sources<T, const MAX: usize> {
    ssrcs: Vec<u32>,
    states: Vec<T>,
}

impl<T, const MAX: usize> Default for Sources<T, MAX> {
    fn default() -> Self {
        Self {
            ssrcs: Vec::new(),
            states: Vec::new(),
        }
    }
}

impl<T: Default, const MAX: usize> Sources<T, MAX> {
    /// The state of a source, made where there is none.
    pub(super) fn get_or_add(&mut self, ssrc: u32) -> Result<&mut T> {
        let at = match self.position(ssrc) {
            Some(at) => at,
            None => {
                self.check_room()?;
                self.add(ssrc, T::default())
            }
        };
        Ok(&mut self.states[at])
    }

    fn position(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs.iter().position(|known| *known == ssrc)
    }

    fn check_room(&self) -> Result<()> {
        match self.ssrcs.len() < MAX {
            true => Ok(()),
            false => Err(Error::Other("too many SSRCs".to_owned())),
        }
    }

    fn add(&mut self, ssrc: u32, state: T) -> usize {
        self.ssrcs.push(ssrc);
        self.states.push(state);
        self.states.len() - 1
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }
}

impl<const WORDS: usize, const MAX: usize> Sources<Window<WORDS>, MAX> {
    /// Opens a packet whose index, which follows from the highest seen, was not seen yet. Only an
    /// authentic one leaves anything behind.
    pub(super) fn admit<R>(
        &mut self,
        ssrc: u32,
        index: impl FnOnce(Option<u64>) -> u64,
        open: impl FnOnce(u64) -> Result<R>,
    ) -> Result<R> {
        let known = self.position(ssrc);
        let mut stranger = Window::default();
        let window = match known {
            Some(at) => &mut self.states[at],
            None => {
                self.check_room()?;
                &mut stranger
            }
        };
        let index = index(window.highest());
        if index >= MAX_INDEX || !window.is_new(index) {
            return Err(Error::SrtpSsrcDuplicated(ssrc, index as u16));
        }
        let opened = open(index)?;
        window.note(index);
        if known.is_none() {
            self.add(ssrc, stranger);
        }
        Ok(opened)
    }
}
