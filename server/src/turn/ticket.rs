//! Tickets by which a client that changed its address finds its allocation again (RFC 8016 §3): each says which
//! port it is for, and a keyed hash says that it was made here. Whether it is that allocation's newest is for the
//! allocation to know, so that nothing has to be remembered of tickets that are over.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use subtle::ConstantTimeEq as _;

/// The port, and which ticket it is.
const BODY: usize = 2 + 6;

/// Bytes of the keyed hash.
const SEAL: usize = 16;

/// A ticket as it is sent: text, as there are clients that keep it as such, in 32 bytes.
const LENGTH: usize = (BODY + SEAL) / 3 * 4;

/// What makes and knows tickets.
pub struct Tickets {
    key: hmac::Key,
    made: AtomicU64,
}

/// One of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket([u8; LENGTH]);

impl Ticket {
    /// As it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Tickets {
    /// With a key that nobody else has.
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            made: AtomicU64::new(0),
        }
    }

    /// A new one for the allocation that has a port. It is like none before.
    pub fn make(&self, port: u16) -> Ticket {
        let count = self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut body = [0; BODY];
        body[..2].copy_from_slice(&port.to_be_bytes());
        body[2..].copy_from_slice(&count[2..]);
        self.sealed(body)
    }

    /// The ticket that these bytes are, and the port that it is for.
    pub fn read(&self, bytes: &[u8]) -> Option<(Ticket, u16)> {
        let mut decoded = [0; BODY + SEAL];
        let len = URL_SAFE_NO_PAD.decode_slice(bytes, &mut decoded).ok()?;
        let body = *decoded.first_chunk::<BODY>()?;
        let ticket = self.sealed(body);
        let is_ours: bool = ticket.0.ct_eq(bytes).into();
        (len == decoded.len() && is_ours)
            .then_some((ticket, u16::from_be_bytes([body[0], body[1]])))
    }

    fn sealed(&self, body: [u8; BODY]) -> Ticket {
        let mut whole = [0; BODY + SEAL];
        whole[..BODY].copy_from_slice(&body);
        let seal = hmac::sign(&self.key, &body);
        whole[BODY..].copy_from_slice(&seal.as_ref()[..SEAL]);
        let mut text = [0; LENGTH];
        // It fits: three bytes are four characters.
        let written = URL_SAFE_NO_PAD.encode_slice(whole, &mut text);
        debug_assert_eq!(written.ok(), Some(LENGTH));
        Ticket(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_says_its_port_and_is_like_no_other() {
        let tickets = Tickets::new(&[7; 32]);
        let (first, second) = (tickets.make(50_123), tickets.make(50_123));
        assert_ne!(first, second);
        assert_eq!(tickets.read(first.bytes()), Some((first, 50_123)));
        assert_eq!(tickets.read(second.bytes()), Some((second, 50_123)));
        // coturn's client keeps it as a text of 32 bytes.
        assert!(first.bytes().len() <= 32 && !first.bytes().contains(&0));
    }

    #[test]
    fn what_is_almost_a_ticket_is_none() {
        let tickets = Tickets::new(&[7; 32]);
        let ticket = tickets.make(50_123);
        assert_eq!(Tickets::new(&[8; 32]).read(ticket.bytes()), None);
        for at in 0..LENGTH {
            let mut changed = *ticket.bytes().first_chunk::<LENGTH>().unwrap();
            changed[at] ^= 1;
            assert_eq!(tickets.read(&changed), None, "{at}");
            assert_eq!(tickets.read(&ticket.bytes()[..at]), None, "{at}");
        }
        assert_eq!(tickets.read(&[ticket.bytes(), b"A"].concat()), None);
        assert_eq!(tickets.read(&[0; 500]), None);
    }
}
