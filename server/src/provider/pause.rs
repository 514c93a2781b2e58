//! When a provider is asked again: in the usual time, and where it failed soon, then ever later, up to that.

use std::time::Duration;

/// After the first failure.
const SOON: Duration = Duration::from_secs(2);

/// How long after so many failures in a row.
pub(super) fn after(failures: u32, usual: Duration) -> Duration {
    match failures.checked_sub(1) {
        None => usual,
        Some(more) => SOON.saturating_mul(2_u32.saturating_pow(more)).min(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_fails_is_asked_ever_less_and_never_less_than_usually() {
        let usual = Duration::from_secs(60);
        let pauses = (0..9).map(|failures| after(failures, usual).as_secs());
        assert_eq!(
            pauses.collect::<Vec<_>>(),
            [60, 2, 4, 8, 16, 32, 60, 60, 60]
        );
        assert_eq!(after(u32::MAX, usual), usual);
    }
}
