//! TURN as a client speaks it (RFC 8656): an allocation at the server, a packet by way of it to a socket of our own,
//! and one back.
//!
//! The peer is a socket, and not the server's own port: what is relayed there never leaves the process.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::asking::{Asker, Failure, Question, ask_over, connect, insist};
use crate::media::net::stun::attribute::{
    DATA, ERROR_CODE, NONCE, REALM as REALM_ATTRIBUTE, REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT, USERNAME, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS, read_address,
};
use crate::media::net::stun::integrity::md5_key;
use crate::media::net::stun::{Message, Method, Writer};
use crate::turn::credentials::REALM;

/// UDP's number (RFC 8656 §18.7), and IPv6's (§18.8).
const UDP: [u8; 4] = [17, 0, 0, 0];
const IPV6: [u8; 4] = [2, 0, 0, 0];

const THERE: &[u8] = b"ferrite check: there";
const BACK: &[u8] = b"ferrite check: and back";

/// Who asks for a relay.
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

/// How far it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relayed {
    /// Whether there was an allocation, and where it is reached.
    pub(super) allocated: Result<SocketAddr, Failure>,
    /// Whether packets went through it, and how long they took there and back. `None` where none was sent.
    pub(super) passed: Option<Result<Duration, Lost>>,
}

/// Where a packet was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The peer was not permitted.
    Permission(Failure),
    /// On its way to the peer.
    There,
    /// On its way back.
    Back,
    /// There is no socket to send it to.
    NoPeer(String),
}

/// Whether a server like this one is at the port: it asks for credentials of our realm.
pub(super) async fn is_ferrite(server: SocketAddr) -> bool {
    let question = allocate(server, |_| {});
    // One of the two may be blocked.
    let over_udp = async { Asker::new(server).await?.ask(&question).await };
    let over_tcp = async { ask_over(&mut connect(server).await?, &question).await };
    let (over_udp, over_tcp) = tokio::join!(over_udp, over_tcp);
    [over_udp, over_tcp].into_iter().flatten().any(|answer| {
        let answer = Message::read(&answer);
        answer.is_some_and(|it| it.get(REALM_ATTRIBUTE) == Some(REALM.as_bytes()))
    })
}

/// Allocates, and relays if a peer at an address may be reached.
pub(super) async fn relay(server: SocketAddr, user: &User, peer: Option<IpAddr>) -> Relayed {
    match Client::allocate(server, user).await {
        Err(failure) => Relayed {
            allocated: Err(failure),
            passed: None,
        },
        Ok(client) => Relayed {
            allocated: Ok(client.relayed),
            passed: match peer {
                Some(peer) => Some(client.pass(peer).await),
                None => None,
            },
        },
    }
}

fn allocate(server: SocketAddr, fill: impl FnOnce(&mut Writer<'_>)) -> Question {
    Question::new(Method::Allocate.request(), |writer| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        if server.is_ipv6() {
            writer.add(REQUESTED_ADDRESS_FAMILY, &IPV6);
        }
        fill(writer);
    })
}

/// Who has an allocation.
struct Client<'u> {
    asker: Asker,
    user: &'u User,
    nonce: Vec<u8>,
    relayed: SocketAddr,
}

impl<'u> Client<'u> {
    async fn allocate(server: SocketAddr, user: &'u User) -> Result<Self, Failure> {
        let asker = Asker::new(server).await?;
        let challenge = asker.ask(&allocate(server, |_| {})).await?;
        let nonce = Message::read(&challenge).and_then(|challenge| challenge.get(NONCE));
        let nonce = nonce.map(<[u8]>::to_vec);
        let nonce = nonce.ok_or_else(|| refusal(&challenge))?;
        let question = allocate(server, |writer| user.sign(writer, &nonce));
        let answer = asker.ask(&question).await?;
        let relayed = Message::read(&answer).and_then(|answer| {
            read_address(answer.get(XOR_RELAYED_ADDRESS)?, answer.transaction())
        });
        Ok(Self {
            asker,
            user,
            nonce,
            relayed: relayed.ok_or_else(|| refusal(&answer))?,
        })
    }

    /// Sends a packet to a socket at this address, which sends one back to where it came from.
    async fn pass(&self, peer: IpAddr) -> Result<Duration, Lost> {
        let no_peer = |error: std::io::Error| Lost::NoPeer(error.to_string());
        let socket = UdpSocket::bind((peer, 0)).await.map_err(no_peer)?;
        let peer = socket.local_addr().map_err(no_peer)?;
        self.permit(peer).await.map_err(Lost::Permission)?;
        let sent = Instant::now();
        let from = insist(async |wait| self.send_there(peer, &socket, wait).await);
        let from = from.await.map_err(|_| Lost::There)?;
        let back = insist(async |wait| self.send_back(&socket, from, wait).await);
        back.await.map_err(|_| Lost::Back)?;
        Ok(sent.elapsed())
    }

    async fn permit(&self, peer: SocketAddr) -> Result<(), Failure> {
        let question = Question::new(Method::CreatePermission.request(), |writer| {
            writer.add_address(XOR_PEER_ADDRESS, peer);
            self.user.sign(writer, &self.nonce);
        });
        let answer = self.asker.ask(&question).await?;
        let success = Method::CreatePermission.success();
        let is_permitted = Message::read(&answer).is_some_and(|answer| answer.typ() == success);
        match is_permitted {
            true => Ok(()),
            false => Err(refusal(&answer)),
        }
    }

    async fn send_there(
        &self,
        peer: SocketAddr,
        socket: &UdpSocket,
        wait: Duration,
    ) -> Result<Option<SocketAddr>, Failure> {
        let indication = Question::new(Method::Send.indication(), |writer| {
            writer.add_address(XOR_PEER_ADDRESS, peer);
            writer.add(DATA, THERE);
        });
        self.asker.send(&indication.bytes).await?;
        let mut buffer = [0; THERE.len() + 1];
        let arriving = async {
            loop {
                let (len, from) = socket.recv_from(&mut buffer).await?;
                if buffer[..len] == *THERE {
                    return Ok(from);
                }
            }
        };
        timeout(wait, arriving).await.ok().transpose()
    }

    async fn send_back(
        &self,
        socket: &UdpSocket,
        relay: SocketAddr,
        wait: Duration,
    ) -> Result<Option<()>, Failure> {
        socket.send_to(BACK, relay).await?;
        let is_it = |datagram: &[u8]| {
            let message = Message::read(datagram);
            let message = message.filter(|it| it.typ() == Method::Data.indication());
            message.is_some_and(|it| it.get(DATA) == Some(BACK))
        };
        let heard = self.asker.hear(wait, is_it).await?;
        Ok(heard.map(drop))
    }
}

impl User {
    /// Long-term credentials (RFC 8489 §9.2.3).
    fn sign(&self, writer: &mut Writer<'_>, nonce: &[u8]) {
        writer.add(USERNAME, self.name.as_bytes());
        writer.add(REALM_ATTRIBUTE, REALM.as_bytes());
        writer.add(NONCE, nonce);
        writer.integrity(&md5_key(&self.name, REALM, &self.password));
    }
}

/// What an error response says (RFC 8489 §14.8).
fn refusal(answer: &[u8]) -> Failure {
    let error = Message::read(answer).and_then(|answer| answer.get(ERROR_CODE));
    Failure::Strange(match error {
        Some([_, _, class, number, reason @ ..]) => {
            let code = u16::from(*class) * 100 + u16::from(*number);
            format!("{code} {}", String::from_utf8_lossy(reason))
        }
        Some(_) | None => "something else came back".to_owned(),
    })
}
