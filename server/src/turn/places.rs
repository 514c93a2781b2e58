//! The four places by which clients find out about their NATs (RFC 5780): two addresses, each with two ports. Pure.

use std::net::{IpAddr, SocketAddr};

use super::refusal::Refusal;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::Message;
use crate::media::net::stun::attribute::CHANGE_REQUEST;

/// Two addresses of one family, each with the media port and a second one.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// The addresses.
    pub addresses: [IpAddr; 2],
    /// The media port, and the second one.
    pub ports: [u16; 2],
}

/// One of the four.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    all: Places,
    address: usize,
    port: usize,
}

impl Places {
    /// The one that a request came to. Over TCP there is none (RFC 5780 §7.2).
    pub(super) fn of(self, path: &FourTuple) -> Option<Place> {
        let at = |address: &IpAddr| *address == path.local.ip();
        let is_it = |port: &u16| *port == path.local.port();
        if path.transport != Transport::Udp {
            return None;
        }
        Some(Place {
            all: self,
            address: self.addresses.iter().position(at)?,
            port: self.ports.iter().position(is_it)?,
        })
    }
}

impl Place {
    /// Where it is.
    pub(super) fn local(self) -> SocketAddr {
        SocketAddr::new(self.all.addresses[self.address], self.all.ports[self.port])
    }

    /// With the other address, the other port, or both.
    pub(super) fn changed(self, address: bool, port: bool) -> Self {
        Self {
            address: self.address ^ usize::from(address),
            port: self.port ^ usize::from(port),
            ..self
        }
    }

    /// Where the answer to a request comes from (RFC 5780 §7.2).
    pub(super) fn origin(self, message: &Message<'_>) -> Result<Self, Refusal> {
        const ADDRESS: u8 = 4;
        const PORT: u8 = 2;
        match message.get(CHANGE_REQUEST) {
            None => Ok(self),
            Some([_, _, _, flags]) => Ok(self.changed(flags & ADDRESS != 0, flags & PORT != 0)),
            Some(_) => Err(Refusal::BadRequest),
        }
    }
}
