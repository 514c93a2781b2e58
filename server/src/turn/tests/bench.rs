//! What the tests share: a server, its machine, and clients.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Message, Method, TransactionId, Writer, integrity};
use crate::turn::access::Access;
use crate::turn::allocation::RelayedTransport;
use crate::turn::bandwidth::Bandwidth;
use crate::turn::connections::ConnectionId;
use crate::turn::credentials::{
    Credentials, Issued, REALM as OUR_REALM, SharedSecret, time_limited,
};
use crate::turn::nonce::Nonces;
use crate::turn::places::Places;
use crate::turn::ports::Ports;
use crate::turn::refusal::Refusal;
use crate::turn::server::{Host, Shared, Turn};

pub(super) const MEDIA_PORT: u16 = 3478;
pub(super) const UNIX: u64 = 1_800_000_000;
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// An address of this machine's that everybody can reach.
pub(super) const OWN: &str = "198.100.9.9";
/// Another one, at which no media is received.
pub(super) const ELSEWHERE: &str = "198.100.9.10";
pub(super) const PEER: &str = "198.100.1.1:7000";

/// The machine: 192.0.2.1 and 2001:db8::1, known outside as 203.0.113.1 where IPv4 is asked for.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) unix: u64,
    pub(super) open: Vec<SocketAddr>,
    /// So many sockets are another program's.
    pub(super) refuse: usize,
    pub(super) without_ipv6: bool,
    /// Nobody can be connected with.
    pub(super) unreachable: Option<Refusal>,
    /// Connections that were begun, and those that were ended.
    pub(super) connecting: Vec<(ConnectionId, SocketAddr)>,
    pub(super) ended: Vec<ConnectionId>,
    random: u64,
}

impl Host for Machine {
    fn unix_time(&self) -> u64 {
        self.unix
    }

    fn random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(7);
            *byte = (self.random >> 56) as u8;
        }
    }

    fn address(&self, _local: IpAddr, ipv6: bool) -> Option<(IpAddr, IpAddr)> {
        let address = |text: &str| text.parse().unwrap();
        match ipv6 {
            false => Some((address("203.0.113.1"), address("192.0.2.1"))),
            true if self.without_ipv6 => None,
            true => Some((address("2001:db8::1"), address("2001:db8::1"))),
        }
    }

    fn is_own(&self, own: IpAddr) -> bool {
        let all = ["203.0.113.1", "192.0.2.1", "127.0.0.1", "2001:db8::1", OWN];
        all.iter()
            .any(|known| own == known.parse::<IpAddr>().unwrap())
    }

    fn is_here(&self, address: IpAddr) -> bool {
        self.is_own(address) || address == ELSEWHERE.parse::<IpAddr>().unwrap()
    }

    fn open(&mut self, bound: SocketAddr, _: RelayedTransport) -> bool {
        let is_free = self.refuse == 0;
        self.refuse = self.refuse.saturating_sub(1);
        if is_free {
            self.open.push(bound);
        }
        is_free
    }

    fn connect(
        &mut self,
        id: ConnectionId,
        bound: SocketAddr,
        peer: SocketAddr,
    ) -> Result<(), Refusal> {
        assert!(self.open.contains(&bound));
        if let Some(refusal) = &self.unreachable {
            return Err(refusal.clone());
        }
        self.connecting.push((id, peer));
        Ok(())
    }

    fn end(&mut self, id: ConnectionId) {
        self.ended.push(id);
    }

    fn close(&mut self, bound: SocketAddr, _: RelayedTransport) {
        let at = self.open.iter().position(|known| *known == bound);
        self.open.swap_remove(at.expect("it is open"));
    }
}

