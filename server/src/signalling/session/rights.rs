//! What a client may do in its room, by the latest of its tokens, and what of that it does: publish.

use std::time::SystemTime;

use ferrite_protocol::{ErrorCode, JoinToken, RequestId, ServerMessage};

use super::super::admission::renew;
use super::super::membership::refusal;
use super::super::replies::{NO_ROOM, error, refuse, shorten};
use super::Session;

/// So much is said back of what a client would publish.
const QUOTED: usize = 256;

impl Session {
    /// Another token says what the client may do. What ends with it is told after the reply, and so is what begins.
    pub(super) fn authorize(
        &mut self,
        id: Option<RequestId>,
        token: &JoinToken,
    ) -> Vec<ServerMessage> {
        let Some(room) = &mut self.room else {
            return refuse(id, NO_ROOM);
        };
        let (seat, keys) = (room.seat(), &self.signalling.keys);
        let renewed = renew(
            keys,
            seat.room(),
            seat.participant(),
            token,
            SystemTime::now(),
        );
        let authorized = match renewed {
            Ok(Some(grants)) => seat.authorize(grants),
            // Nobody asks for tokens here.
            Ok(None) => Ok(()),
            Err(refused) => return error(id, ErrorCode::NotAllowed, refused.to_string()),
        };
        if let Err(refused) = authorized {
            return vec![refusal(id, &refused)];
        }
        room.look_up_grants();
        let refused = self.publish(id);
        self.follow_room();
        let watching = self.sections.news(None, false);
        [ServerMessage::Done { id }]
            .into_iter()
            .chain(refused)
            .chain(watching)
            .collect()
    }

    /// Tells the room what the client publishes, as the request of this id has it, and the client what of that it does
    /// not take: what the client may not publish is left out; where the rest is too much, nothing is published.
    pub(super) fn publish(&mut self, id: Option<RequestId>) -> Vec<ServerMessage> {
        let Some(room) = &self.room else {
            return Vec::new();
        };
        let mut told = Vec::new();
        // Without grants they had to leave, and the room refuses all of it.
        if let Ok(grants) = room.seat().grants() {
            let denied = self.sections.permit(|source| grants.may_publish(source));
            if !denied.is_empty() {
                let keys = shorten(&denied.join(", "), QUOTED);
                let message = format!("this participant may not publish {keys}");
                told = error(id, ErrorCode::NotAllowed, message);
            }
        }
        match room.publish(self.sections.publications()) {
            Ok(tracks) => self.sections.published(tracks),
            Err(refused) => {
                self.sections.published(Vec::new());
                told.push(refusal(id, &refused));
            }
        }
        told
    }
}
