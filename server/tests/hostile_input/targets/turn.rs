//! Datagrams of TURN's clients and peers, before and after there is an allocation.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::net::stun::attribute::{
    CHANNEL_NUMBER, CONNECTION_ID, MOBILITY_TICKET, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME,
    XOR_PEER_ADDRESS,
};
use ferrite_server::media::net::stun::integrity::md5_key;
use ferrite_server::media::net::stun::{Message, MessageType, Method, TransactionId, Writer};
use ferrite_server::turn::access::Access;
use ferrite_server::turn::allocation::RelayedTransport;
use ferrite_server::turn::bandwidth::Direction;
use ferrite_server::turn::connections::ConnectionId;
use ferrite_server::turn::credentials::{self, Credentials, SharedSecret, time_limited};
use ferrite_server::turn::nonce::Nonces;
use ferrite_server::turn::places::Places;
use ferrite_server::turn::ports::Ports;
use ferrite_server::turn::refusal::Refusal;
use ferrite_server::turn::server::{Host, Shared, Turn};

use super::input::Input;

const UNIX: u64 = 1_800_000_000;
const USER: &str = "1800100000:me";
const PEER: &str = "198.100.1.1:7000";

const PLACES: Places = Places {
    addresses: [
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)),
    ],
    ports: [3478, 3479],
};

#[derive(Default)]
struct Machine {
    open: Vec<SocketAddr>,
    /// Those that peers have not accepted.
    connecting: Vec<ConnectionId>,
    /// The newest that was begun.
    newest: Option<ConnectionId>,
    random: u8,
}

impl Host for Machine {
    fn unix_time(&self) -> u64 {
        UNIX
    }

    fn random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.random = self.random.wrapping_mul(5).wrapping_add(7);
            *byte = self.random;
        }
    }

    fn address(&self, _: IpAddr, ipv6: bool) -> Option<(IpAddr, IpAddr)> {
        let own = if ipv6 { "2001:db8::1" } else { "203.0.113.1" };
        own.parse().ok().map(|own| (own, own))
    }

    fn is_own(&self, own: IpAddr) -> bool {
        own.to_string() == "203.0.113.1"
    }

    fn is_here(&self, address: IpAddr) -> bool {
        self.is_own(address)
    }

    fn open(&mut self, bound: SocketAddr, _: RelayedTransport) -> bool {
        assert!(!self.open.contains(&bound), "opened twice");
        self.open.push(bound);
        // Every other time there is none to be had.
        let opened = self.open.len() % 2 == 1;
        if !opened {
            self.open.pop();
        }
        opened
    }

    fn connect(
        &mut self,
        id: ConnectionId,
        bound: SocketAddr,
        peer: SocketAddr,
    ) -> Result<(), Refusal> {
        assert!(self.open.contains(&bound), "{bound} is not open");
        assert!(Access::default().admits(peer.ip()), "{peer}");
        self.connecting.push(id);
        self.newest = Some(id);
        Ok(())
    }

    fn end(&mut self, id: ConnectionId) {
        self.connecting.retain(|known| *known != id);
    }

    fn close(&mut self, bound: SocketAddr, _: RelayedTransport) {
        let at = self.open.iter().position(|known| *known == bound);
        self.open.swap_remove(at.expect("what is closed was open"));
    }
}

