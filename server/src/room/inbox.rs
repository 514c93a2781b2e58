//! What reliable messages wait for somebody in a room: a queue of each member's own, so that nobody waits
//! for anybody. Whoever lets too much of it come together is told, and has lost it in the end. Where its client says what
//! it received, messages stay until then, and can be taken once more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ferrite_protocol::replay::{Kept, NeverSent};
use tokio::sync::Notify;

use crate::media::net::budget::{Budget, Holding};

/// Messages that wait for one member, at most.
pub(crate) const MAX_WAITING: usize = 4096;

/// Their bytes, at most. With half of either a reader is slow, and told so.
pub(crate) const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// What was given to a channel and did not come yet, besides: a batch on its way to the peer, and what SCTP has that is
/// not acknowledged (`signalling::BATCH_BYTES`, `talking::MAX_RELIABLE_UNDER_WAY`).
const UNDER_WAY_BYTES: usize = 768 * 1024;

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

/// How long a message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is not: nobody takes what comes.
    Nothing,
    /// Until somebody takes it.
    Untaken,
    /// Until the client has it.
    Unreceived,
}

/// A member's queue.
#[derive(Debug)]
pub struct Inbox {
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug)]
struct Queue {
    keep: Keep,
    messages: Kept<Bytes>,
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
            keep: Keep::Nothing,
            messages: Kept::default(),
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

    /// How long what comes is kept from now on. What there is already goes where it would not have been kept.
    pub fn keep(&self, keep: Keep) {
        let mut queue = self.queue();
        match (std::mem::replace(&mut queue.keep, keep), keep) {
            // What comes from now on is lost, too, if anything does.
            (Keep::Unreceived, Keep::Nothing) => queue.lose(),
            (before, Keep::Nothing | Keep::Untaken) if before != keep => queue.clear(),
            (Keep::Nothing | Keep::Untaken | Keep::Unreceived, _) => {}
        }
    }

    /// The number of the last message that the client was given in another room: the next has that after it.
    pub fn go_on_after(&self, number: u64) {
        self.queue().messages = Kept::after(number);
    }

    /// The client has all up to this number.
    ///
    /// # Errors
    /// When it was not given them.
    pub fn settle(&self, number: u64) -> Result<(), NeverSent> {
        self.queue().settle(number)
    }

    /// All that the client does not have can be taken again: what comes after this number.
    pub fn begin(&self) -> u64 {
        let mut queue = self.queue();
        queue.messages.begin();
        let number = queue.messages.last_given();
        drop(queue);
        self.news.notify_one();
        number
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
        self.is_overrun || self.is_late || takes && self.messages.waiting() > 0
    }

    /// Returns whether somebody is to look.
    fn push(&mut self, message: &Bytes) -> bool {
        if self.keep == Keep::Nothing || self.is_overrun {
            return false;
        }
        let bytes = self.bytes + message.len();
        let most = match self.holding.is_scarce() {
            true => LEAST_WAITING_BYTES,
            false => MAX_WAITING_BYTES,
        };
        if self.is_past(bytes, most, MAX_WAITING) {
            self.lose();
            self.is_overrun = true;
            return true;
        }
        self.messages.push(message.clone());
        self.set_bytes(bytes);
        let is_much = self.is_past(bytes, MAX_WAITING_BYTES / 2, MAX_WAITING / 2 + 1);
        if is_much && !std::mem::replace(&mut self.was_late, true) {
            self.is_late = true;
        }
        true
    }

    /// Whether so many bytes, or the messages there are, are more than that. What is on its way to the client is besides.
    fn is_past(&self, bytes: usize, most: usize, messages: usize) -> bool {
        let under_way = match self.keep {
            Keep::Unreceived => UNDER_WAY_BYTES,
            Keep::Nothing | Keep::Untaken => 0,
        };
        bytes > most + under_way
            || self.messages.waiting() >= messages
            || self.messages.len() >= messages + MAX_WAITING
    }

    fn take(&mut self, most: usize) -> Result<Waiting, Overrun> {
        if self.is_overrun {
            return Err(Overrun);
        }
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while bytes < most
            && let Some(message) = self.messages.peek()
        {
            bytes += message.len();
            messages.push(message.clone());
            self.messages.was_given();
        }
        if self.keep == Keep::Untaken {
            // It is lost where it goes from here.
            let given = self.messages.last_given();
            let _ = self.settle(given);
        }
        let is_late = std::mem::take(&mut self.is_late);
        Ok(Waiting { messages, is_late })
    }

