//! Servers, and a client of theirs, in virtual time.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::super::bench::*;
use super::ANN;
use crate::media::id::PeerId;
use crate::media::net::outbox::Outbox;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::relayed::account::{Link, TurnServer};
use crate::media::net::relayed::allocation::Granted;
use crate::media::net::relayed::client::{News, RelayClient};
use crate::media::net::relayed::permissions::Admission;
use crate::media::net::stun::attribute::{XOR_PEER_ADDRESS, read_address};
use crate::media::net::stun::{Message, Method};

/// Servers, and a client of theirs.
pub(super) struct World {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) servers: Vec<Bench>,
    pub(super) is_away: Vec<bool>,
    pub(super) client: RelayClient,
    /// What the client's peers are given.
    pub(super) given: Vec<(FourTuple, Vec<u8>)>,
    /// So many datagrams to the servers are lost.
    pub(super) lose: usize,
    pub(super) news: Vec<News>,
    /// What was sent to servers, the newest last.
    pub(super) asked: Vec<Vec<u8>>,
    /// The peers that are no more.
    pub(super) gone: Vec<PeerId>,
}

pub(super) fn address(at: usize) -> SocketAddr {
    SocketAddr::new([192, 0, 2, 1 + at as u8].into(), MEDIA_PORT)
}

pub(super) fn server(at: usize, password: Option<&str>) -> TurnServer {
    let client = Client::new("198.51.100.7:4000");
    TurnServer {
        name: format!("turn{at}"),
        address: address(at),
        username: client.username,
        credential: password.map_or(client.password, str::to_owned),
        link: Link::Udp,
    }
}

impl World {
    pub(super) fn new(count: usize) -> Self {
        Self::with((0..count).map(|at| server(at, None)).collect())
    }

    /// A server that is reached by a connection.
    pub(super) fn by_connection() -> Self {
        Self::with(vec![TurnServer {
            link: Link::Tcp,
            ..server(0, None)
        }])
    }

    pub(super) fn with(servers: Vec<TurnServer>) -> Self {
        let benches: Vec<_> = servers.iter().map(|_| Bench::new()).collect();
        let now = benches[0].now;
        let mut client = RelayClient::new(now, Admission::default(), [7; 32]);
        client.set_servers(now, servers);
        let mut this = Self {
            start: now,
            now,
            is_away: vec![false; benches.len()],
            servers: benches,
            client,
            given: Vec::new(),
            lose: 0,
            news: Vec::new(),
            asked: Vec::new(),
            gone: Vec::new(),
        };
        this.exchange();
        this
    }

    /// Has everything that is under way arrive.
    pub(super) fn exchange(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            let (number, server) = self.client.socket().expect("it is sent by a socket");
            let to = server.address;
            assert_eq!(transmit.path.remote, to);
            let transport = transmit.path.transport;
            for datagram in transmit.datagrams() {
                self.asked.push(datagram.to_vec());
                if self.lose > 0 {
                    self.lose -= 1;
                } else {
                    self.deliver(number, (transport, to), datagram);
                }
            }
        }
        self.news.extend(self.client.take_news());
    }

    pub(super) fn deliver(
        &mut self,
        number: u64,
        (transport, to): (Transport, SocketAddr),
        datagram: &[u8],
    ) {
        let at = (0..self.servers.len()).find(|at| address(*at) == to);
        let at = at.expect("there is such a server");
        if self.is_away[at] {
            return;
        }
        let bench = &mut self.servers[at];
        let path = FourTuple {
            transport,
            local: to,
            remote: SocketAddr::new([198, 51, 100, 7].into(), 4000 + number as u16),
        };
        assert!(bench.give(&path, datagram).is_none());
        self.hear(at);
    }

    /// What a server sends arrives.
    pub(super) fn hear(&mut self, at: usize) {
        for (_, datagram) in self.servers[at].sent() {
            let from = address(at);
            let given = self.client.handle_datagram(self.now, from, &datagram);
            let given = given.map(|(path, data)| (path, data.to_vec()));
            self.given.extend(given);
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.now += Duration::from_millis(500);
            for bench in &mut self.servers {
                bench.now = self.now;
                bench.turn.handle_timeout(self.now, &mut bench.machine);
                bench.machine.unix = UNIX + (self.now - self.start).as_secs();
            }
            let gone = &self.gone;
            (self.client).handle_timeout(self.now, |id| !gone.contains(&id));
            self.exchange();
        }
    }

    pub(super) fn at(&self) -> Option<SocketAddr> {
        self.client.socket().map(|(_, server)| server.address)
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.client.socket().map(|(number, _)| number)
    }

    pub(super) fn granted(&self) -> Granted {
        self.client.granted().expect("there is an allocation")
    }

    /// The peer sends something to the relayed address.
    pub(super) fn peer_sends(&mut self, at: usize, peer: &str, data: &[u8]) {
        let (port, now) = (self.granted().relayed.port(), self.now);
        let bench = &mut self.servers[at];
        (bench.turn).handle_peer(now, port, peer.parse().unwrap(), data);
        self.hear(at);
    }

    /// Something is sent to it from there. What it was sent.
    pub(super) fn send(&mut self, at: usize, peer: &str, data: &[u8]) -> Vec<Vec<u8>> {
        let path = self.path(peer);
        let mut outbox = Outbox::default();
        outbox.push(&path, BytesMut::from(data));
        while let Some(transmit) = outbox.pop() {
            self.client.send(self.now, &transmit);
        }
        self.exchange();
        let relayed = self.servers[at].relayed().into_iter();
        let for_peer = relayed.filter(|(_, to, _)| *to == path.remote);
        for_peer.map(|(_, _, data)| data).collect()
    }

    pub(super) fn path(&self, peer: &str) -> FourTuple {
        FourTuple {
            transport: Transport::Allocated,
            local: self.granted().relayed,
            remote: peer.parse().unwrap(),
        }
    }

    pub(super) fn permit(&mut self, peer: &str) {
        let peer: SocketAddr = peer.parse().unwrap();
        self.client.permit(self.now, ANN, peer.ip(), &[]);
        self.exchange();
    }

    /// A peer's client comes from there, and says that it is at more addresses.
    pub(super) fn permit_named(&mut self, id: u64, own: IpAddr, named: &[IpAddr]) {
        self.client.permit(self.now, PeerId(id), own, named);
        self.exchange();
    }

    /// What it is asked to let in, each time that it is.
    pub(super) fn permits(&self) -> Vec<IpAddr> {
        let messages = self.asked.iter().filter_map(|it| Message::read(it));
        let typ = Method::CreatePermission.request();
        let permits = messages.filter(|it| it.typ() == typ);
        let address = |it: Message<'_>| read_address(it.get(XOR_PEER_ADDRESS)?, it.transaction());
        permits.filter_map(address).map(|it| it.ip()).collect()
    }

    /// What is asked now, and arrives nowhere.
    pub(super) fn take_asked(&mut self) -> Vec<Vec<u8>> {
        let transmits = std::iter::from_fn(|| self.client.poll_transmit());
        transmits.map(|it| it.data.to_vec()).collect()
    }

    /// Whether packets come and go.
    pub(super) fn works(&mut self, at: usize) -> bool {
        self.given.clear();
        self.peer_sends(at, PEER, b"there");
        let came = (self.path(PEER), b"there".to_vec());
        let sent = self.send(at, PEER, b"back");
        self.given == [came] && sent == [b"back"]
    }
}