struct World {
    now: Instant,
    turn: Turn,
    shared: Arc<Shared>,
    machine: Machine,
    transactions: u8,
    /// The newest that a client was given.
    ticket: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let secret = SharedSecret("north".to_owned());
        let shared = Shared::new(
            Access::default(),
            Arc::new(Credentials::new(vec![secret])),
            Ports::new(50_000..=50_003),
            Nonces::new(&[9; 32]),
            3478,
        );
        let shared = shared.discovering(Some(PLACES)).carrying_streams(true);
        let shared = Arc::new(shared);
        Self {
            now,
            turn: Turn::new(now, shared.clone(), 0),
            shared,
            machine: Machine::default(),
            transactions: 0,
            ticket: Vec::new(),
        }
    }

    fn give(&mut self, client: &FourTuple, datagram: &[u8]) {
        let own = (self.turn).handle_client(self.now, client, datagram, &mut self.machine);
        if let Some((path, data)) = own {
            assert_eq!(path.transport, Transport::Relayed);
            assert_eq!(path.local.to_string(), "203.0.113.1:3478");
            assert!(data.len() <= datagram.len());
        }
        self.check();
    }

    /// The same at one of the four places; or at another address.
    fn give_at(&mut self, at: u8, client: &FourTuple, datagram: &[u8]) {
        let (address, port) = (usize::from(at & 1), usize::from(at >> 1 & 1));
        let local = SocketAddr::new(PLACES.addresses[address], PLACES.ports[port]);
        let client = match at & 4 {
            0 => *client,
            _ => FourTuple { local, ..*client },
        };
        match client.local.port() == PLACES.ports[1] {
            true => self.turn.handle_second_port(self.now, &client, datagram),
            false => return self.give(&client, datagram),
        }
        assert!(self.turn.len() <= 4);
        self.check();
    }

    /// A message with these attributes, whatever they are, sealed as one of the user's.
    fn give_sealed(
        &mut self,
        client: &FourTuple,
        typ: u16,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) {
        self.transactions = self.transactions.wrapping_add(1);
        let secret = SharedSecret("north".to_owned());
        let key = md5_key(USER, credentials::REALM, &time_limited(&secret, USER));
        let nonce = self.shared.nonces.make(UNIX, client);
        let mut out = BytesMut::new();
        let transaction = TransactionId([self.transactions; 12]);
        let mut writer = Writer::new(&mut out, MessageType(typ), transaction);
        attributes(&mut writer);
        writer.add(USERNAME, USER.as_bytes());
        writer.add(REALM, credentials::REALM.as_bytes());
        writer.add(NONCE, nonce.as_bytes());
        writer.integrity(&key);
        writer.finish();
        self.give(client, &out);
    }

    /// Binds channels to a peer and to this server itself.
    fn bind(&mut self, client: &FourTuple) {
        for (number, peer) in [(0x40, PEER), (0x41, "203.0.113.1:3478")] {
            self.give_sealed(client, Method::ChannelBind.request().0, |writer| {
                writer.add(CHANNEL_NUMBER, &[number, 0, 0, 0]);
                writer.add_address(XOR_PEER_ADDRESS, peer.parse().unwrap());
            });
        }
    }

    /// Nobody inside is reached; what is sent and held has a bound.
    fn check(&mut self) {
        while let Some(transmit) = self.turn.poll_peer() {
            let (from, to) = (transmit.path.local, transmit.path.remote);
            assert!(self.machine.open.contains(&from), "{from} is not open");
            assert!(Access::default().admits(to.ip()), "{to}");
        }
        let mut sent = 0;
        while let Some(transmit) = self.turn.poll_client() {
            sent += transmit.count();
            let FourTuple { local, remote, .. } = transmit.path;
            assert!(
                (0..4).any(|number| client(number).remote == remote),
                "{remote}"
            );
            let is_place = PLACES.addresses.contains(&local.ip());
            assert!(is_place && PLACES.ports.contains(&local.port()), "{local}");
            let message = Message::read(&transmit.data);
            if let Some(ticket) = message.and_then(|message| message.get(MOBILITY_TICKET)) {
                self.ticket = ticket.to_vec();
            }
        }
        assert!(sent <= 1, "{sent} answers");
        assert!(
            self.turn.poll_handed_over().is_none(),
            "there is no other shard"
        );
        assert!(self.turn.len() <= 4 && self.machine.open.len() <= self.turn.len());
    }

    fn play(&mut self, input: &[u8]) {
        let mut input = Input(input);
        let mut steps = 0;
        while !input.is_empty() && steps < 256 {
            steps += 1;
            let choice = input.u8();
            let client = client(choice >> 6);
            match choice & 7 {
                0 | 1 => self.give_at(choice >> 3 & 7, &client, input.piece()),
                2 | 3 => self.give_made(choice, &client, &mut input),
                4 => {
                    let peer = SocketAddr::new(input.u32().to_be_bytes().into(), input.u16());
                    let port = 50_000 + u16::from(input.u8() % 4);
                    match choice & 8 {
                        0 => self.turn.handle_peer(self.now, port, peer, input.piece()),
                        _ => self.arrive(port, peer),
                    }
                    self.check();
                }
                5 if choice & 8 != 0 => {
                    let port = 50_000 + u16::from(input.u8() % 4);
                    if let Some(id) = self.machine.connecting.pop() {
                        let heard = (id, choice & 16 != 0);
                        (self.turn).handle_connected(self.now, port, heard, &mut self.machine);
                    }
                    self.check();
                }
                5 => {
                    let port = 50_000 + u16::from(input.u8() % 4);
                    let peer = PEER.parse().unwrap();
                    self.turn.handle_peer(self.now, port, peer, input.piece());
                    self.check();
                }
                6 => {
                    self.now += Duration::from_secs(input.u16().into());
                    self.turn.handle_timeout(self.now, &mut self.machine);
                    // Each that waited may have its answer.
                    while self.turn.poll_client().is_some() {}
                }
                7 if choice & 8 != 0 => self.carry(choice & 16 != 0),
                _ => self.turn.handle_closed(&client, &mut self.machine),
            }
        }
        self.now += Duration::from_secs(4000);
        self.turn.handle_timeout(self.now, &mut self.machine);
        assert!(self.turn.is_empty() && self.machine.open.is_empty());
        assert!(self.shared.quotas.is_empty() && self.shared.connection_quotas.is_empty());
        assert!(self.shared.connections.is_empty() && self.machine.connecting.is_empty());
    }

    /// A request of any content, sealed as the user's, with a ticket or a connection's number if there are any.
    fn give_made(&mut self, choice: u8, client: &FourTuple, input: &mut Input<'_>) {
        let (typ, mut attributes) = (input.u16(), Input(input.piece()));
        let ticket = (choice & 8 != 0).then(|| self.ticket.clone());
        let id = self.machine.newest.filter(|_| choice & 16 != 0);
        self.give_sealed(client, typ, |writer| {
            if let Some(ConnectionId(id)) = id {
                writer.add(CONNECTION_ID, &id.to_be_bytes());
            }
            if let Some(ticket) = ticket {
                writer.add(MOBILITY_TICKET, &ticket);
            }
            while !attributes.is_empty() {
                let typ = attributes.u16();
                writer.add(typ, attributes.piece());
            }
        });
    }

    /// What is joined carries something, and may end.
    fn carry(&mut self, ends: bool) {
        while let Some((path, _, link)) = self.turn.poll_joined() {
            assert_eq!(path.transport, Transport::Tcp);
            link.count(self.now, Direction::Up, 7);
            if ends {
                link.end();
            }
        }
    }

    /// A peer connects.
    fn arrive(&mut self, port: u16, peer: SocketAddr) {
        let id = (self.turn).handle_accepted(self.now, port, peer, &mut self.machine);
        assert!(
            id.is_none() || Access::default().admits(peer.ip()),
            "{peer}"
        );
        self.machine.newest = id.or(self.machine.newest);
    }
}

