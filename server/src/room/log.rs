//! What was said in a room: as much of it as is kept for those who read slowly, were away, or come late.
//! Everybody reads the one log at a pace of their own, so that nobody waits for anybody.

use std::collections::VecDeque;
use std::sync::Arc;

use ferrite_protocol::{CHAT, ParticipantId, RoomMessage};

/// Messages kept for those who are slow or away, at most.
pub(crate) const MAX_MESSAGES: usize = 1000;

/// Their texts' bytes, at most.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// Messages of the chat that a late joiner is told, at most.
pub(crate) const MAX_CHAT: usize = 200;

/// Their texts' bytes, at most.
pub(crate) const MAX_CHAT_BYTES: usize = 256 * 1024;

/// Some of what is asked for is not kept any more: all up to this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten(pub u64);

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Log {
    recent: Kept,
    chat: Kept,
    /// The number of the latest message that is not kept.
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Arc<RoomMessage>>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, message: Arc<RoomMessage>) {
        self.bytes += message.text.len();
        self.messages.push_back(message);
    }

    /// Lets go of the oldest while there is too much. Returns the number of the last that went.
    fn trim(&mut self, messages: usize, bytes: usize) -> Option<u64> {
        let mut gone = None;
        while (self.messages.len() > messages || self.bytes > bytes)
            && let Some(oldest) = self.messages.pop_front()
        {
            self.bytes -= oldest.text.len();
            gone = Some(oldest.number);
        }
        gone
    }
}

impl Log {
    /// Keeps a message.
    pub(super) fn push(&mut self, message: Arc<RoomMessage>) {
        if message.topic == CHAT && message.to.is_none() {
            self.chat.push(Arc::clone(&message));
            self.chat.trim(MAX_CHAT, MAX_CHAT_BYTES);
        }
        self.recent.push(message);
        if let Some(number) = self.recent.trim(MAX_MESSAGES, MAX_BYTES) {
            self.forgotten = number;
        }
    }

    /// What late joiners are told.
    pub(super) fn chat(&self) -> Vec<RoomMessage> {
        let messages = self.chat.messages.iter();
        messages
            .map(|message| RoomMessage::clone(message))
            .collect()
    }

    /// What was said to somebody after a number, or by them.
    pub(super) fn after(
        &self,
        number: u64,
        reader: &ParticipantId,
    ) -> Result<Vec<Arc<RoomMessage>>, Forgotten> {
        if number < self.forgotten {
            return Err(Forgotten(self.forgotten));
        }
        let messages = self.recent.messages.iter().rev();
        let new = messages.take_while(|message| message.number > number);
        let theirs = new.filter(|message| is_for(message, reader));
        let mut theirs: Vec<_> = theirs.cloned().collect();
        theirs.reverse();
        Ok(theirs)
    }
}

fn is_for(message: &RoomMessage, reader: &ParticipantId) -> bool {
    let to = message.to.as_ref();
    to.is_none_or(|to| to.contains(reader)) || message.from == *reader
}

/// What somebody says.
#[derive(Clone, Debug)]
pub struct Said {
    /// To whom, where it is not to all.
    pub to: Option<Vec<ParticipantId>>,
    /// What it is about.
    pub topic: String,
    /// What is said.
    pub text: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, to: Option<&str>, text: &str) -> Arc<RoomMessage> {
        Arc::new(RoomMessage {
            number,
            from: "ada".into(),
            name: None,
            to: to.map(|to| vec![to.into()]),
            topic: CHAT.to_owned(),
            at: 0,
            text: text.to_owned(),
        })
    }

    fn read(log: &Log, number: u64, reader: &str) -> Result<Vec<u64>, Forgotten> {
        let read = log.after(number, &reader.into())?;
        Ok(read.iter().map(|message| message.number).collect())
    }

    #[test]
    fn everybody_reads_what_is_theirs_once_and_in_order() {
        let mut log = Log::default();
        log.push(message(3, None, "a"));
        log.push(message(5, Some("bob"), "b"));
        log.push(message(9, None, "c"));
        assert_eq!(read(&log, 0, "bob"), Ok(vec![3, 5, 9]));
        assert_eq!(read(&log, 3, "eve"), Ok(vec![9]));
        assert_eq!(read(&log, 3, "ada"), Ok(vec![5, 9]));
        assert_eq!(read(&log, 9, "bob"), Ok(vec![]));
        let chat: Vec<_> = log.chat().iter().map(|said| said.number).collect();
        assert_eq!(chat, [3, 9], "a late joiner was told what was for another");
    }

    #[test]
    fn who_is_too_slow_learns_that_something_is_missing_and_the_log_does_not_grow() {
        let mut log = Log::default();
        let last = MAX_MESSAGES as u64 + 10;
        (1..=last).for_each(|number| log.push(message(number, None, "x")));
        assert_eq!(read(&log, 9, "bob"), Err(Forgotten(10)));
        assert_eq!(
            read(&log, 10, "bob").map(|read| read.len()),
            Ok(MAX_MESSAGES)
        );
        assert_eq!(log.chat().len(), MAX_CHAT);
        let long = "x".repeat(16 * 1024);
        (last..last + 500).for_each(|number| log.push(message(number + 1, None, &long)));
        assert!(log.recent.bytes <= MAX_BYTES && log.chat.bytes <= MAX_CHAT_BYTES);
        assert_eq!(log.recent.messages.len(), MAX_BYTES / long.len());
    }
}