/// A server.
pub(super) struct Bench {
    pub(super) now: Instant,
    pub(super) turn: Turn,
    pub(super) shared: Arc<Shared>,
    pub(super) machine: Machine,
    transactions: u32,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Access::default(), 50_000..=50_999)
    }

    pub(super) fn with(access: Access, ports: std::ops::RangeInclusive<u16>) -> Self {
        Self::of(access, ports, true, 0)
    }

    /// Without relays of TCP.
    pub(super) fn without_streams() -> Self {
        Self::of(Access::default(), 50_000..=50_999, false, 0)
    }

    /// One whose relays of datagrams share a port.
    pub(super) fn sharing(port: u16) -> Self {
        let access = Access {
            // Where relays are for others, which is an address of examples.
            allow: vec!["203.0.113.1/32".parse().unwrap()],
            ..Access::default()
        };
        let bench = Self::with(access, 50_000..=50_999);
        bench.remade(|shared| shared.sharing(Some(port)))
    }

    /// One at which each credential relays so many kbit/s.
    pub(super) fn within(kilobits: u32) -> Self {
        Self::of(Access::default(), 50_000..=50_999, true, kilobits)
    }

    fn of(
        access: Access,
        ports: std::ops::RangeInclusive<u16>,
        has_streams: bool,
        kilobits: u32,
    ) -> Self {
        let secrets = vec![SharedSecret("north".to_owned())];
        let shared = Shared::new(
            access,
            Arc::new(Credentials::within(secrets, Bandwidth::kilobits(kilobits))),
            Ports::new(ports),
            Nonces::new(&[9; 32]),
            MEDIA_PORT,
        );
        let shared = Arc::new(shared.carrying_streams(has_streams));
        let now = Instant::now();
        Self {
            now,
            turn: Turn::new(now, shared.clone(), 0),
            shared,
            machine: Machine {
                unix: UNIX,
                ..Machine::default()
            },
            transactions: 0,
        }
    }

    /// One that clients find out about their NATs by.
    pub(super) fn discovering(places: Places) -> Self {
        Self::new().remade(|shared| shared.discovering(Some(places)))
    }

    fn remade(self, change: impl FnOnce(Shared) -> Shared) -> Self {
        drop(self.turn);
        let shared = Arc::into_inner(self.shared).map(change);
        let shared = Arc::new(shared.expect("nobody else has it"));
        Self {
            turn: Turn::new(self.now, shared.clone(), 0),
            shared,
            ..Self::new()
        }
    }

    /// Another shard's server.
    pub(super) fn beside(&self) -> Self {
        Self {
            now: self.now,
            turn: Turn::new(self.now, self.shared.clone(), 1),
            shared: self.shared.clone(),
            machine: Machine {
                unix: UNIX,
                ..Machine::default()
            },
            transactions: 1 << 20,
        }
    }

    pub(super) fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut transaction = TransactionId([1; 12]);
        transaction.0[..4].copy_from_slice(&self.transactions.to_be_bytes());
        transaction
    }

    /// Lets time pass, second by second.
    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.now += SECOND.min(until - self.now);
            self.turn.handle_timeout(self.now, &mut self.machine);
        }
        self.machine.unix += span.as_secs();
    }

    /// A datagram from a client; what it holds for this server itself.
    pub(super) fn give(
        &mut self,
        client: &FourTuple,
        datagram: &[u8],
    ) -> Option<(FourTuple, Vec<u8>)> {
        let own = self
            .turn
            .handle_client(self.now, client, datagram, &mut self.machine);
        own.map(|(path, data)| (path, data.to_vec()))
    }

    /// What clients are sent.
    pub(super) fn sent(&mut self) -> Vec<(FourTuple, Vec<u8>)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.turn.poll_client() {
            sent.extend(
                transmit
                    .datagrams()
                    .map(|datagram| (transmit.path, datagram.to_vec())),
            );
        }
        sent
    }

    /// What leaves relays: from where, to whom, what.
    pub(super) fn relayed(&mut self) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.turn.poll_peer() {
            let path = transmit.path;
            let datagrams = transmit.datagrams();
            sent.extend(datagrams.map(|data| (path.local, path.remote, data.to_vec())));
        }
        sent
    }

    /// The one answer to a request.
    pub(super) fn ask(&mut self, client: &FourTuple, request: &[u8]) -> Answer {
        assert!(self.give(client, request).is_none());
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "one answer");
        let (path, answer) = sent.remove(0);
        assert_eq!(path, *client);
        Answer(answer)
    }
}

/// An answer.
pub(super) struct Answer(pub(super) Vec<u8>);

impl Answer {
    pub(super) fn message(&self) -> Message<'_> {
        Message::read(&self.0).unwrap()
    }

    /// Its error; 0 for success.
    pub(super) fn code(&self) -> u16 {
        let error = self.message().get(ERROR_CODE);
        error.map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    pub(super) fn address(&self, typ: u16) -> SocketAddr {
        let message = self.message();
        read_address(message.get(typ).unwrap(), message.transaction()).unwrap()
    }

    pub(super) fn lifetime(&self) -> u32 {
        let value = self.message().get(LIFETIME).unwrap();
        u32::from_be_bytes(value.try_into().unwrap())
    }
}

/// A client with credentials.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) path: FourTuple,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) nonce: Vec<u8>,
    pub(super) sha256: bool,
}

impl Client {
    /// One with time-limited credentials.
    pub(super) fn new(remote: &str) -> Self {
        let username = format!("{}:me", UNIX + 100);
        let password = time_limited(&SharedSecret("north".to_owned()), &username);
        Self::called(remote, &username, &password)
    }

    /// With a session's credentials.
    pub(super) fn of(remote: &str, issued: &Issued) -> Self {
        let login = issued.until(UNIX + 3600);
        Self::called(remote, &login.username, &login.password)
    }

    pub(super) fn called(remote: &str, username: &str, password: &str) -> Self {
        Self {
            path: FourTuple {
                transport: Transport::Udp,
                local: "192.0.2.1:3478".parse().unwrap(),
                remote: remote.parse().unwrap(),
            },
            username: username.to_owned(),
            password: password.to_owned(),
            nonce: Vec::new(),
            sha256: false,
        }
    }