fn client(number: u8) -> FourTuple {
    FourTuple {
        transport: if number & 1 == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        },
        local: "203.0.113.1:3478".parse().unwrap(),
        remote: SocketAddr::new([198, 51, 100, 7].into(), 4000 + u16::from(number)),
    }
}

/// Nobody has an allocation.
pub fn new(input: &[u8]) {
    World::new().play(input);
}

/// The same, and its client has moved, but sent nothing yet.
pub fn moved(input: &[u8]) {
    let mut world = World::new();
    let (before, client) = (client(0), client(2));
    world.give_sealed(&before, Method::Allocate.request().0, |writer| {
        writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        writer.add(MOBILITY_TICKET, &[]);
    });
    world.bind(&before);
    let ticket = world.ticket.clone();
    world.give_sealed(&client, Method::Refresh.request().0, |writer| {
        writer.add(MOBILITY_TICKET, &ticket);
    });
    assert!(world.turn.len() == 1 && world.ticket != ticket);
    world.play(input);
}

/// One client has one, with a peer by permission and by channel, and this server itself.
pub fn allocated(input: &[u8]) {
    let mut world = World::new();
    let client = client(0);
    world.give_sealed(&client, Method::Allocate.request().0, |writer| {
        writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    world.bind(&client);
    assert_eq!(world.turn.len(), 1);
    world.play(input);
}

/// One client has a relay of TCP, which connects to a peer that may connect to it, too.
pub fn streams(input: &[u8]) {
    let mut world = World::new();
    let client = client(1);
    world.give_sealed(&client, Method::Allocate.request().0, |writer| {
        writer.add(REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    });
    for method in [Method::CreatePermission, Method::Connect] {
        world.give_sealed(&client, method.request().0, |writer| {
            writer.add_address(XOR_PEER_ADDRESS, PEER.parse().unwrap());
        });
    }
    assert!(world.turn.len() == 1 && world.machine.connecting.len() == 1);
    world.play(input);
}
