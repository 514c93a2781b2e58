//! Nonces that nobody has to remember (RFC 8489 §9.2): each says when it was made, and a keyed hash says
//! that it was made here, for this client. A flood of first requests leaves nothing behind.

use std::fmt::Write as _;

use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::media::net::path::FourTuple;

/// How long a nonce is good. A client that uses it longer is given another, and asks again.
pub const NONCE_LIFETIME: u64 = 3600;

/// Says that PASSWORD-ALGORITHMS means something here (RFC 8489 §9.2, §18.1: bit 0 of the set).
const COOKIE: &str = "obMatJos2gAAA";

/// Bytes of the keyed hash. It need not be found twice, but must not be guessed within its hour.
const SEAL: usize = 12;

const TIME_DIGITS: usize = 8;

/// What makes and knows nonces.
pub struct Nonces(hmac::Key);

impl Nonces {
    /// With a key that nobody else has.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A key for something else that is sealed here.
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.0, purpose);
        std::array::from_fn(|at| tag.as_ref()[at])
    }

    /// A nonce for a client.
    pub fn make(&self, unix: u64, client: &FourTuple) -> String {
        let time = unix as u32;
        let mut nonce = format!("{COOKIE}{time:08x}");
        for byte in self.seal(time, client) {
            // Writing to a text does not fail.
            let _ = write!(nonce, "{byte:02x}");
        }
        nonce
    }

    /// Whether a nonce is one of ours for this client, and still good.
    pub fn is_good(&self, unix: u64, client: &FourTuple, nonce: &[u8]) -> bool {
        let Some(time) = time(nonce) else {
            return false;
        };
        let age = (unix as u32).wrapping_sub(time);
        let made = self.make(u64::from(time), client);
        u64::from(age) < NONCE_LIFETIME && made.as_bytes().ct_eq(nonce).into()
    }

    fn seal(&self, time: u32, client: &FourTuple) -> [u8; SEAL] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&time.to_be_bytes());
        context.update(&[client.transport as u8]);
        match client.remote.ip() {
            std::net::IpAddr::V4(ip) => context.update(&ip.octets()),
            std::net::IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&client.remote.port().to_be_bytes());
        let tag = context.sign();
        std::array::from_fn(|at| tag.as_ref()[at])
    }
}

fn time(nonce: &[u8]) -> Option<u32> {
    let digits = nonce.strip_prefix(COOKIE.as_bytes())?.get(..TIME_DIGITS)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::path::Transport;

    fn client(transport: Transport, remote: &str) -> FourTuple {
        FourTuple {
            transport,
            local: "192.0.2.1:3478".parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    #[test]
    fn a_nonce_is_good_for_one_client_and_an_hour() {
        let nonces = Nonces::new(&[7; 32]);
        let me = client(Transport::Udp, "192.0.2.2:5000");
        let nonce = nonces.make(1_000_000, &me);
        let is_good = |unix, client: &FourTuple| nonces.is_good(unix, client, nonce.as_bytes());
        assert!(is_good(1_000_000, &me) && is_good(1_000_000 + NONCE_LIFETIME - 1, &me));
        assert!(!is_good(1_000_000 + NONCE_LIFETIME, &me) && !is_good(999_999, &me));
        for other in [
            client(Transport::Udp, "192.0.2.2:5001"),
            client(Transport::Udp, "192.0.2.3:5000"),
            client(Transport::Udp, "[2001:db8::1]:5000"),
            client(Transport::Tcp, "192.0.2.2:5000"),
            client(Transport::Dtls, "192.0.2.2:5000"),
        ] {
            assert!(!is_good(1_000_000, &other));
        }
        assert!(!Nonces::new(&[8; 32]).is_good(1_000_000, &me, nonce.as_bytes()));
    }

    #[test]
    fn what_is_almost_a_nonce_is_none() {
        let nonces = Nonces::new(&[7; 32]);
        let me = client(Transport::Udp, "192.0.2.2:5000");
        let nonce = nonces.make(1_000_000, &me).into_bytes();
        for at in 0..nonce.len() {
            let mut changed = nonce.clone();
            changed[at] ^= 1;
            assert!(!nonces.is_good(1_000_000, &me, &changed), "{at}");
            assert!(!nonces.is_good(1_000_000, &me, &nonce[..at]), "{at}");
        }
        let capitals = nonce.to_ascii_uppercase();
        assert!(!nonces.is_good(1_000_000, &me, &capitals));
        assert!(!nonces.is_good(1_000_000, &me, "é".repeat(30).as_bytes()));
    }
}
