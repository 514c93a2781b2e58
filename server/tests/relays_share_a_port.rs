//! Relays that share one port, on real sockets and several threads: each client is given what is its.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::BytesMut;
use ferrite_server::media::net::stun::attribute::{
    CHANNEL_NUMBER, ERROR_CODE, NONCE, REALM, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT,
    USERNAME, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS, read_address,
};
use ferrite_server::media::net::stun::integrity::md5_key;
use ferrite_server::media::net::stun::{Message, Method, TransactionId, Writer};
use ferrite_server::turn::credentials::{self, SharedSecret, time_limited};
use ferrite_server::{Config, Server};

use crate::support::{start, with};

mod support;

const SECRET: &str = "north-star";
const CHANNEL: [u8; 2] = [0x40, 0];

fn config(port: u16) -> Config {
    let flags = ["ferrite", "--turn-shared-secret", SECRET].map(Into::into);
    let loaded = Config::load(flags).unwrap();
    with(|config| {
        config.turn.shared_secret = loaded.turn.shared_secret;
        config.turn.relay_port_shared = Some(port);
        config.turn.allow = ["127.0.0.1/32", "::1/128"]
            .map(|it| it.parse().unwrap())
            .into();
        // Clients land on any.
        config.media.shards = 3;
    })
}

fn open(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let patience = Some(Duration::from_millis(500));
    socket.set_read_timeout(patience).unwrap();
    socket
}

/// A client with a relay.
struct Client {
    socket: UdpSocket,
    name: String,
    nonce: Vec<u8>,
    relayed: SocketAddr,
}

impl Client {
    fn new(server: SocketAddr, n: usize) -> Self {
        let socket = open(server.ip());
        socket.connect(server).unwrap();
        let mut client = Self {
            socket,
            name: format!("4000000000:user{n}"),
            nonce: Vec::new(),
            relayed: server,
        };
        let family = if server.is_ipv4() { 1 } else { 2 };
        let fill = |writer: &mut Writer<'_>| {
            writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            writer.add(REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]);
        };
        let challenge = client.ask(Method::Allocate, fill);
        let challenge = Message::read(&challenge).unwrap();
        client.nonce = challenge.get(NONCE).unwrap().to_vec();
        let answer = client.ask(Method::Allocate, fill);
        let answer = Message::read(&answer).unwrap();
        let relayed = answer.get(XOR_RELAYED_ADDRESS).unwrap();
        client.relayed = read_address(relayed, answer.transaction()).unwrap();
        client
    }

    fn ask(&self, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        let (mut out, transaction) = (BytesMut::new(), TransactionId(rand::random()));
        let mut writer = Writer::new(&mut out, method.request(), transaction);
        fill(&mut writer);
        if !self.nonce.is_empty() {
            let password = time_limited(&SharedSecret(SECRET.to_owned()), &self.name);
            writer.add(USERNAME, self.name.as_bytes());
            writer.add(REALM, credentials::REALM.as_bytes());
            writer.add(NONCE, &self.nonce);
            writer.integrity(&md5_key(&self.name, credentials::REALM, &password));
        }
        writer.finish();
        let answer = until(|| {
            self.socket.send(&out).unwrap();
            receive(&self.socket).filter(|(answer, _)| {
                let answer = Message::read(answer);
                answer.is_some_and(|it| it.transaction() == transaction)
            })
        });
        answer.0
    }

    /// The error of a request for a channel; 0 for success.
    fn bind(&self, peer: SocketAddr) -> u16 {
        let answer = self.ask(Method::ChannelBind, |writer| {
            writer.add(CHANNEL_NUMBER, &[CHANNEL[0], CHANNEL[1], 0, 0]);
            writer.add_address(XOR_PEER_ADDRESS, peer);
        });
        let answer = Message::read(&answer).unwrap();
        let error = answer.get(ERROR_CODE);
        error.map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    fn send(&self, data: &[u8]) {
        let length = (data.len() as u16).to_be_bytes();
        let packet = [&CHANNEL[..], &length, data].concat();
        self.socket.send(&packet).unwrap();
    }

    /// What comes by the channel.
    fn receive(&self) -> Option<Vec<u8>> {
        let (packet, _) = receive(&self.socket)?;
        let data = packet.strip_prefix(&CHANNEL[..])?;
        Some(data[2..].to_vec())
    }
}

fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 2048];
    let (len, from) = socket.recv_from(&mut buffer).ok()?;
    Some((buffer[..len].to_vec(), from))
}

/// A datagram can be lost, even here.
fn until<T>(mut tried: impl FnMut() -> Option<T>) -> T {
    (0..60).find_map(|_| tried()).expect("an answer")
}

fn media(server: &Server, ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, server.media_port())
}

fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn each_is_given_its_own(server: SocketAddr) {
    let clients: Vec<_> = (0..8)
        .map(|n| (Client::new(server, n), open(server.ip())))
        .collect();
    let relayed = clients[0].0.relayed;
    for (n, (client, peer)) in clients.iter().enumerate() {
        assert_eq!(client.relayed, relayed);
        assert_eq!(client.bind(peer.local_addr().unwrap()), 0);
        let there = format!("there {n}").into_bytes();
        let (data, from) = until(|| {
            client.send(&there);
            receive(peer)
        });
        assert_eq!((data, from), (there, relayed));
    }
    let back = |n| format!("back {n}").into_bytes();
    for _ in 0..20 {
        for (n, (_, peer)) in clients.iter().enumerate() {
            peer.send_to(&back(n), relayed).unwrap();
        }
        for (n, (client, _)) in clients.iter().enumerate() {
            let given = client.receive();
            assert!(given.is_none_or(|given| given == back(n)));
        }
    }
    for (n, (client, peer)) in clients.iter().enumerate() {
        let given = until(|| {
            peer.send_to(&back(n), relayed).unwrap();
            client.receive()
        });
        assert_eq!(given, back(n));
    }
    assert_eq!(
        clients[0].0.bind(clients[1].1.local_addr().unwrap()),
        400,
        "its channel is taken"
    );
    let late = Client::new(server, 9);
    assert_eq!(late.bind(clients[1].1.local_addr().unwrap()), 508);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_is_given_what_comes_from_its_peer_and_no_peer_is_two_clients() {
    let server = start(config(0)).await;
    let mut hosts = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    hosts.extend(has_ipv6().then_some(IpAddr::from(Ipv6Addr::LOCALHOST)));
    for ip in hosts {
        let at = media(&server, ip);
        tokio::task::spawn_blocking(move || each_is_given_its_own(at))
            .await
            .unwrap();
    }
}

fn check(name: &str) -> Vec<u8> {
    let (mut out, transaction) = (BytesMut::new(), TransactionId(rand::random()));
    let mut writer = Writer::new(&mut out, Method::Binding.request(), transaction);
    writer.add(USERNAME, name.as_bytes());
    writer.finish();
    out.to_vec()
}

fn pairs_are_brought_together(server: SocketAddr) {
    let mut clients = (0..12).map(|n| Client::new(server, n));
    let pairs: Vec<_> = std::iter::from_fn(|| clients.next().zip(clients.next())).collect();
    for (n, (a, b)) in pairs.iter().enumerate() {
        assert_eq!((a.bind(b.relayed), b.bind(a.relayed)), (0, 0));
        let (to_b, to_a) = (check(&format!("b{n}:a{n}")), check(&format!("a{n}:b{n}")));
        let (mut at_a, mut at_b) = (false, false);
        until(|| {
            a.send(&to_b);
            b.send(&to_a);
            at_a |= a.receive().is_some_and(|given| given == to_a);
            at_b |= b.receive().is_some_and(|given| given == to_b);
            (at_a && at_b).then_some(())
        });
    }
    for (n, (a, b)) in pairs.iter().enumerate() {
        let media = format!("media {n}").into_bytes();
        for (from, to) in [(a, b), (b, a)] {
            until(|| {
                from.send(&media);
                to.receive().filter(|given| *given == media)
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_whose_relays_share_the_port_reach_each_other() {
    let server = start(config(0)).await;
    let at = media(&server, Ipv4Addr::LOCALHOST.into());
    tokio::task::spawn_blocking(move || pairs_are_brought_together(at))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_port_that_somebody_has_is_named() {
    let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Server::start(config(port)).await.err().unwrap().to_string();
    let expected = format!("--relay-port-shared: UDP port {port} is in use");
    assert!(error.starts_with(&expected), "{error}");
}
