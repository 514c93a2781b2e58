//! A TURN server that may be asked, and the long-term credentials that it asks for (RFC 8489 §9.2).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::media::net::stun::attribute::{NONCE, REALM, USERNAME};
use crate::media::net::stun::integrity::md5_key;
use crate::media::net::stun::{Message, Writer};

/// The longest REALM and NONCE that there may be, in bytes (RFC 8489 §14.9, §14.10).
const MAX_TEXT: usize = 763;

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// By datagrams.
    Udp,
    /// By a connection.
    Tcp,
    /// By one with TLS.
    Tls(Secure),
}

/// Whose certificate is expected, and by whom it may be vouched for.
#[derive(Clone)]
pub struct Secure {
    /// The server's name.
    pub name: ServerName<'static>,
    /// The rest.
    pub config: Arc<ClientConfig>,
}

impl PartialEq for Secure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Secure {}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secure({:?})", self.name)
    }
}

/// A TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// What the settings call it: its host and port.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// How it is reached.
    pub link: Link,
    /// Who asks.
    pub username: String,
    /// And what shows that.
    pub credential: String,
}

/// Without the credential.
impl fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TurnServer({} at {})", self.name, self.address)
    }
}

/// What a server said of itself, and the key that follows from it.
struct Challenge {
    realm: String,
    nonce: Vec<u8>,
    key: [u8; 16],
}

/// An account with a server.
pub(super) struct Account {
    username: String,
    credential: String,
    challenge: Option<Challenge>,
}

impl Account {
    pub(super) fn new(server: &TurnServer) -> Self {
        Self {
            username: server.username.clone(),
            credential: server.credential.clone(),
            challenge: None,
        }
    }

    /// Signs a request, as soon as the server has said with what.
    pub(super) fn sign(&self, writer: &mut Writer<'_>) {
        if let Some(challenge) = &self.challenge {
            writer.add(USERNAME, self.username.as_bytes());
            writer.add(REALM, challenge.realm.as_bytes());
            writer.add(NONCE, &challenge.nonce);
            writer.integrity(&challenge.key);
        }
    }

    /// Takes what a server asks to be signed with. Returns whether that is something else than before.
    pub(super) fn challenge(&mut self, message: &Message<'_>) -> bool {
        let short = |typ| message.get(typ).filter(|text| text.len() <= MAX_TEXT);
        let realm = short(REALM).and_then(|realm| std::str::from_utf8(realm).ok());
        let Some((realm, nonce)) = realm.zip(short(NONCE)) else {
            return false;
        };
        let before = self.challenge.as_ref();
        if before.is_some_and(|before| before.realm == realm && before.nonce == nonce) {
            return false;
        }
        self.challenge = Some(Challenge {
            key: md5_key(&self.username, realm, &self.credential),
            realm: realm.to_owned(),
            nonce: nonce.to_vec(),
        });
        true
    }

    /// Whether a message is by the server that has the same credential.
    pub(super) fn wrote(&self, message: &Message<'_>) -> bool {
        let challenge = self.challenge.as_ref();
        challenge.is_some_and(|challenge| message.is_by(&challenge.key))
    }
}
