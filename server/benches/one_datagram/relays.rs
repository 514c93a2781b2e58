//! Datagrams of a client of the TURN server's, with and without credentials, and of a peer of its relay.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::net::stun::attribute::{
    CHANNEL_NUMBER, DATA, LIFETIME, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_PEER_ADDRESS,
};
use ferrite_server::media::net::stun::integrity::md5_key;
use ferrite_server::media::net::stun::{Method, TransactionId, Writer};
use ferrite_server::turn::access::Access;
use ferrite_server::turn::allocation::RelayedTransport;
use ferrite_server::turn::connections::ConnectionId;
use ferrite_server::turn::credentials::{self, Credentials, SharedSecret, time_limited};
use ferrite_server::turn::nonce::Nonces;
use ferrite_server::turn::ports::Ports;
use ferrite_server::turn::refusal::Refusal;
use ferrite_server::turn::server::{Host, Shared, Turn};

use crate::{Sample, Table};

const SAMPLES: usize = 400;
const UNIX: u64 = 1_800_000_000;
const USER: &str = "1800100000:me";
const SECRET: &str = "north";
const PEER: &str = "198.100.1.1:7000";
const CHANNEL: [u8; 2] = [0x40, 0];
const MEDIA_PORT: u16 = 3478;
const FIRST_PORT: u16 = 50_000;

/// Other clients with relays, of whom the tables are full.
const OTHERS: u16 = 2000;

/// A machine that opens what it is asked for.
#[derive(Default)]
struct Machine(u64);

impl Host for Machine {
    fn unix_time(&self) -> u64 {
        UNIX
    }

    fn random(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
    }

    fn address(&self, _: IpAddr, _: bool) -> Option<(IpAddr, IpAddr)> {
        let own = [203, 0, 113, 1].into();
        Some((own, own))
    }

    fn is_own(&self, own: IpAddr) -> bool {
        own == IpAddr::from([203, 0, 113, 1])
    }

    fn is_here(&self, own: IpAddr) -> bool {
        self.is_own(own)
    }

    fn open(&mut self, _: SocketAddr, _: RelayedTransport) -> bool {
        true
    }

    fn connect(&mut self, _: ConnectionId, _: SocketAddr, _: SocketAddr) -> Result<(), Refusal> {
        Ok(())
    }

    fn end(&mut self, _: ConnectionId) {}

    fn close(&mut self, _: SocketAddr, _: RelayedTransport) {}
}

struct World {
    now: Instant,
    turn: Turn,
    shared: Arc<Shared>,
    machine: Machine,
    transactions: u32,
    /// Whose turn it is, and who came last.
    number: u16,
    last: u16,
    /// The port that something left from last.
    relay: u16,
}

