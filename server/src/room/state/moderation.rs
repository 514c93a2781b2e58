//! What who moderates a room does to others, and what those are told of it.

use ferrite_protocol::{LeaveCause, ParticipantId, PublicationId};

use super::{Moderator, Removal, RoomError, RoomState, mark_muted};

impl RoomState {
    /// Somebody mutes what somebody else publishes, who is to be told why.
    pub(in crate::room) fn mute_publication(
        &mut self,
        moderator: Moderator,
        id: &PublicationId,
        reason: Option<String>,
    ) -> Result<(), RoomError> {
        self.check_moderator(moderator)?;
        let (participant, key) = id.parts().ok_or(RoomError::NoPublication)?;
        let publisher = self.serial_of(&participant.into())?;
        let member = self.view.member(publisher);
        let published = member.map(|it| &it.participant.publications[..]);
        let published = published.unwrap_or_default();
        let is_there = |id: &PublicationId| published.iter().any(|it| it.id == *id);
        let private = self.private.get_mut(&publisher);
        let private = private.filter(|_| is_there(id));
        let private = private.ok_or(RoomError::NoPublication)?;
        private.muted.insert(key.to_owned());
        // Of what is published no more there is nothing to tell: there are no more of these than publications.
        let participant = ParticipantId::from(participant);
        (private.untold).retain(|key, _| is_there(&PublicationId::of(&participant, key)));
        private.untold.insert(key.to_owned(), reason);
        let muted = private.muted.clone();
        self.change(publisher, |member| mark_muted(member, &muted))
    }

    /// What others muted of somebody's, and why, since this was asked last.
    pub(in crate::room) fn muted_by_others(
        &mut self,
        serial: u64,
    ) -> Vec<(PublicationId, Option<String>)> {
        let member = self.view.member(serial);
        let (Some(member), Some(private)) = (member, self.private.get_mut(&serial)) else {
            return Vec::new();
        };
        let id = &member.participant.id;
        let untold = std::mem::take(&mut private.untold).into_iter();
        untold
            .map(|(key, reason)| (PublicationId::of(id, &key), reason))
            .collect()
    }

    /// Somebody removes somebody else.
    pub(in crate::room) fn kick(
        &mut self,
        moderator: Moderator,
        whom: &ParticipantId,
        reason: Option<String>,
    ) -> Result<(), RoomError> {
        self.check_moderator(moderator)?;
        let whom = self.serial_of(whom)?;
        self.remove(whom, LeaveCause::Kicked, reason);
        Ok(())
    }

    /// Somebody ends the room.
    pub(in crate::room) fn end(
        &mut self,
        moderator: Moderator,
        reason: Option<&str>,
    ) -> Result<(), RoomError> {
        self.check_moderator(moderator)?;
        let everybody: Vec<_> = self.view.members.iter().map(|it| it.serial).collect();
        for serial in everybody {
            self.remove(serial, LeaveCause::RoomEnded, reason.map(str::to_owned));
        }
        Ok(())
    }

    fn check_moderator(&self, moderator: Moderator) -> Result<(), RoomError> {
        let may = match moderator {
            Moderator::Member(serial) => self.grants(serial)?.admin,
            Moderator::Program => true,
        };
        match may {
            true => Ok(()),
            false => Err(RoomError::NotAllowed("moderate this room")),
        }
    }

    pub(super) fn remove(&mut self, serial: u64, cause: LeaveCause, reason: Option<String>) {
        self.leave(serial);
        self.removed.insert(serial, Removal { cause, reason });
    }

    fn serial_of(&self, id: &ParticipantId) -> Result<u64, RoomError> {
        let mut members = self.view.members.iter();
        let member = members.find(|member| member.participant.id == *id);
        Ok(member.ok_or(RoomError::NoParticipant)?.serial)
    }
}
