//! How often an address may ask who is in a room, before anybody enters.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::rate::{Rate, Sources};

/// How often an address may ask in a second, and at once after a quiet time. A page at a door asks every few seconds,
/// and many may be behind one address; whoever tries out names of rooms asks oftener.
pub(crate) const GLIMPSES: (u32, u32) = (20, 200);

/// Who asked of late.
#[derive(Debug)]
pub(super) struct Askers(Mutex<Sources>);

impl Default for Askers {
    fn default() -> Self {
        let (per_second, at_once) = GLIMPSES;
        Self(Mutex::new(Sources::new(Rate::new(per_second, at_once))))
    }
}

impl Askers {
    /// Whether one more question of this address is within the limit.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> bool {
        // Nothing under this lock can leave the table half changed.
        let sources = self.0.lock();
        let mut sources = sources.unwrap_or_else(PoisonError::into_inner);
        sources.admit(now, address)
    }
}