type Kind = (&'static str, fn(&mut World) -> Vec<u8>);

const KINDS: &[Kind] = &[
    ("TURN: a request for one's address", |world| {
        world.bare(Method::Binding)
    }),
    ("TURN: allocate without credentials", |world| {
        world.next_client();
        world.bare(Method::Allocate)
    }),
    ("TURN: allocate with a wrong password", |world| {
        world.next_client();
        world.sealed(Method::Allocate, "guessed", allocate)
    }),
    ("TURN: allocate with a nonce made up", |world| {
        world.next_client();
        world.sealed_with(Method::Allocate, "guessed", &[b'n'; 80], allocate)
    }),
    ("TURN: allocate", |world| {
        world.next_client();
        world.sealed(Method::Allocate, SECRET, allocate)
    }),
    ("TURN: refresh", |world| {
        world.sealed(Method::Refresh, SECRET, |writer| {
            writer.add(LIFETIME, &600_u32.to_be_bytes());
        })
    }),
    ("TURN: permissions, as many as fit", |world| {
        let first = world.transactions;
        world.sealed(Method::CreatePermission, SECRET, |writer| {
            (0..24).for_each(|at| {
                let ip = 0xC664_0000 + (first * 24 + at) % 60_000;
                writer.add_address(XOR_PEER_ADDRESS, (ip.to_be_bytes(), 7000).into());
            });
        })
    }),
    ("TURN: a channel", |world| {
        let number = 1 + world.transactions as u16 % 1000;
        world.sealed(Method::ChannelBind, SECRET, |writer| {
            let [a, b] = (0x4000 + number).to_be_bytes();
            writer.add(CHANNEL_NUMBER, &[a, b, 0, 0]);
            let peer = ([198, 101, (number >> 8) as u8, number as u8], 7000);
            writer.add_address(XOR_PEER_ADDRESS, peer.into());
        })
    }),
    ("TURN: channel data", |_| {
        let mut out = CHANNEL.to_vec();
        out.extend(1000_u16.to_be_bytes());
        out.resize(1004, 7);
        out
    }),
    ("TURN: channel data of no channel", |_| {
        let mut out = vec![0x4F, 0xFF];
        out.extend(1000_u16.to_be_bytes());
        out.resize(1004, 7);
        out
    }),
    ("TURN: send indication", |world| {
        world.written(Method::Send.indication(), |writer| {
            writer.add_address(XOR_PEER_ADDRESS, PEER.parse().unwrap());
            writer.add(DATA, &[7; 1000]);
        })
    }),
];

fn allocate(writer: &mut Writer<'_>) {
    writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let secret = SharedSecret(SECRET.to_owned());
        let shared = Arc::new(Shared::new(
            Access::default(),
            Arc::new(Credentials::new(vec![secret])),
            Ports::new(FIRST_PORT..=FIRST_PORT + 9999),
            Nonces::new(&[9; 32]),
            MEDIA_PORT,
        ));
        let mut world = Self {
            now,
            turn: Turn::new(now, shared.clone(), 0),
            shared,
            machine: Machine::default(),
            transactions: 0,
            number: 0,
            last: 0,
            relay: 0,
        };
        for _ in 0..OTHERS {
            world.next_client();
            let request = world.sealed(Method::Allocate, SECRET, allocate);
            world.take(&request);
        }
        world.number = 1;
        let channel = world.sealed(Method::ChannelBind, SECRET, |writer| {
            writer.add(CHANNEL_NUMBER, &[CHANNEL[0], CHANNEL[1], 0, 0]);
            writer.add_address(XOR_PEER_ADDRESS, PEER.parse().unwrap());
        });
        world.take(&channel);
        world
    }

    fn next_client(&mut self) {
        self.last += 1;
        self.number = self.last;
    }

    fn take(&mut self, datagram: &[u8]) -> Duration {
        let began = Instant::now();
        let client = client(self.number);
        let own = (self.turn).handle_client(self.now, &client, datagram, &mut self.machine);
        std::hint::black_box(own.is_some());
        while let Some(transmit) = self.turn.poll_client() {
            std::hint::black_box(transmit.data.len());
        }
        while let Some(transmit) = self.turn.poll_peer() {
            self.relay = transmit.path.local.port();
        }
        began.elapsed()
    }

    fn written(
        &mut self,
        typ: ferrite_server::media::net::stun::MessageType,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        self.transactions += 1;
        let mut transaction = TransactionId([1; 12]);
        transaction.0[..4].copy_from_slice(&self.transactions.to_be_bytes());
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out, typ, transaction);
        fill(&mut writer);
        writer.finish();
        out.to_vec()
    }

    fn bare(&mut self, method: Method) -> Vec<u8> {
        self.written(method.request(), |_| {})
    }

    fn sealed(
        &mut self,
        method: Method,
        secret: &str,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        let nonce = self.shared.nonces.make(UNIX, &client(self.number));
        self.sealed_with(method, secret, nonce.as_bytes(), fill)
    }

    fn sealed_with(
        &mut self,
        method: Method,
        secret: &str,
        nonce: &[u8],
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        let user = format!("{USER}{}", self.number / 32);
        let password = time_limited(&SharedSecret(secret.to_owned()), &user);
        let key = md5_key(&user, credentials::REALM, &password);
        self.written(method.request(), |writer| {
            fill(writer);
            writer.add(USERNAME, user.as_bytes());
            writer.add(REALM, credentials::REALM.as_bytes());
            writer.add(NONCE, nonce);
            writer.integrity(&key);
        })
    }
}

/// Each source has some of them.
fn client(number: u16) -> FourTuple {
    FourTuple {
        transport: Transport::Udp,
        local: "203.0.113.1:3478".parse().unwrap(),
        remote: SocketAddr::new(
            [198, 51, (number >> 8) as u8, 7].into(),
            4000 + number % 256,
        ),
    }
}

pub fn measure(table: &mut Table) {
    for (name, next) in KINDS {
        if !table.wants(name) {
            continue;
        }
        let mut world = World::new();
        table.row(name, SAMPLES, || {
            // Strangers are answered so often.
            world.now += Duration::from_millis(25);
            let datagram = next(&mut world);
            let time = world.take(&datagram);
            world.number = 1;
            Sample {
                time,
                total: time,
                bytes: datagram.len(),
                receivers: 1,
            }
        });
    }
    if table.wants("TURN: from a peer to a relay") {
        let mut world = World::new();
        let (_, channel_data) = KINDS[8];
        let datagram = channel_data(&mut world);
        world.take(&datagram);
        table.row("TURN: from a peer to a relay", SAMPLES, || {
            let began = Instant::now();
            let peer = PEER.parse().unwrap();
            (world.turn).handle_peer(world.now, world.relay, peer, &[7; 1000]);
            while world.turn.poll_client().is_some() {}
            let time = began.elapsed();
            Sample {
                time,
                total: time,
                bytes: 1000,
                receivers: 1,
            }
        });
    }
}
