//! Why members left, for those who look at the room after that: of the last few. Knows members by their serial
//! numbers only.

use std::collections::VecDeque;
use std::sync::Arc;

use ferrite_protocol::DepartureCause;

/// Departures kept for those who look late. More than that at once is a network that is gone, which nobody misreads.
pub(crate) const MAX_DEPARTURES: usize = 256;

/// The last departures of a room, numbered from its beginning on. Views share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures {
    count: u64,
    latest: Arc<VecDeque<(u64, DepartureCause)>>,
}

impl Departures {
    /// A member left.
    pub(super) fn push(&mut self, serial: u64, cause: DepartureCause) {
        let latest = Arc::make_mut(&mut self.latest);
        if latest.len() == MAX_DEPARTURES {
            latest.pop_front();
        }
        latest.push_back((serial, cause));
        self.count += 1;
    }

    /// Those since somebody looked before, as far as they are kept.
    pub(super) fn since(&self, before: &Self) -> Since {
        let new = usize::try_from(self.count - before.count.min(self.count));
        let new = new.unwrap_or(MAX_DEPARTURES);
        let mut since: Vec<_> = self.latest.iter().rev().take(new).copied().collect();
        since.sort_unstable_by_key(|(serial, _)| *serial);
        Since(since)
    }
}

/// Departures by the serial number of who left.
pub(super) struct Since(Vec<(u64, DepartureCause)>);

impl Since {
    /// Why somebody left.
    pub(super) fn why(&self, serial: u64) -> Option<DepartureCause> {
        let at = self.0.binary_search_by_key(&serial, |(it, _)| *it).ok()?;
        self.0.get(at).map(|(_, cause)| *cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_since_the_last_look_one_knows_why_they_left() {
        let mut now = Departures::default();
        now.push(7, DepartureCause::Left);
        let known = now.clone();
        now.push(3, DepartureCause::Lost);
        now.push(2, DepartureCause::Kicked);
        let since = now.since(&known);
        assert_eq!(since.why(2), Some(DepartureCause::Kicked));
        assert_eq!(since.why(3), Some(DepartureCause::Lost));
        assert_eq!((since.why(7), since.why(1)), (None, None));
        assert_eq!(now.since(&now).why(2), None);
    }

    #[test]
    fn only_the_last_are_kept() {
        let mut now = Departures::default();
        let most = MAX_DEPARTURES as u64;
        (0..=most).for_each(|serial| now.push(serial, DepartureCause::Left));
        assert_eq!(now.latest.len(), MAX_DEPARTURES);
        let since = now.since(&Departures::default());
        assert_eq!(since.why(0), None);
        assert!(since.why(1).is_some() && since.why(most).is_some());
    }
}
