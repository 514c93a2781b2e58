//! Messages that outlive the channel they were sent on: one end keeps what it sent until the other has it, and gives
//! what is missing to the next channel; the other counts what came, and leaves out what it has already. Owns the
//! numbers, which the messages themselves do not carry: a channel keeps their order, so [`Count::Next`] and counting
//! give each its number. Knows neither channels nor when to let go of what nobody fetches.

use std::collections::VecDeque;

use thiserror::Error;

pub use crate::data::Count;

/// After so many messages an end says how many came.
pub const COUNTED_MESSAGES: u32 = 32;

/// After so many bytes, too.
pub const COUNTED_BYTES: usize = 16 * 1024;

/// Messages of one end, by numbers that go on from one channel to the next.
#[derive(Clone, Debug)]
pub struct Kept<M> {
    /// The number of the last that the other end has, or that is kept no more.
    settled: u64,
    /// Those after it.
    messages: VecDeque<M>,
    /// How many of those were given to the channel.
    given: usize,
    /// The number of the last that was given to any channel. Those after it have no numbers yet.
    numbered: u64,
}

/// The other end says that it has what was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the other end has {0} messages, and only {1} were sent")]
pub struct NeverSent(pub u64, pub u64);

impl<M> Default for Kept<M> {
    fn default() -> Self {
        Self::after(0)
    }
}

impl<M> Kept<M> {
    /// None yet, and the first is that after this number.
    #[must_use]
    pub fn after(number: u64) -> Self {
        Self {
            settled: number,
            messages: VecDeque::new(),
            given: 0,
            numbered: number,
        }
    }

    /// Keeps one more.
    pub fn push(&mut self, message: M) {
        self.messages.push_back(message);
    }

    /// All that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many of them were not given to the channel.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.len() - self.given
    }

    /// The number of the last that was given to this channel.
    #[must_use]
    pub fn last_given(&self) -> u64 {
        self.settled + self.given as u64
    }

    /// The next to give to the channel; [`Kept::was_given`] has it be given.
    pub fn peek(&mut self) -> Option<&mut M> {
        self.messages.get_mut(self.given)
    }

    /// The next has a number from now on.
    pub fn was_given(&mut self) {
        self.given += usize::from(self.given < self.messages.len());
        self.numbered = self.numbered.max(self.last_given());
    }

    /// The other end has all up to this number: they are let go. Returns the next of them; there are no more when it
    /// returns nothing. Where that is more than was given to this channel, [`Kept::begin`] says what comes next on it.
    ///
    /// # Errors
    /// When it cannot have them.
    pub fn settle(&mut self, number: u64) -> Result<Option<M>, NeverSent> {
        if number > self.numbered {
            return Err(NeverSent(number, self.numbered));
        }
        if number <= self.settled {
            return Ok(None);
        }
        self.settled += 1;
        self.given = self.given.saturating_sub(1);
        Ok(self.messages.pop_front())
    }

    /// There is another channel: what is kept is given anew, after this is said.
    pub fn begin(&mut self) -> Count {
        self.given = 0;
        Count::Next(self.settled + 1)
    }

    /// Nothing of this is wanted any more. What was given has had its number, on whichever channel: on the one that there
    /// is, [`Kept::begin`] says what comes next. Returns the next of them, as [`Kept::settle`] does.
    pub fn forget(&mut self) -> Option<M> {
        self.settled = self.numbered;
        self.given = 0;
        self.messages.pop_front()
    }
}

/// What came of the other end's messages, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Came {
    /// The number of the last.
    last: u64,
    /// The number of the next on this channel, once that was said.
    next: Option<u64>,
    /// What came since the other end was told.
    untold: (u32, usize),
}

/// A message came before its number was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a message came before the number of the first was said")]
pub struct Unnumbered;

impl Came {
    /// There is another channel; this is to be said on it first.
    pub fn begin(&mut self) -> Count {
        self.next = None;
        self.count()
    }

    fn count(&mut self) -> Count {
        self.untold = (0, 0);
        Count::Received(self.last)
    }

    /// Whether messages before that number are kept no more and did not come.
    #[must_use]
    pub fn misses(&self, next: u64) -> bool {
        next > self.last.saturating_add(1)
    }

    /// The other end says which number the next has.
    pub fn expect(&mut self, next: u64) {
        self.next = Some(next);
    }

    /// Whether that was said.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.next.is_some()
    }

    /// A message of so many bytes came. Returns whether it did for the first time.
    ///
    /// # Errors
    /// When it has no number.
    pub fn take(&mut self, bytes: usize) -> Result<bool, Unnumbered> {
        let number = self.next.ok_or(Unnumbered)?;
        self.next = Some(number.saturating_add(1));
        if number <= self.last {
            return Ok(false);
        }
        self.last = number;
        self.untold.0 += 1;
        self.untold.1 += bytes;
        Ok(true)
    }

    /// What the other end is to be told by now, so that it lets go of what came.
    pub fn due(&mut self) -> Option<Count> {
        let (messages, bytes) = self.untold;
        let is_due = messages >= COUNTED_MESSAGES || bytes >= COUNTED_BYTES;
        is_due.then(|| self.count())
    }
}
