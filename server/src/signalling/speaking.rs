//! What a client was told of who speaks in its room, and when it may be told anew. No IO.

use std::time::{Duration, Instant};

use ferrite_protocol::ServerMessage;

use crate::room::Speaking;

/// The least time between two such messages.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);

/// What a client knows of who speaks.
#[derive(Debug, Default)]
pub(super) struct Told {
    speaking: Speaking,
    next: Option<Instant>,
    /// What it does not know waits.
    is_late: bool,
}

impl Told {
    /// The client begins anew, in a room where nobody speaks as far as it knows.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Who speaks now. Says so where that is news, and the last news old enough.
    pub(super) fn news(&mut self, now: Instant, speaking: Speaking) -> Option<ServerMessage> {
        let is_news = self.speaking != speaking;
        self.is_late = is_news && self.next.is_some_and(|at| now < at);
        if !is_news || self.is_late {
            return None;
        }
        self.next = Some(now + INTERVAL);
        self.speaking.clone_from(&speaking);
        let Speaking {
            active,
            participants,
        } = speaking;
        Some(ServerMessage::Speaking {
            active,
            participants,
        })
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| self.is_late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_five_times_a_second_at_most_and_the_last_word_always() {
        let (mut told, start) = (Told::default(), Instant::now());
        let speaking = |who: u32| Speaking {
            active: None,
            participants: vec![format!("p{who}").as_str().into()],
        };
        let mut count = 0;
        for at in 0..1000 {
            let now = start + Duration::from_millis(at.into());
            count += usize::from(told.news(now, speaking(at)).is_some());
        }
        assert_eq!(count, 5);
        let due = told.due().expect("the last is not told");
        assert!(told.news(due, speaking(999)).is_some());
        assert_eq!(told.due(), None);
        assert_eq!(told.news(due + INTERVAL, speaking(999)), None);
    }
}