    pub(super) fn over(mut self, transport: Transport) -> Self {
        self.path.transport = transport;
        self
    }

    pub(super) fn request(
        &self,
        bench: &mut Bench,
        method: Method,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        let transaction = bench.transaction();
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out, method.request(), transaction);
        fill(&mut writer);
        writer.add(USERNAME, self.username.as_bytes());
        writer.add(REALM, OUR_REALM.as_bytes());
        writer.add(NONCE, &self.nonce);
        if self.sha256 {
            writer.add(PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0]);
            writer.add(PASSWORD_ALGORITHM, &[0, 2, 0, 0]);
            let key = integrity::sha256_key(&self.username, OUR_REALM, &self.password);
            writer.integrity_sha256(&key);
        } else {
            writer.integrity(&integrity::md5_key(
                &self.username,
                OUR_REALM,
                &self.password,
            ));
        }
        writer.finish();
        out.to_vec()
    }

    /// Asks; with a nonce from a challenge first, if it has none.
    pub(super) fn ask(
        &mut self,
        bench: &mut Bench,
        method: Method,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Answer {
        if self.nonce.is_empty() {
            self.nonce = challenge(bench, &self.path);
        }
        let request = self.request(bench, method, fill);
        let answer = bench.ask(&self.path, &request);
        let key = match self.sha256 {
            true => integrity::sha256_key(&self.username, OUR_REALM, &self.password).to_vec(),
            false => integrity::md5_key(&self.username, OUR_REALM, &self.password).to_vec(),
        };
        let message = answer.message();
        let is_sealed = message.is_by(&key) || message.is_by_sha256(&key);
        assert!(is_sealed || [400, 401, 438].contains(&answer.code()));
        answer
    }

    pub(super) fn allocate(&mut self, bench: &mut Bench) -> Answer {
        self.ask(bench, Method::Allocate, |writer| {
            writer.add(REQUESTED_TRANSPORT, &UDP)
        })
    }

    /// Allocates, and says where.
    pub(super) fn relay(&mut self, bench: &mut Bench) -> SocketAddr {
        let answer = self.allocate(bench);
        assert_eq!(answer.code(), 0);
        answer.address(XOR_RELAYED_ADDRESS)
    }

    pub(super) fn permit(&mut self, bench: &mut Bench, peer: &str) -> u16 {
        let peer = peer.parse().unwrap();
        let fill = |writer: &mut Writer<'_>| writer.add_address(XOR_PEER_ADDRESS, peer);
        self.ask(bench, Method::CreatePermission, fill).code()
    }

    pub(super) fn bind(&mut self, bench: &mut Bench, number: u16, peer: &str) -> u16 {
        let peer = peer.parse().unwrap();
        let fill = |writer: &mut Writer<'_>| {
            let [a, b] = number.to_be_bytes();
            writer.add(CHANNEL_NUMBER, &[a, b, 0, 0]);
            writer.add_address(XOR_PEER_ADDRESS, peer);
        };
        self.ask(bench, Method::ChannelBind, fill).code()
    }

    pub(super) fn refresh(&mut self, bench: &mut Bench, lifetime: u32) -> Answer {
        let fill = |writer: &mut Writer<'_>| writer.add(LIFETIME, &lifetime.to_be_bytes());
        self.ask(bench, Method::Refresh, fill)
    }

    pub(super) fn send(
        &self,
        bench: &mut Bench,
        peer: &str,
        data: &[u8],
    ) -> Option<(FourTuple, Vec<u8>)> {
        let indication = send_indication(bench, peer, data);
        bench.give(&self.path, &indication)
    }
}

pub(super) const UDP: [u8; 4] = [17, 0, 0, 0];

pub(super) fn send_indication(bench: &mut Bench, peer: &str, data: &[u8]) -> Vec<u8> {
    let transaction = bench.transaction();
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out, Method::Send.indication(), transaction);
    writer.add_address(XOR_PEER_ADDRESS, peer.parse().unwrap());
    writer.add(DATA, data);
    writer.finish();
    out.to_vec()
}

/// Channel data.
pub(super) fn channel(number: u16, data: &[u8]) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
    out
}

/// A request of somebody who says nothing of who it is.
pub(super) fn bare(bench: &mut Bench, method: Method) -> Vec<u8> {
    let transaction = bench.transaction();
    let mut out = BytesMut::new();
    Writer::new(&mut out, method.request(), transaction).finish();
    out.to_vec()
}

/// A nonce, from a challenge.
pub(super) fn challenge(bench: &mut Bench, client: &FourTuple) -> Vec<u8> {
    let request = bare(bench, Method::Allocate);
    let answer = bench.ask(client, &request);
    assert_eq!(answer.code(), 401);
    assert_eq!(answer.message().get(REALM), Some(OUR_REALM.as_bytes()));
    answer.message().get(NONCE).unwrap().to_vec()
}
