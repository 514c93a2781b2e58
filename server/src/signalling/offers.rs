//! How many offers are too many, of a session and of an address.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::rate::{Rate, Sources};

/// Offers a client may make a second, and at once after a quiet time. Each may begin another peer
/// connection, whose handshake costs a thousand times what a message does.
pub(crate) const OFFERS: (u32, u32) = (2, 20);

/// Offers of one address: those of as many sessions as it may have, which come back together after a
/// restart. `None` where it may have all sessions.
pub(crate) fn offers_of_address(sessions: usize) -> Option<(u32, u32)> {
    let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
    let (per_second, at_once) = OFFERS;
    let of_all = (sessions / 8, sessions.saturating_mul(2));
    (sessions > 0).then_some((per_second.max(of_all.0), at_once.max(of_all.1)))
}

/// The offers of all addresses.
#[derive(Debug)]
pub(super) struct OffersByAddress(Option<Counted>);

#[derive(Debug)]
struct Counted {
    allowed: (u32, u32),
    sources: Mutex<Sources>,
}

impl OffersByAddress {
    /// So many a second, and at once. `None` counts nothing.
    pub(super) fn new(allowed: Option<(u32, u32)>) -> Self {
        Self(allowed.map(|(per_second, at_once)| Counted {
            allowed: (per_second, at_once),
            sources: Mutex::new(Sources::new(Rate::new(per_second, at_once))),
        }))
    }

    /// Whether one more of this address is within the limit; if not, what is.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> Result<(), (u32, u32)> {
        let Some(counted) = &self.0 else {
            return Ok(());
        };
        // Nothing under this lock can leave the table half changed.
        let sources = counted.sources.lock();
        let mut sources = sources.unwrap_or_else(PoisonError::into_inner);
        let admitted = sources.admit(now, address);
        admitted.then_some(()).ok_or(counted.allowed)
    }
}
