//! TURN as a client speaks it (RFC 8656): an allocation at the server, a packet by way of it to a socket of our own,
//! and one back.
//!
//! The peer is a socket, and not the server's own port: what is relayed there never leaves the process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::line::Line;
use crate::asking::{Asker, Failure, Question, ask_over, connect, insist};
use crate::media::net::stun::attribute::{
    DATA, ERROR_CODE, LIFETIME, NONCE, REALM as REALM_ATTRIBUTE, REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT, USERNAME, XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
    read_address,
};
use crate::media::net::stun::integrity::md5_key;
use crate::media::net::stun::{Message, Method, Writer};
use crate::turn::credentials::REALM;

/// UDP's number (RFC 8656 §18.7), and IPv6's (§18.8).
const UDP: [u8; 4] = [17, 0, 0, 0];
const IPV6: [u8; 4] = [2, 0, 0, 0];

/// Letters that are shown of a reason (RFC 8489 §14.8: fewer than 128).
const MAX_REASON: usize = 128;

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
    let question = allocate(server.is_ipv6(), |_| {});
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
    let line = Line::datagrams(server).await;
    let allocated = async { Client::allocate(line?, server.is_ipv6(), user).await };
    match allocated.await {
        Err(failure) => Relayed {
            allocated: Err(failure),
            passed: None,
        },
        Ok(mut client) => Relayed {
            allocated: Ok(client.relayed),
            passed: match peer {
                Some(peer) => Some(client.pass(peer).await),
                None => None,
            },
        },
    }
}

/// What somebody else's server gave, and what came by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// Where its relay is reached.
    pub(super) relayed: SocketAddr,
    /// Where it sees us.
    pub(super) mapped: SocketAddr,
    /// How long it took to ask for it, twice as one does who is not known.
    pub(super) asked: Duration,
    /// How long a packet took that came by it and went back.
    pub(super) passed: Result<Duration, Lost>,
}

/// Allocates at somebody else's server, and comes by it.
pub(super) async fn come_by(line: Line, is_ipv6: bool, user: &User) -> Result<Given, Failure> {
    let began = Instant::now();
    let mut client = Client::allocate(line, is_ipv6, user).await?;
    let asked = began.elapsed();
    let passed = client.come().await;
    // It counts against what the account may have. What happens to this there is nothing to say about.
    let _ = client.release().await;
    Ok(Given {
        relayed: client.relayed,
        mapped: client.mapped,
        asked,
        passed,
    })
}

fn allocate(is_ipv6: bool, fill: impl FnOnce(&mut Writer<'_>)) -> Question {
    Question::new(Method::Allocate.request(), |writer| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        if is_ipv6 {
            writer.add(REQUESTED_ADDRESS_FAMILY, &IPV6);
        }
        fill(writer);
    })
}

/// Who has an allocation.
struct Client<'u> {
    line: Line,
    user: &'u User,
    realm: String,
    nonce: Vec<u8>,
    relayed: SocketAddr,
    /// Where the server sees us.
    mapped: SocketAddr,
}

impl<'u> Client<'u> {
    async fn allocate(mut line: Line, is_ipv6: bool, user: &'u User) -> Result<Self, Failure> {
        let challenge = line.ask(&allocate(is_ipv6, |_| {})).await?;
        let asks_for = Message::read(&challenge).and_then(|challenge| {
            let realm = std::str::from_utf8(challenge.get(REALM_ATTRIBUTE)?).ok()?;
            Some((realm.to_owned(), challenge.get(NONCE)?.to_vec()))
        });
        let (realm, nonce) = asks_for.ok_or_else(|| refusal(&challenge))?;
        let question = allocate(is_ipv6, |writer| user.sign(writer, (&realm, &nonce)));
        let answer = line.ask(&question).await?;
        let given = Message::read(&answer).and_then(|answer| {
            let read = |typ| read_address(answer.get(typ)?, answer.transaction());
            Some((read(XOR_RELAYED_ADDRESS)?, read(XOR_MAPPED_ADDRESS)?))
        });
        let (relayed, mapped) = given.ok_or_else(|| refusal(&answer))?;
        Ok(Self {
            line,
            user,
            realm,
            nonce,
            relayed,
            mapped,
        })
    }

