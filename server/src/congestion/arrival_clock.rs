//! The other end's clock: it counts 64 ms in 24 bits, and comes round after twelve days.

/// When it comes round, in microseconds.
pub(super) const WRAP: i64 = (1 << 24) * 64_000;

/// The clock, by what was told of it last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ArrivalClock {
    /// As it was told, and as it goes on.
    last: Option<(i64, i64)>,
}

impl ArrivalClock {
    /// The time that is told, in microseconds, as it goes on.
    pub(super) fn unwrap(&mut self, told: i64) -> i64 {
        let told = told.rem_euclid(WRAP);
        let goes_on = self.last.map_or(told, |(before, at)| {
            let ahead = (told - before + WRAP / 2).rem_euclid(WRAP);
            at + ahead - WRAP / 2
        });
        self.last = Some((told, goes_on));
        goes_on
    }
}
