//! What reliable messages wait for somebody in a room: a queue of each member's own, so that nobody waits
//! for anybody. Whoever lets too much of it come together is told, and has lost it in the end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::media::net::budget::{Budget, Holding};

/// Messages that wait for one member, at most.
pub(crate) const MAX_WAITING: usize = 4096;

/// Their bytes, at most. With half of either a reader is slow, and told so.
pub(crate) const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Their bytes, where those of all members are more than the budget.
pub(crate) const LEAST_WAITING_BYTES: usize = 256 * 1024;

/// Bytes that wait for all members of all rooms before each may have no more than that.
pub(crate) const WAITING_BUDGET: usize = 256 * 1024 * 1024;

/// More came than is kept for who reads so slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// What was waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages, the oldest first.
    pub messages: Vec<Bytes>,
    /// Its reader has become slow, and has not been told since.
    pub is_late: bool,
}

/// A member's queue.
#[derive(Debug)]
pub struct Inbox {
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug)]
struct Queue {
    /// Somebody takes what comes. Else it is not kept.
    is_open: bool,
    messages: VecDeque<Bytes>,
    bytes: usize,
    holding: Holding,
    /// It was slow since it last had read everything.
    was_late: bool,
    /// It is to be told so.
    is_late: bool,
    is_overrun: bool,
}

impl Inbox {
    /// A queue in which nothing is kept yet. What is counts in `budget`.
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        let queue = Queue {
            is_open: false,
            messages: VecDeque::new(),
            bytes: 0,
            holding: Holding::new(budget),
            was_late: false,
            is_late: false,
            is_overrun: false,
        };
        Self {
            queue: Mutex::new(queue),
            news: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody takes what comes from now on, or nobody does.
    pub fn set_open(&self, is_open: bool) {
        let mut queue = self.queue();
        queue.is_open = is_open;
        if !is_open {
            queue.clear();
        }
    }

    /// Leaves a message.
    pub(super) fn push(&self, message: &Bytes) {
        if self.queue().push(message) {
            self.news.notify_one();
        }
    }

    /// Waits until there is something to take, or to be told. Messages count where they are taken now. One
    /// waits at a time.
    pub async fn ready(&self, takes: bool) {
        while !self.queue().is_ready(takes) {
            self.news.notified().await;
        }
    }

    /// Takes messages out, of so many bytes, and one at least; or none.
    ///
    /// # Errors
    /// When more came than is kept.
    pub fn take(&self, bytes: usize) -> Result<Waiting, Overrun> {
        self.queue().take(bytes)
    }
}

impl Queue {
    fn is_ready(&self, takes: bool) -> bool {
        self.is_overrun || self.is_late || takes && !self.messages.is_empty()
    }

    /// Returns whether somebody is to look.
    fn push(&mut self, message: &Bytes) -> bool {
        if !self.is_open || self.is_overrun {
            return false;
        }
        let bytes = self.bytes + message.len();
        let most = match self.holding.is_scarce() {
            true => LEAST_WAITING_BYTES,
            false => MAX_WAITING_BYTES,
        };
        if bytes > most || self.messages.len() >= MAX_WAITING {
            self.clear();
            self.is_overrun = true;
            return true;
        }
        self.messages.push_back(message.clone());
        self.set_bytes(bytes);
        let is_much = bytes > MAX_WAITING_BYTES / 2 || self.messages.len() > MAX_WAITING / 2;
        if is_much && !std::mem::replace(&mut self.was_late, true) {
            self.is_late = true;
        }
        true
    }

    fn take(&mut self, most: usize) -> Result<Waiting, Overrun> {
        if self.is_overrun {
            return Err(Overrun);
        }
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while bytes < most
            && let Some(message) = self.messages.pop_front()
        {
            bytes += message.len();
            messages.push(message);
        }
        self.set_bytes(self.bytes - bytes);
        self.was_late &= !self.messages.is_empty();
        let is_late = std::mem::take(&mut self.is_late);
        Ok(Waiting { messages, is_late })
    }

    fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.set_bytes(0);
        (self.was_late, self.is_late, self.is_overrun) = (false, false, false);
    }

    fn set_bytes(&mut self, bytes: usize) {
        self.bytes = bytes;
        self.holding.set(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(budget: usize) -> Inbox {
        let inbox = Inbox::new(&Budget::new(budget));
        inbox.set_open(true);
        inbox
    }

    fn push(inbox: &Inbox, bytes: usize) {
        inbox.push(&Bytes::from(vec![7; bytes]));
    }

    #[test]
    fn with_nobody_to_take_anything_there_is_nothing_to_look_at() {
        let inbox = inbox(usize::MAX);
        push(&inbox, MAX_WAITING_BYTES + 1);
        assert!(inbox.queue().is_ready(false) && inbox.take(1).is_err());
        inbox.set_open(false);
        assert!(!inbox.queue().is_ready(true));
        inbox.set_open(true);
        push(&inbox, 1);
        assert_eq!(inbox.take(1).unwrap().messages.len(), 1);
    }

    #[test]
    fn what_comes_is_taken_once_and_in_order() {
        let inbox = inbox(usize::MAX);
        (1..=5).for_each(|bytes| push(&inbox, bytes));
        let lengths = |most| {
            let waiting = inbox.take(most).unwrap();
            waiting.messages.iter().map(Bytes::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(3), [1, 2]);
        assert_eq!(lengths(1), [3]);
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(100), [4, 5]);
        inbox.set_open(false);
        push(&inbox, 1);
        inbox.set_open(true);
        assert_eq!(lengths(100), [0; 0], "nobody took what came");
    }

    #[test]
    fn a_slow_reader_is_told_once_and_loses_everything_in_the_end() {
        let inbox = inbox(usize::MAX);
        let mut told = 0;
        let count = MAX_WAITING_BYTES / 1024;
        for _ in 0..count {
            push(&inbox, 1024);
            told += usize::from(inbox.take(0).unwrap().is_late);
        }
        assert_eq!(told, 1);
        push(&inbox, 1);
        assert_eq!(inbox.take(0), Err(Overrun));
        assert_eq!(inbox.queue().bytes, 0);
        push(&inbox, 1);
        assert_eq!(inbox.queue().bytes, 0, "it has lost what comes now, too");
    }

    #[test]
    fn who_has_caught_up_and_is_slow_again_is_told_again() {
        let inbox = inbox(usize::MAX);
        for _ in 0..2 {
            push(&inbox, MAX_WAITING_BYTES / 2 + 1);
            assert!(inbox.take(0).unwrap().is_late);
            let waiting = inbox.take(usize::MAX).unwrap();
            assert_eq!((waiting.messages.len(), waiting.is_late), (1, false));
        }
    }

    #[test]
    fn small_messages_count_as_well_and_where_memory_is_scarce_less_is_kept() {
        let many = inbox(usize::MAX);
        (0..MAX_WAITING).for_each(|_| push(&many, 1));
        assert!(many.take(0).is_ok());
        push(&many, 1);
        assert_eq!(many.take(0), Err(Overrun));
        let scarce = inbox(0);
        push(&scarce, LEAST_WAITING_BYTES);
        assert!(scarce.take(0).is_ok());
        push(&scarce, 1);
        assert_eq!(scarce.take(0), Err(Overrun));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_what_comes() {
        let inbox = Arc::new(inbox(usize::MAX));
        let waiting = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.ready(true).await }
        });
        tokio::task::yield_now().await;
        push(&inbox, 1);
        waiting.await.unwrap();
        // Where nothing is taken, only what has to be said counts.
        let waiting = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.ready(false).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        push(&inbox, MAX_WAITING_BYTES / 2);
        waiting.await.unwrap();
    }
}
