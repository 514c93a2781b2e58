//! What is asked of the server once: to say something, or what only few may ask. Each waits for its
//! reply, and is asked again where that may be lost and the session went on. Knows neither who is in the room nor what is allowed.

use std::collections::VecDeque;

use ferrite_protocol::{CHAT, ClientMessage, RequestId, RoomMessage};

use super::effect::{Effect, Errand, Request, Undone};
use super::told::Ids;

/// So many wait at a time. Who asks faster than this is no person.
const MOST: usize = 64;

impl Errand {
    /// A line of the chat, to all.
    pub(crate) fn chat(text: String, ticket: Option<u32>) -> Self {
        let topic = CHAT.to_owned();
        Self {
            request: Request::Say {
                to: None,
                topic,
                text,
            },
            ticket,
        }
    }

    fn end(self, result: Result<(), Undone>, out: &mut Vec<Effect>) {
        match (self.ticket, result) {
            (Some(ticket), result) => out.push(Effect::Settle(ticket, result)),
            (None, Err(Undone::Refused(_, words))) => out.push(Effect::Complain(words)),
            (None, Ok(()) | Err(Undone::Outside | Undone::Full)) => {}
        }
    }

    fn is_said_by(&self, message: &RoomMessage) -> bool {
        match &self.request {
            Request::Say { to, topic, text } => {
                (to, topic, text) == (&message.to, &message.topic, &message.text)
            }
            Request::Kick { .. } | Request::MutePublication { .. } | Request::EndRoom { .. } => {
                false
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Errands(VecDeque<(Option<RequestId>, Errand)>);

impl Errands {
    pub(super) fn add(&mut self, errand: Errand, out: &mut Vec<Effect>) {
        match self.0.len() < MOST {
            true => self.0.push_back((None, errand)),
            false => errand.end(Err(Undone::Full), out),
        }
    }

    /// Nothing of this will be done.
    pub(super) fn drop_all(&mut self, out: &mut Vec<Effect>) {
        for (_, errand) in self.0.drain(..) {
            errand.end(Err(Undone::Outside), out);
        }
    }

    /// What was asked may have been done for who this client was: as another it does not ask again.
    pub(super) fn drop_asked(&mut self, out: &mut Vec<Effect>) {
        let all = std::mem::take(&mut self.0).into_iter();
        let (asked, new): (VecDeque<_>, VecDeque<_>) = all.partition(|(asked, _)| asked.is_some());
        self.0 = new;
        for (_, errand) in asked {
            errand.end(Err(Undone::Outside), out);
        }
    }

    /// What was asked may never have arrived.
    pub(super) fn doubt(&mut self) {
        self.0.iter_mut().for_each(|(asked, _)| *asked = None);
    }

    /// Asks what was not asked yet.
    pub(super) fn ask(&mut self, ids: &mut Ids, out: &mut Vec<Effect>) {
        for (asked, errand) in self.0.iter_mut().filter(|(asked, _)| asked.is_none()) {
            *asked = Some(ids.next());
            out.push(Effect::Send(message(&errand.request, *asked)));
        }
    }

    /// This client's own words came back: that is as good as a reply.
    pub(super) fn heard(&mut self, message: &RoomMessage, out: &mut Vec<Effect>) {
        let mut errands = self.0.iter();
        let said = errands.position(|(_, errand)| errand.is_said_by(message));
        if let Some((_, errand)) = said.and_then(|at| self.0.remove(at)) {
            errand.end(Ok(()), out);
        }
    }

    /// A request has its reply. Whether it was one of these.
    pub(super) fn replied(
        &mut self,
        id: Option<RequestId>,
        result: Result<(), Undone>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let mut errands = self.0.iter();
        let found = errands.position(|(asked, _)| asked.is_some() && *asked == id);
        let found = found.and_then(|at| self.0.remove(at));
        let is_one = found.is_some();
        if let Some((_, errand)) = found {
            errand.end(result, out);
        }
        is_one
    }
}

fn message(request: &Request, id: Option<RequestId>) -> ClientMessage {
    match request.clone() {
        Request::Say { to, topic, text } => ClientMessage::Say {
            id,
            to,
            topic,
            text,
        },
        Request::Kick {
            participant,
            reason,
        } => ClientMessage::Kick {
            id,
            participant,
            reason,
        },
        Request::MutePublication {
            publication,
            reason,
        } => ClientMessage::MutePublication {
            id,
            publication,
            reason,
        },
        Request::EndRoom { reason } => ClientMessage::EndRoom { id, reason },
    }
}
