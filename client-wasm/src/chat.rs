//! Lines said over the data channel and what came of them: each is matched with its echo and timed.
//! Knows neither the channel nor the page. Times come in as arguments.

use std::collections::VecDeque;

/// Lines without an echo, after which no more are taken.
const WAITING: usize = 100;

/// A line's number on the page.
pub(crate) type Line = u32;

/// What something heard turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// The echo of a line, and how long it took in milliseconds.
    Echo(Line, f64),
    /// Something nobody here said.
    Other,
}

#[derive(Debug)]
struct Waiting {
    line: Line,
    text: String,
    since: f64,
}

/// The conversation.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    waiting: VecDeque<Waiting>,
    next: Line,
}

impl Chat {
    /// A line is about to be said. Nothing when too many wait for their echo.
    pub(crate) fn say(&mut self, text: &str, now: f64) -> Option<Line> {
        if self.waiting.len() >= WAITING {
            return None;
        }
        let line = self.next;
        self.next = self.next.wrapping_add(1);
        self.waiting.push_back(Waiting {
            line,
            text: text.to_owned(),
            since: now,
        });
        Some(line)
    }

    /// Something came. The channel is ordered, so an echo is the oldest line of that text.
    pub(crate) fn hear(&mut self, text: &str, now: f64) -> Heard {
        let found = self.waiting.iter().position(|it| it.text == text);
        match found.and_then(|index| self.waiting.remove(index)) {
            Some(it) => Heard::Echo(it.line, now - it.since),
            None => Heard::Other,
        }
    }

    /// The channel is gone, and with it the echoes of these lines.
    pub(crate) fn cut(&mut self) -> Vec<Line> {
        self.waiting.drain(..).map(|it| it.line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_each_line_by_its_own_echo() {
        let mut chat = Chat::default();
        let first = chat.say("hello", 100.0).unwrap();
        let second = chat.say("hello", 104.0).unwrap();
        assert_eq!(chat.hear("hello", 110.0), Heard::Echo(first, 10.0));
        assert_eq!(chat.hear("hello", 111.0), Heard::Echo(second, 7.0));
        assert_eq!(chat.hear("hello", 112.0), Heard::Other);
    }

    #[test]
    fn what_nobody_said_is_no_echo() {
        let mut chat = Chat::default();
        chat.say("hello", 0.0);
        assert_eq!(chat.hear("hullo", 1.0), Heard::Other);
    }

    #[test]
    fn a_cut_loses_what_waits_and_only_that() {
        let mut chat = Chat::default();
        let first = chat.say("a", 0.0).unwrap();
        let second = chat.say("b", 0.0).unwrap();
        chat.hear("a", 1.0);
        assert_eq!(chat.cut(), [second]);
        assert_ne!(first, second);
        assert_eq!(chat.hear("b", 2.0), Heard::Other);
    }

    #[test]
    fn takes_no_more_than_it_can_hold() {
        let mut chat = Chat::default();
        assert!((0..WAITING).all(|_| chat.say("x", 0.0).is_some()));
        assert_eq!(chat.say("x", 0.0), None);
    }
}
