//! What who moderates a room does to others, and what those are told of it.

use ferrite_protocol::{DepartureCause, LeaveCause, ParticipantId, PublicationId};

use super::{Moderator, Notice, Removal, RoomError, RoomState};

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
        let limit = self.limits.publications;
        let mut found = Err(RoomError::NoPublication);
        self.change(publisher, |member, private| {
            let published = &member.participant.publications;
            let is_there = |id: &PublicationId| published.iter().any(|it| it.id == *id);
            if !is_there(id) {
                return;
            }
            found = Ok(());
            let is_told = false;
            let muted = &mut private.muted_by_others;
            muted.insert(key.to_owned(), Notice { reason, is_told });
            // Somebody may publish under ever new keys: of the former ones no more are kept than they may publish.
            if muted.len() > limit {
                let participant = &member.participant.id;
                muted.retain(|key, _| is_there(&PublicationId::of(participant, key)));
            }
            private.mark_muted(member);
        })?;
        found
    }

    /// What others muted of what somebody publishes, why, and they did not unmute: what is news since this was asked
    /// last, or `all` that still is so.
    pub(in crate::room) fn muted_by_others(
        &mut self,
        serial: u64,
        all: bool,
    ) -> Vec<(PublicationId, Option<String>)> {
        let member = self.view.member(serial);
        let (Some(member), Some(private)) = (member, self.private.get_mut(&serial)) else {
            return Vec::new();
        };
        let publications = member.participant.publications.iter();
        let muted = publications.filter_map(|publication| {
            let (_, key) = publication.id.parts()?;
            let notice = private.muted_by_others.get_mut(key)?;
            let was_told = std::mem::replace(&mut notice.is_told, true);
            (all || !was_told).then(|| (publication.id.clone(), notice.reason.clone()))
        });
        muted.collect()
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
        self.leave(serial, seen_as(cause));
        self.removed.insert(serial, Removal { cause, reason });
        self.is_pressing = true;
    }

    fn serial_of(&self, id: &ParticipantId) -> Result<u64, RoomError> {
        let mut members = self.view.members.iter();
        let member = members.find(|member| member.participant.id == *id);
        Ok(member.ok_or(RoomError::NoParticipant)?.serial)
    }
}

/// What others are told of who was made to leave for this.
fn seen_as(cause: LeaveCause) -> Option<DepartureCause> {
    match cause {
        LeaveCause::Kicked => Some(DepartureCause::Kicked),
        LeaveCause::JoinedElsewhere => Some(DepartureCause::JoinedElsewhere),
        // Of a room that ended nobody is left who could be told.
        LeaveCause::RoomEnded | LeaveCause::Other => None,
    }
}