    fn settle(&mut self, number: u64) -> Result<(), NeverSent> {
        let mut bytes = self.bytes;
        while let Some(message) = self.messages.settle(number)? {
            bytes -= message.len();
        }
        self.set_bytes(bytes);
        // Half of what makes it slow: else who reads as fast as others send would be told all the time.
        self.was_late &= self.is_past(bytes, MAX_WAITING_BYTES / 4, MAX_WAITING / 4 + 1);
        Ok(())
    }

    /// Nothing is kept any more, of what comes meanwhile either. The numbers of what is lost by that are not those of what
    /// comes next, and there is one at least.
    fn lose(&mut self) {
        if !self.is_overrun {
            self.messages.push(Bytes::new());
        }
        while self.messages.peek().is_some() {
            self.messages.was_given();
        }
        self.clear();
    }

    fn clear(&mut self) {
        while self.messages.forget().is_some() {}
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
        inbox.keep(Keep::Untaken);
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
        inbox.keep(Keep::Nothing);
        assert!(!inbox.queue().is_ready(true));
        inbox.keep(Keep::Untaken);
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
        inbox.keep(Keep::Nothing);
        push(&inbox, 1);
        inbox.keep(Keep::Untaken);
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

    fn lengths(inbox: &Inbox) -> Vec<usize> {
        let waiting = inbox.take(usize::MAX).unwrap();
        waiting.messages.iter().map(Bytes::len).collect()
    }

    #[test]
    fn what_the_client_has_not_received_is_taken_again_on_another_channel() {
        let inbox = inbox(usize::MAX);
        inbox.keep(Keep::Unreceived);
        inbox.go_on_after(7);
        (1..=5).for_each(|bytes| push(&inbox, bytes));
        assert_eq!(lengths(&inbox), [1, 2, 3, 4, 5]);
        assert_eq!((lengths(&inbox), inbox.queue().bytes), (vec![], 15));
        inbox.settle(9).unwrap();
        assert_eq!(inbox.queue().bytes, 12);
        assert_eq!(inbox.settle(13), Err(NeverSent(13, 12)));
        push(&inbox, 6);
        assert_eq!(inbox.begin(), 9);
        assert_eq!(lengths(&inbox), [3, 4, 5, 6]);
        inbox.settle(13).unwrap();
        assert_eq!((inbox.begin(), inbox.queue().bytes), (13, 0));
    }

    #[test]
    fn as_much_again_may_be_under_way_and_numbers_of_what_is_lost_are_not_used_again() {
        let inbox = inbox(usize::MAX);
        inbox.keep(Keep::Unreceived);
        let mut told = 0;
        for _ in 0..2 * MAX_WAITING {
            push(&inbox, 1);
            told += usize::from(inbox.take(1).unwrap().is_late);
        }
        assert_eq!(told, 1);
        push(&inbox, 1);
        assert_eq!(inbox.take(0), Err(Overrun));
        inbox.keep(Keep::Nothing);
        inbox.keep(Keep::Unreceived);
        assert_eq!(inbox.begin(), 2 * MAX_WAITING as u64 + 1);
        assert_eq!(lengths(&inbox), [0; 0]);
        push(&inbox, MAX_WAITING_BYTES + UNDER_WAY_BYTES);
        assert!(inbox.take(0).is_ok());
        push(&inbox, 1);
        assert_eq!(inbox.take(0), Err(Overrun));
    }

    #[test]
    fn that_nothing_was_kept_for_a_while_shows_in_the_numbers() {
        for waiting in [0, 2] {
            let inbox = inbox(usize::MAX);
            inbox.keep(Keep::Unreceived);
            push(&inbox, 1);
            assert_eq!(lengths(&inbox), [1]);
            inbox.settle(1).unwrap();
            (0..waiting).for_each(|_| push(&inbox, 1));
            inbox.keep(Keep::Nothing);
            push(&inbox, 1);
            inbox.keep(Keep::Unreceived);
            assert_eq!(inbox.begin(), 1 + waiting + 1);
            assert_eq!(inbox.settle(1), Ok(()));
        }
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
