//! What one sees of a room, and of one's place there.

use std::collections::BTreeMap;

use ferrite_protocol::room::Idle;
use ferrite_protocol::{Limit, Participant, ParticipantId, PublicationId, Right, RoomId, Slot};

use super::others::{Quality, Speaking};
use super::{Room, State};
use crate::sorted::Set;

impl Room {
    /// Grows with whatever can be seen here.
    pub(crate) fn changes(&self) -> u32 {
        self.changes
    }

    /// Whether the server has this client in the room.
    pub(crate) fn is_in(&self) -> bool {
        match self.state {
            State::In | State::Returning => true,
            State::Out | State::Asking(_) => false,
        }
    }

    /// Who this client is.
    pub(crate) fn own(&self) -> Option<&ParticipantId> {
        self.own.as_ref()
    }

    /// Everybody, oldest first.
    pub(crate) fn people(&self) -> &[Participant] {
        &self.people
    }

    /// Whether this client may do something there.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.may.contains(&right)
    }

    /// Who speaks.
    pub(crate) fn speaking(&self) -> &Speaking {
        &self.speaking
    }

    /// How well pictures do.
    pub(crate) fn quality(&self) -> &Quality {
        &self.quality
    }

    /// What keeps a picture that comes from being better.
    pub(crate) fn limit(&self, publication: &PublicationId) -> Option<Limit> {
        self.slot_of(publication)?;
        self.quality.shown.get(publication)?.limit
    }

    /// Whether what this client publishes under a key is muted.
    pub(crate) fn is_muted(&self, key: &str) -> bool {
        self.muted().contains(key)
    }

    /// The keys of what this client has muted, or others have.
    pub(crate) fn muted(&self) -> &Set<String> {
        self.muting.wanted()
    }

    /// The slot that carries a publication, if something comes of it.
    pub(crate) fn slot_of(&self, publication: &PublicationId) -> Option<&str> {
        let mut carrying = self.carrying(publication);
        let (mid, _) = carrying.find(|(_, slot)| slot.idle.is_none())?;
        Some(mid)
    }

    /// What each slot carries, by its `mid`.
    pub(crate) fn carried(&self) -> &BTreeMap<String, Slot> {
        &self.carried
    }

    /// The room this client is in, or wants to be in.
    pub(crate) fn wanted(&self) -> Option<&RoomId> {
        Some(&self.wanted.as_ref()?.room)
    }

    /// Why nothing comes of a publication that is looked at.
    pub(crate) fn idle(&self, publication: &PublicationId) -> Option<Idle> {
        self.carrying(publication).find_map(|(_, slot)| slot.idle)
    }

    pub(super) fn carrying(
        &self,
        publication: &PublicationId,
    ) -> impl Iterator<Item = (&String, &Slot)> {
        let is_it = move |slot: &Slot| slot.publication == *publication;
        self.carried.iter().filter(move |(_, slot)| is_it(slot))
    }
}
