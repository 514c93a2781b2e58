//! What a client is told of its room that it did not ask for: who speaks, what is wanted, how its pictures do, what is new.

use std::time::Instant;

use ferrite_protocol::ServerMessage;
use tracing::info;

use super::super::socket::Gone;
use super::Session;
use crate::media::peer::quality::Quality;

impl Session {
    /// When [`tell_speaking`](Self::tell_speaking) is to be asked again, if so.
    pub(in crate::signalling) fn speaking_is_due(&self) -> Option<Instant> {
        self.speaking.due()
    }

    /// Who speaks in the room, where that is to be told now.
    pub(in crate::signalling) fn tell_speaking(&mut self) -> Option<ServerMessage> {
        let speaking = self.room.as_ref()?.speaking();
        self.speaking.news(Instant::now(), speaking)
    }

    /// When [`tell_wanted`](Self::tell_wanted) is to be asked again, if so.
    pub(in crate::signalling) fn wanted_is_due(&self) -> Option<Instant> {
        self.room.as_ref()?;
        self.wanted.due()
    }

    /// Which layers of what the client publishes are wanted, where that is news.
    pub(in crate::signalling) fn tell_wanted(&mut self) -> Option<ServerMessage> {
        self.room.as_ref()?;
        self.wanted.news(Instant::now(), self.sections.layered())
    }

    /// How well the client's pictures do.
    pub(super) fn tell_quality(&mut self, quality: Quality) -> Option<ServerMessage> {
        let view = self.room.as_ref()?.outlook().view;
        self.quality = Some(self.sections.quality(quality, view));
        self.quality.clone()
    }

    /// Leaves the room with who was made to, and says so.
    pub(super) fn put_out(&mut self) -> Option<ServerMessage> {
        let room = self.room.as_ref()?;
        let farewell = room.farewell()?;
        info!(participant = %room.seat().participant(), "had to leave the room");
        self.room = None;
        self.relaying.revoke(Instant::now());
        Some(farewell)
    }

    /// What is new in the room, and on the slots.
    pub(in crate::signalling) fn news_of_the_room(&mut self) -> Result<Vec<ServerMessage>, Gone> {
        let Some(room) = &mut self.room else {
            return Ok(Vec::new());
        };
        let (mut messages, is_another) = room.news()?;
        messages.extend(self.tell_speaking());
        if !is_another {
            return Ok(messages);
        }
        if let Some(farewell) = self.put_out() {
            messages = vec![farewell];
        }
        self.follow_room();
        messages.extend(self.sections.news(None, false));
        Ok(messages)
    }

    /// The room changed while nobody is there to be told.
    pub(in crate::signalling) fn look_at_the_room(&mut self) {
        if let Some(room) = &mut self.room {
            room.look();
            self.farewell = room.farewell();
        }
        if self.farewell.is_some() {
            self.room = None;
            self.relaying.revoke(Instant::now());
        }
        self.follow_room();
    }
}
