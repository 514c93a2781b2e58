//! A TURN client with time-limited credentials, of `rtc`'s codec: what the server's own reads, another wrote.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use ring::hmac;
use rtc::stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_ERROR_CODE, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM,
    ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, AttrType, RawAttribute,
};
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    CLASS_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_REFRESH, Message, MessageType,
    Method, Setter, TransactionId,
};

use crate::SIZE;

const CHANNEL: u16 = 0x4000;

/// A client with an allocation.
pub(crate) struct Client {
    socket: UdpSocket,
    packet: Vec<u8>,
    login: Login,
}

impl Client {
    /// Allocates, and binds a channel to a peer.
    pub(crate) fn with_channel(
        source: SocketAddr,
        server: SocketAddr,
        peer: SocketAddr,
        secret: &str,
    ) -> Result<Self> {
        let socket = UdpSocket::bind(source)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
        let username = format!("{expires}:bench{}", socket.local_addr()?.port());
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let tag = hmac::sign(&key, username.as_bytes());
        let password = base64::engine::general_purpose::STANDARD.encode(tag);
        let udp = raw(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let challenge = ask(&socket, METHOD_ALLOCATE, std::slice::from_ref(&udp), None)?;
        let login = Login {
            realm: challenge.get(ATTR_REALM)?,
            nonce: challenge.get(ATTR_NONCE)?,
            username,
            password,
        };
        let allocated = ask(&socket, METHOD_ALLOCATE, &[udp], Some(&login))?;
        ensure!(
            !allocated.contains(ATTR_ERROR_CODE),
            "no allocation: {allocated}"
        );
        let number = raw(ATTR_CHANNEL_NUMBER, &[0x40, 0, 0, 0]);
        let bound = ask(
            &socket,
            METHOD_CHANNEL_BIND,
            &[number, address(peer)?],
            Some(&login),
        )?;
        ensure!(!bound.contains(ATTR_ERROR_CODE), "no channel: {bound}");
        let mut packet = CHANNEL.to_be_bytes().to_vec();
        packet.extend_from_slice(&(SIZE as u16).to_be_bytes());
        packet.resize(4 + SIZE, 7);
        Ok(Self {
            socket,
            packet,
            login,
        })
    }

    /// Sends so many packets.
    pub(crate) fn send(&self, packets: usize) -> Result<()> {
        for _ in 0..packets {
            self.socket.send(&self.packet)?;
        }
        Ok(())
    }
}

/// Gives the allocation back.
impl Drop for Client {
    fn drop(&mut self) {
        let now = raw(ATTR_LIFETIME, &[0; 4]);
        let _ = ask(&self.socket, METHOD_REFRESH, &[now], Some(&self.login));
    }
}

struct Login {
    username: String,
    password: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

fn ask(
    socket: &UdpSocket,
    method: Method,
    attributes: &[RawAttribute],
    login: Option<&Login>,
) -> Result<Message> {
    let mut message = Message::new();
    message.typ = MessageType::new(method, CLASS_REQUEST);
    message.transaction_id = TransactionId(ring_random()?);
    message.write_header();
    for attribute in attributes {
        attribute.add_to(&mut message)?;
    }
    if let Some(login) = login {
        raw(ATTR_USERNAME, login.username.as_bytes()).add_to(&mut message)?;
        raw(ATTR_REALM, &login.realm).add_to(&mut message)?;
        raw(ATTR_NONCE, &login.nonce).add_to(&mut message)?;
        let realm = String::from_utf8(login.realm.clone())?;
        let provider = rtc::crypto::default_provider()?;
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            login.username.clone(),
            realm,
            login.password.clone(),
            provider.crypto(),
        )?;
        integrity.add_to(&mut message)?;
    }
    let mut buffer = [0; 2048];
    for _ in 0..5 {
        socket.send(&message.raw)?;
        let Ok(len) = socket.recv(&mut buffer) else {
            continue;
        };
        let mut answer = Message::new();
        answer
            .unmarshal_binary(&buffer[..len])
            .context("an answer")?;
        return Ok(answer);
    }
    bail!("no answer")
}

fn ring_random() -> Result<[u8; 12]> {
    use ring::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; 12];
    SystemRandom::new()
        .fill(&mut bytes)
        .ok()
        .context("randomness")?;
    Ok(bytes)
}

fn raw(typ: AttrType, value: &[u8]) -> RawAttribute {
    RawAttribute {
        typ,
        length: value.len() as u16,
        value: value.to_vec(),
    }
}

/// XOR-PEER-ADDRESS of an IPv4 peer.
fn address(peer: SocketAddr) -> Result<RawAttribute> {
    let SocketAddr::V4(peer) = peer else {
        bail!("IPv4 peers only")
    };
    let mut value = vec![0, 1];
    value.extend_from_slice(&(peer.port() ^ 0x2112).to_be_bytes());
    value.extend_from_slice(&(peer.ip().to_bits() ^ 0x2112_a442).to_be_bytes());
    Ok(raw(ATTR_XOR_PEER_ADDRESS, &value))
}
