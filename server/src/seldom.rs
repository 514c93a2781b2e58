//! When to write a log line that anybody outside can cause: once, and then at most once a minute with
//! the number of those that were left out. It knows nothing of what the line says.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(60);

/// One kind of line.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether to write it now; then how many were left out since the last.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        // Nothing under this lock can panic half-way.
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |last| now.saturating_duration_since(last) < PERIOD;
        if written.last.is_some_and(recent) {
            written.left_out += 1;
            return None;
        }
        written.last = Some(now);
        Some(std::mem::take(&mut written.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_a_minute_and_counts_the_others() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let at = |seconds| seldom.admit(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!([at(0), at(1), at(59)], [None; 3]);
        assert_eq!(at(60), Some(3));
        assert_eq!(at(61), None);
        assert_eq!(at(3600), Some(1));
    }
}
