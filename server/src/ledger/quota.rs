//! When somebody is told that a project's quota runs out: at 80 % and at 100 % of it, once each in a month. Usage and
//! the month are arguments.

use serde::{Deserialize, Serialize};

use super::calendar::Day;

/// The shares of a quota that are told of, in percent.
pub const THRESHOLDS: [u8; 2] = [80, 100];

/// What was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// In which month: its first day.
    pub month: Day,
    /// Of which quota. Another is watched anew.
    pub quota: u64,
    /// Which threshold.
    pub percent: u8,
}

/// Whether so much is this share of a quota, or more.
pub fn is_reached(percent: u8, quota: u64, usage: u64) -> bool {
    u128::from(usage) * 100 >= u128::from(quota) * u128::from(percent)
}

/// The thresholds that are to be told of now, the lowest first.
pub fn news(told: Option<Told>, month: Day, quota: u64, usage: u64) -> impl Iterator<Item = Told> {
    let of_this = |told: &Told| (told.month, told.quota) == (month, quota);
    let known = told.filter(of_this).map_or(0, |told| told.percent);
    let is_news = move |percent: &u8| *percent > known && is_reached(*percent, quota, usage);
    let tell = move |percent| Told {
        month,
        quota,
        percent,
    };
    THRESHOLDS.into_iter().filter(is_news).map(tell)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A month's usage, reading by reading, and what is told of it.
    #[derive(Default)]
    struct Watcher(Option<Told>);

    impl Watcher {
        fn see(&mut self, month: u32, quota: u64, usage: u64) -> Vec<u8> {
            let news: Vec<_> = news(self.0, Day(month), quota, usage).collect();
            self.0 = news.last().copied().or(self.0);
            news.iter().map(|told| told.percent).collect()
        }
    }

    #[test]
    fn each_threshold_is_told_of_once_a_month() {
        let mut watcher = Watcher::default();
        assert!(watcher.see(1, 1000, 799).is_empty());
        assert_eq!(watcher.see(1, 1000, 800), [80]);
        assert!(watcher.see(1, 1000, 999).is_empty());
        assert_eq!(watcher.see(1, 1000, 1000), [100]);
        assert!(watcher.see(1, 1000, 5000).is_empty());
        assert!(watcher.see(2, 1000, 0).is_empty());
        // Both at once, where much comes at once.
        assert_eq!(watcher.see(2, 1000, 1500), [80, 100]);
        assert!(watcher.see(2, 1000, 1500).is_empty());
    }

    #[test]
    fn a_quota_that_is_changed_is_watched_anew() {
        let mut watcher = Watcher::default();
        assert_eq!(watcher.see(1, 1000, 1000), [80, 100]);
        assert!(watcher.see(1, 2000, 1000).is_empty());
        assert_eq!(watcher.see(1, 2000, 1700), [80]);
        assert_eq!(watcher.see(1, 500, 1700), [80, 100]);
    }

    #[test]
    fn no_usage_is_too_large_to_be_compared() {
        assert!(is_reached(100, u64::MAX, u64::MAX));
        assert!(!is_reached(100, u64::MAX, u64::MAX - 1));
    }
}