    /// Has a socket of ours send a packet to the relayed address, as a client would, and sends one back to where it
    /// came from: what a NAT makes of that socket.
    async fn come(&mut self) -> Result<Duration, Lost> {
        let no_peer = |error: std::io::Error| Lost::NoPeer(error.to_string());
        let any: IpAddr = match self.relayed.is_ipv4() {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(no_peer)?;
        self.permit(self.mapped).await.map_err(Lost::Permission)?;
        let sent = Instant::now();
        let from = insist(async |wait| self.hear_from(&socket, wait).await);
        let from = from.await.map_err(|_| Lost::There)?;
        let back = insist(async |wait| self.send_there(from, &socket, wait).await);
        back.await.map_err(|_| Lost::Back)?;
        Ok(sent.elapsed())
    }

    async fn hear_from(
        &mut self,
        socket: &UdpSocket,
        wait: Duration,
    ) -> Result<Option<SocketAddr>, Failure> {
        let heard = self.send_back(socket, self.relayed, wait).await?;
        let heard = heard.as_deref().and_then(Message::read);
        Ok(heard.and_then(|it| read_address(it.get(XOR_PEER_ADDRESS)?, it.transaction())))
    }

    /// Sends a packet to a socket at this address, which sends one back to where it came from.
    async fn pass(&mut self, peer: IpAddr) -> Result<Duration, Lost> {
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

    async fn permit(&mut self, peer: SocketAddr) -> Result<(), Failure> {
        let question = Question::new(Method::CreatePermission.request(), |writer| {
            writer.add_address(XOR_PEER_ADDRESS, peer);
            self.user.sign(writer, (&self.realm, &self.nonce));
        });
        let answer = self.line.ask(&question).await?;
        let success = Method::CreatePermission.success();
        let is_permitted = Message::read(&answer).is_some_and(|answer| answer.typ() == success);
        match is_permitted {
            true => Ok(()),
            false => Err(refusal(&answer)),
        }
    }

    /// Ends the allocation (RFC 8656 §7.1). Nobody waits for the answer.
    async fn release(&mut self) -> Result<(), Failure> {
        let question = Question::new(Method::Refresh.request(), |writer| {
            writer.add(LIFETIME, &[0; 4]);
            self.user.sign(writer, (&self.realm, &self.nonce));
        });
        self.line.send(&question.bytes).await
    }

    async fn send_there(
        &mut self,
        peer: SocketAddr,
        socket: &UdpSocket,
        wait: Duration,
    ) -> Result<Option<SocketAddr>, Failure> {
        let indication = Question::new(Method::Send.indication(), |writer| {
            writer.add_address(XOR_PEER_ADDRESS, peer);
            writer.add(DATA, THERE);
        });
        self.line.send(&indication.bytes).await?;
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
        &mut self,
        socket: &UdpSocket,
        relay: SocketAddr,
        wait: Duration,
    ) -> Result<Option<Vec<u8>>, Failure> {
        socket.send_to(BACK, relay).await?;
        let is_it = |datagram: &[u8]| {
            let message = Message::read(datagram);
            let message = message.filter(|it| it.typ() == Method::Data.indication());
            message.is_some_and(|it| it.get(DATA) == Some(BACK))
        };
        self.line.hear(wait, is_it).await
    }
}

impl User {
    /// Long-term credentials (RFC 8489 §9.2.3).
    fn sign(&self, writer: &mut Writer<'_>, (realm, nonce): (&str, &[u8])) {
        writer.add(USERNAME, self.name.as_bytes());
        writer.add(REALM_ATTRIBUTE, realm.as_bytes());
        writer.add(NONCE, nonce);
        writer.integrity(&md5_key(&self.name, realm, &self.password));
    }
}

/// What an error response says (RFC 8489 §14.8).
fn refusal(answer: &[u8]) -> Failure {
    let error = Message::read(answer).and_then(|answer| answer.get(ERROR_CODE));
    match error {
        Some([_, _, class, number, reason @ ..]) => {
            let code = u16::from(*class) * 100 + u16::from(*number);
            // Whoever it is may say anything.
            let reason = String::from_utf8_lossy(reason);
            let reason = reason
                .chars()
                .take(MAX_REASON)
                .filter(|it| !it.is_control());
            Failure::Said(code, reason.collect())
        }
        Some(_) | None => Failure::Strange("something else came back".to_owned()),
    }
}
