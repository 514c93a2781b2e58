//! Whether a client is there, as others in its room see it.

use ferrite_protocol::{DepartureCause, ParticipantState};

use super::super::peer::Peer;
use super::Session;

impl Session {
    /// Nobody is there to be told anything, for now.
    pub(in crate::signalling) fn park(&mut self) {
        self.is_parked = true;
        self.show_state();
    }

    /// The client says something over its WebSocket.
    pub(in crate::signalling) fn is_there(&mut self) {
        if std::mem::take(&mut self.is_lost) {
            self.show_state();
        }
    }

    /// The client is about to be in the room no more: others are told why.
    pub(in crate::signalling) fn departs(&mut self, cause: DepartureCause) {
        if let Some(room) = &mut self.room {
            room.departs(cause);
        }
    }

    /// Others in the room see whether the client is there. A network that swallows everything is missed by the media
    /// path long before the WebSocket, where there is one.
    pub(super) fn show_state(&mut self) {
        let is_silent = self.peer.as_ref().map_or(self.is_lost, Peer::is_silent);
        if let Some(room) = &mut self.room {
            room.show_state(match self.is_parked || is_silent {
                true => ParticipantState::Reconnecting,
                false => ParticipantState::Connected,
            });
        }
    }

    /// The peer is gone, and not because the client hung up. If that was for its silence, it is as silent without.
    pub(super) fn lose_peer(&mut self) {
        self.is_lost = self.peer.take().is_some_and(|peer| peer.is_silent());
        self.forget_peer();
        self.show_state();
    }
}
