//! What stands around a shard of several: its way to the others, which loses things and is full now and then, its
//! sockets and connections, and whom it tells.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::outbox::Transmit;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::shard::command::Command;
use ferrite_server::media::shard::outlet::Outlet;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What goes wrong between the shards.
#[derive(Clone, Copy)]
pub struct Trouble {
    /// The share of commands that find a full mailbox.
    pub full: f64,
    /// The share of datagrams that do.
    pub lost: f64,
    /// What a command waits at the most.
    pub slow: Duration,
}

impl Trouble {
    pub const NONE: Self = Self {
        full: 0.0,
        lost: 0.0,
        slow: Duration::ZERO,
    };
}

/// What one shard gives another.
pub enum Letter {
    Command(Command),
    /// To be sent over a connection of the other's.
    Relay {
        path: FourTuple,
        data: BytesMut,
    },
}

/// One shard's surroundings.
pub struct Surroundings {
    index: usize,
    shards: usize,
    rng: StdRng,
    pub trouble: Trouble,
    pub sent: Vec<(FourTuple, BytesMut)>,
    pub letters: Vec<(usize, Letter)>,
    pub ended: Vec<PeerId>,
    pub deserted: HashSet<PeerId>,
    pub told: Vec<(PeerId, PeerEvent)>,
}

impl Surroundings {
    /// Those of this one of so many shards.
    pub fn new(seed: u64, index: usize, shards: usize) -> Self {
        Self {
            index,
            shards,
            rng: StdRng::seed_from_u64(seed ^ index as u64),
            trouble: Trouble::NONE,
            sent: Vec::new(),
            letters: Vec::new(),
            ended: Vec::new(),
            deserted: HashSet::new(),
            told: Vec::new(),
        }
    }

    /// Sends over a connection of its own, where that is one.
    pub fn send_connected(&mut self, path: FourTuple, data: BytesMut) {
        if self.has_connection(&path) {
            self.sent.push((path, data));
        }
    }
}

/// The shard that the kernel gives a path to, and keeps it with.
pub fn shard_of(remote: &SocketAddr, shards: usize) -> usize {
    usize::from(remote.port()) % shards
}

impl Outlet for Surroundings {
    fn send_udp(&mut self, transmit: Transmit) {
        let datagrams = transmit.datagrams();
        let datagrams = datagrams.map(|datagram| (transmit.path, datagram.into()));
        self.sent.extend(datagrams);
    }

    fn has_connection(&self, path: &FourTuple) -> bool {
        let is_here = shard_of(&path.remote, self.shards) == self.index;
        path.transport == Transport::Tcp && is_here
    }

    fn send_tcp(
        &mut self,
        _: Instant,
        path: &FourTuple,
        data: BytesMut,
        _: Option<Instant>,
    ) -> bool {
        self.send_connected(*path, data);
        false
    }

    fn introduce(&mut self, _: Instant, _: &FourTuple) {}

    fn dismiss(&mut self, _: Instant, _: &FourTuple) {}

    fn relay(&mut self, shard: usize, path: FourTuple, data: BytesMut) {
        if !self.rng.random_bool(self.trouble.lost) {
            self.letters.push((shard, Letter::Relay { path, data }));
        }
    }

    fn command(&mut self, shard: usize, command: Command) -> Result<(), Command> {
        let refused = match command {
            Command::Landed { .. } | Command::Media { .. } | Command::Lossy { .. } => {
                self.trouble.lost
            }
            Command::Adopt { .. }
            | Command::Agree { .. }
            | Command::SetPlan { .. }
            | Command::Send { .. }
            | Command::Heard { .. }
            | Command::Testify { .. }
            | Command::Close { .. }
            | Command::Interest { .. }
            | Command::Wish { .. }
            | Command::StartedOver { .. } => self.trouble.full,
        };
        if self.rng.random_bool(refused) {
            return Err(command);
        }
        self.letters.push((shard, Letter::Command(command)));
        Ok(())
    }

    fn tell(&mut self, id: PeerId, event: PeerEvent) -> Result<(), PeerEvent> {
        match event {
            PeerEvent::State { .. } => {}
            PeerEvent::Channel(_)
            | PeerEvent::Voice { .. }
            | PeerEvent::Messages(_)
            | PeerEvent::Sent
            | PeerEvent::Candidates
            | PeerEvent::Evidence(_)
            | PeerEvent::Paused(_)
            | PeerEvent::Watched(_)
            | PeerEvent::Quality(_) => {
                self.told.push((id, event));
            }
        }
        Ok(())
    }

    fn listens(&self, id: PeerId) -> bool {
        !self.deserted.contains(&id)
    }

    fn forget(&mut self, id: PeerId) {
        self.ended.push(id);
    }
}
