//! Translates between the monotonic clock that drives the media plane and NTP's timestamps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from NTP's epoch (1900) to Unix's (1970).
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// Two readings of the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    monotonic: Instant,
    wall: Duration,
}

impl Clock {
    /// Pairs the two clocks.
    pub fn new(monotonic: Instant, wall: SystemTime) -> Self {
        Self {
            monotonic,
            // A clock before 1970 is wrong in any case; reports then merely carry a wrong date.
            wall: wall.duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// A moment in NTP's 32.32 format (RFC 3550 §4).
    pub fn ntp(&self, at: Instant) -> u64 {
        let wall = self.wall + at.saturating_duration_since(self.monotonic);
        let fraction = (u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000;
        (wall.as_secs().wrapping_add(NTP_TO_UNIX)) << 32 | fraction
    }
}

/// The middle 32 bits of an NTP timestamp, as reports carry it.
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A span in 65536ths of a second, as reports carry it.
pub fn report_delay(span: Duration) -> u32 {
    let ticks = span.as_micros() * 65_536 / 1_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// The difference of two NTP timestamps in seconds.
pub fn ntp_seconds(later: u64, earlier: u64) -> f64 {
    later.wrapping_sub(earlier) as i64 as f64 / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900() {
        let now = Instant::now();
        let clock = Clock::new(now, UNIX_EPOCH + Duration::from_millis(1500));
        assert_eq!(clock.ntp(now), (NTP_TO_UNIX + 1) << 32 | 1 << 31);
        let later = clock.ntp(now + Duration::from_secs(2));
        assert_eq!(ntp_seconds(later, clock.ntp(now)), 2.0);
        assert_eq!(report_delay(Duration::from_millis(500)), 32_768);
    }
}
