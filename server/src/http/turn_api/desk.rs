//! What all calls share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::keys::Keys;
use crate::ledger::Ledger;
use crate::rate::{Rate, Sources};
use crate::turn::start::TurnServers;

/// Calls of an address a second, and at once after a quiet time.
pub(crate) const CALLS: (u32, u32) = (50, 500);

/// What they need to be answered.
#[derive(Clone, Debug)]
pub(crate) struct TurnApi {
    pub(super) ledger: Arc<Ledger>,
    pub(super) turn: Arc<TurnServers>,
    pub(super) keys: Arc<Keys>,
    callers: Arc<Mutex<Sources>>,
}

impl TurnApi {
    /// For whoever has one of these keys.
    pub(crate) fn new(keys: &[String], ledger: Arc<Ledger>, turn: Arc<TurnServers>) -> Self {
        Self {
            ledger,
            turn,
            keys: Arc::new(Keys::new(keys)),
            callers: Arc::new(Mutex::new(Sources::new(Rate::new(CALLS.0, CALLS.1)))),
        }
    }

    /// Whether one more call of an address is within the limit.
    pub(super) fn admits(&self, now: Instant, address: IpAddr) -> bool {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.admit(now, address)
    }
}
