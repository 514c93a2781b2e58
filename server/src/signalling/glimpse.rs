//! What somebody at a room's door may know before they come in: who is there.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use ferrite_protocol::RoomId;
use serde::Serialize;

use super::hub::Signalling;
use crate::rate::{Rate, Sources};

/// So many are named. Of a crowd the number says enough.
const NAMED: usize = 12;

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
    fn admit(&self, address: IpAddr, now: Instant) -> bool {
        // Nothing under this lock can leave the table half changed.
        let sources = self.0.lock();
        let mut sources = sources.unwrap_or_else(PoisonError::into_inner);
        sources.admit(now, address)
    }
}

/// Who is in a room.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Glimpse {
    /// How many, those without a name included.
    count: usize,
    /// The names of the first who came.
    names: Vec<String>,
}

impl Signalling {
    /// Whether one more question of this address is within the limit.
    pub(crate) fn may_glimpse(&self, address: IpAddr, now: Instant) -> bool {
        self.askers.admit(address, now)
    }

    /// Who is in a room, for whoever may come in: where the server has keys, with a token that lets them.
    pub(crate) fn glimpse(
        &self,
        room: &RoomId,
        token: Option<&str>,
        now: SystemTime,
    ) -> Option<Glimpse> {
        let is_let_in = |token: &str| self.keys.verify(token, &room.0, now).is_ok();
        let may = self.keys.is_empty() || token.is_some_and(is_let_in);
        may.then(|| {
            let (count, names) = self.rooms.glimpse(room, NAMED);
            Glimpse { count, names }
        })
    }
}
