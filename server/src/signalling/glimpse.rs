//! What somebody at a room's door may know before they come in: who is there.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use ferrite_protocol::RoomId;
use serde::Serialize;

use super::hub::Signalling;

/// So many are named. Of a crowd the number says enough.
const NAMED: usize = 12;

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
