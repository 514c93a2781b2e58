//! How often a peer may move to another shard. Pure.

use std::time::{Duration, Instant};

/// Moves that a peer may make one after the other. It makes one as its call begins, and one whenever it
/// gets another address.
pub const MOVES_AT_ONCE: u32 = 4;

/// What each of them takes to be made up for. Until then a peer stays where it is, and its datagrams
/// are handed over; a check comes every few seconds (RFC 7675 §5.1), and it moves with the next.
pub const MOVE_EVERY: Duration = Duration::from_secs(2);

/// The moves of a peer.
#[derive(Debug, Default)]
pub struct Moves {
    count: u64,
    /// When all of [`MOVES_AT_ONCE`] will be there again.
    full_at: Option<Instant>,
}

impl Moves {
    /// Whether the peer may move now.
    pub fn may_move(&self, now: Instant) -> bool {
        let spent = self.full_at.unwrap_or(now).saturating_duration_since(now);
        spent + MOVE_EVERY <= MOVE_EVERY * MOVES_AT_ONCE
    }

    /// Notes that it moves. Returns how often it has.
    pub fn note(&mut self, now: Instant) -> u64 {
        self.full_at = Some(self.full_at.unwrap_or(now).max(now) + MOVE_EVERY);
        self.count += 1;
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_moves_all_the_time_moves_as_often_as_is_allowed() {
        let start = Instant::now();
        let mut moves = Moves::default();
        let mut made = 0;
        for millisecond in 0..60_000 {
            let now = start + Duration::from_millis(millisecond);
            if moves.may_move(now) {
                made = moves.note(now);
            }
        }
        assert_eq!(
            made,
            60 / MOVE_EVERY.as_secs() + u64::from(MOVES_AT_ONCE) - 1
        );
    }
}
