//! Polling with a deadline: ask until the answer is there, and say what it was when it is not.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long a condition may take on a busy two-core machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// Calls `probe` until `done` likes what it returns, and returns that. Fails after `patience`
/// with the last thing seen.
pub async fn until<T: Debug>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
    done: impl Fn(&T) -> bool,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let seen = probe().await?;
        if done(&seen) {
            return Ok(seen);
        }
        if Instant::now() > deadline {
            bail!("waited {patience:?} for {what}; last seen: {seen:?}");
        }
    }
}

/// Lets this much time pass. Nothing is waited for: what is to be seen is what happens meanwhile.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
