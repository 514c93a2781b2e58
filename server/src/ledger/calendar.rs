//! Days and months, in UTC. Usage is counted by them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A day: how many came before it since 1970 began. Shown as `2026-11-29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub u32);

const SECONDS: u64 = 24 * 60 * 60;

impl Day {
    /// The day of a second.
    pub fn of(unix: u64) -> Self {
        Self(u32::try_from(unix / SECONDS).unwrap_or(u32::MAX))
    }

    /// The first day of its month.
    pub fn month(self) -> Self {
        let (_, _, day) = self.date();
        Self(self.0 - (day - 1))
    }

    /// What its month is called: `2026-11`.
    pub fn month_name(self) -> String {
        let (year, month, _) = self.date();
        format!("{year:04}-{month:02}")
    }

    /// So many days earlier.
    pub fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Year, month and day of the month. Years begin in March here, so that what leap years add comes last; 400 of
    /// them have always as many days.
    fn date(self) -> (u64, u32, u32) {
        const FOUR_CENTURIES: u64 = 146_097;
        // From the first of March of the year 0.
        let days = u64::from(self.0) + 719_468;
        let (centuries, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = (day - (365 * year + year / 4 - year / 100)) as u32;
        let month = (5 * day + 2) / 153;
        let of_month = day - (153 * month + 2) / 5 + 1;
        let year = 400 * centuries + year + u64::from(month >= 10);
        (year, (month + 2) % 12 + 1, of_month)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A second as RFC 3339 writes it: `2026-11-29T12:00:00.000Z`.
pub fn timestamp(unix: u64) -> String {
    let (minutes, second) = (unix % SECONDS / 60, unix % 60);
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.000Z", Day::of(unix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_written_as_others_read_it() {
        // date -u -d @1795956245 +%FT%TZ
        assert_eq!(timestamp(1_795_956_245), "2026-11-29T12:44:05.000Z");
        assert_eq!(Day::of(1_795_956_245).month_name(), "2026-11");
    }

    #[test]
    fn days_are_called_as_calendars_call_them() {
        // date -u -d @SECONDS +%F
        for (unix, date) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (1_795_910_400, "2026-11-29"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Day::of(unix).to_string(), date);
        }
    }

    #[test]
    fn a_month_begins_with_its_first() {
        let mut month = Day(0);
        for day in (0..60_000).map(Day) {
            month = if day.to_string().ends_with("-01") {
                day
            } else {
                month
            };
            assert_eq!(day.month(), month, "{day}");
        }
    }
}
