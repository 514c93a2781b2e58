//! Who may come into a room, and what they may do there: from a `join`, with a token where the server has
//! keys. Pure: the time comes in.

use std::time::SystemTime;

use ferrite_protocol::{JoinToken, ParticipantId, RoomId};

use crate::auth::{Grants, Keys, Ticket, TokenError};
use crate::config::NewRooms;
use crate::room::Newcomer;

/// What somebody says of themselves.
pub(super) struct Introduction {
    pub(super) name: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) token: Option<JoinToken>,
}

/// Lets somebody in, or says why not. Where the server has no keys a token says nothing, and whoever
/// comes is `stranger`.
pub(super) fn admit(
    keys: &Keys,
    new_rooms: NewRooms,
    room: &RoomId,
    introduction: Introduction,
    stranger: ParticipantId,
    now: SystemTime,
) -> Result<Newcomer, TokenError> {
    let Introduction {
        name,
        metadata,
        token,
    } = introduction;
    if keys.is_empty() {
        return Ok(Newcomer {
            id: stranger,
            name,
            metadata,
            grants: None,
            max_participants: None,
            may_open: true,
        });
    }
    let token = token.ok_or(TokenError::Missing)?;
    let ticket = keys.verify(&token.0, &room.0, now)?;
    Ok(Newcomer {
        may_open: new_rooms == NewRooms::Anybody || ticket.grants.create,
        grants: Some(ticket.grants),
        max_participants: ticket.max_participants,
        id: ParticipantId(ticket.identity),
        name: ticket.name.or(name),
        metadata: ticket.metadata.or(metadata),
    })
}

/// What another token lets somebody do who is in a room already.
pub(super) fn renew(
    keys: &Keys,
    room: &RoomId,
    who: &ParticipantId,
    token: &JoinToken,
    now: SystemTime,
) -> Result<Option<Grants>, TokenError> {
    if keys.is_empty() {
        return Ok(None);
    }
    let Ticket {
        identity, grants, ..
    } = keys.verify(&token.0, &room.0, now)?;
    match identity == who.0 {
        true => Ok(Some(grants)),
        false => Err(TokenError::NoIdentity),
    }
}
