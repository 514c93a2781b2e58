//! A Binding request answered (RFC 8489), and where this server has two addresses and two ports, what clients find
//! out by them of the NAT that they are behind (RFC 5780): an answer comes from wherever they ask, and never goes to
//! anybody but who asked.
//!
//! RESPONSE-PORT and PADDING are refused, as who supports them may (RFC 5780 §7.5, §7.6): the one sends an answer to
//! a port that asked for nothing, the other makes it long.

use std::time::Instant;

use super::answer::refuse;
use super::places::Place;
use super::refusal::Refusal;
use super::server::Turn;
use crate::media::net::path::FourTuple;
use crate::media::net::stun::attribute::{
    CHANGE_REQUEST, MAPPED_ADDRESS, OTHER_ADDRESS, RESPONSE_ORIGIN, XOR_MAPPED_ADDRESS,
};
use crate::media::net::stun::{Message, Method};

impl Turn {
    /// Takes what came to the second port, which serves nothing but Binding requests.
    pub fn handle_second_port(&mut self, now: Instant, path: &FourTuple, datagram: &[u8]) {
        let message = Message::read(datagram);
        let binding = message.filter(|message| message.typ() == Method::Binding.request());
        if let Some(message) = binding {
            self.answer_binding(now, path, &message);
        }
    }

    /// Tells a client its address.
    pub(super) fn answer_binding(
        &mut self,
        now: Instant,
        client: &FourTuple,
        message: &Message<'_>,
    ) {
        if !self.strangers.admit(now, client.remote.ip()) {
            return;
        }
        let place = self.shared.places.and_then(|places| places.of(client));
        let understood: &[u16] = match place {
            Some(_) => &[CHANGE_REQUEST],
            None => &[],
        };
        let unknown: Vec<_> = message.unknown(understood).collect();
        let origin = match unknown.is_empty() {
            true => place.map(|place| place.origin(message)).transpose(),
            false => Err(Refusal::UnknownAttributes(unknown)),
        };
        let method = Method::Binding;
        match origin {
            Ok(origin) => {
                let local = origin.map_or(client.local, Place::local);
                let path = FourTuple { local, ..*client };
                self.write(&path, method.success(), message, None, |writer| {
                    writer.add_address(XOR_MAPPED_ADDRESS, client.remote);
                    if let Some(place) = place {
                        // A NAT that rewrites addresses in packets shows by this one (RFC 5780 §4.5).
                        writer.add_plain_address(MAPPED_ADDRESS, client.remote);
                        writer.add_plain_address(RESPONSE_ORIGIN, local);
                        writer.add_plain_address(OTHER_ADDRESS, place.changed(true, true).local());
                    }
                });
            }
            Err(refusal) => self.write(client, method.error(), message, None, |writer| {
                refuse(writer, &refusal);
            }),
        }
    }
}
