//! A TURN client on a socket of its own, with a channel to the server itself.

use std::net::{SocketAddr, UdpSocket};

use bytes::BytesMut;
use ferrite_server::media::net::stun::attribute::{
    CHANNEL_NUMBER, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS, read_address,
};
use ferrite_server::media::net::stun::integrity::md5_key;
use ferrite_server::media::net::stun::{Message, Method, TransactionId, Writer};
use ferrite_server::turn::credentials::{self, Issued};

use super::PATIENCE;

const CHANNEL: [u8; 2] = [0x40, 0];

pub struct Relay {
    pub socket: UdpSocket,
    /// Where it is reached.
    pub relayed: SocketAddr,
    server: SocketAddr,
    user: User,
    nonce: Vec<u8>,
}

/// Who has it.
struct User {
    name: String,
    password: String,
}

impl Relay {
    /// Allocates at the server's media port, with a session's credentials.
    pub fn open(port: u16, issued: &Issued) -> Self {
        let login = issued.until(u64::MAX);
        Self::open_as(port, &login.username, &login.password)
    }

    /// The same with any credentials.
    pub fn open_as(port: u16, name: &str, password: &str) -> Self {
        Self::ask_for(port, name, password).expect("a relay")
    }

    /// The same, unless the server refuses.
    pub fn ask_for(port: u16, name: &str, password: &str) -> Option<Self> {
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut relay = Self {
            socket,
            relayed: server,
            server,
            user: User {
                name: name.to_owned(),
                password: password.to_owned(),
            },
            nonce: Vec::new(),
        };
        let challenge = relay.ask(Method::Allocate, |_| {});
        let challenge = Message::read(&challenge).unwrap();
        relay.nonce = challenge.get(NONCE).unwrap().to_vec();
        let allocated = relay.ask(Method::Allocate, |writer| {
            writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        });
        let allocated = Message::read(&allocated).unwrap();
        if allocated.typ() != Method::Allocate.success() {
            return None;
        }
        let relayed = allocated.get(XOR_RELAYED_ADDRESS).unwrap();
        relay.relayed = read_address(relayed, allocated.transaction()).unwrap();
        let bound = relay.ask(Method::ChannelBind, |writer| {
            writer.add(CHANNEL_NUMBER, &[CHANNEL[0], CHANNEL[1], 0, 0]);
            writer.add_address(XOR_PEER_ADDRESS, server);
        });
        let bound = Message::read(&bound).unwrap();
        assert_eq!(bound.typ(), Method::ChannelBind.success());
        Some(relay)
    }

    /// Whether it can be kept.
    pub fn is_kept(&self) -> bool {
        let answer = self.ask(Method::Refresh, |_| {});
        Message::read(&answer).unwrap().typ() == Method::Refresh.success()
    }

    fn ask(&self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = BytesMut::new();
        let transaction = TransactionId(rand::random());
        let mut writer = Writer::new(&mut out, method.request(), transaction);
        fill(&mut writer);
        if !self.nonce.is_empty() {
            let User { name, password } = &self.user;
            writer.add(USERNAME, name.as_bytes());
            writer.add(REALM, credentials::REALM.as_bytes());
            writer.add(NONCE, &self.nonce);
            writer.integrity(&md5_key(name, credentials::REALM, password));
        }
        writer.finish();
        self.socket.send(&out).unwrap();
        let mut buffer = [0; 2000];
        let len = self.socket.recv(&mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    /// Sends to the server by way of the relay; what is for other addresses is lost.
    pub fn send_to(&self, data: &[u8], to: SocketAddr) -> std::io::Result<usize> {
        if to != self.server {
            return Ok(0);
        }
        let mut packet = CHANNEL.to_vec();
        packet.extend_from_slice(&(data.len() as u16).to_be_bytes());
        packet.extend_from_slice(data);
        self.socket.send(&packet)
    }

    /// Takes what comes by way of the relay, and says from where.
    pub fn recv_from(&self, buffer: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
        let mut packet = [0; 2000];
        let len = self.socket.recv(&mut packet)?;
        assert_eq!(packet[..2], CHANNEL, "all that the server sends is wrapped");
        let data = &packet[4..len];
        assert_eq!(
            usize::from(u16::from_be_bytes([packet[2], packet[3]])),
            data.len()
        );
        buffer[..data.len()].copy_from_slice(data);
        Ok((data.len(), self.server))
    }
}
