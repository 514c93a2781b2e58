//! A shard's answer to what its core asks for: what leaves goes by the sockets of the media port, by TCP connections, by
//! DTLS's port, or to other shards.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::BytesMut;

use crate::media::event::PeerEvent;
use crate::media::id::PeerId;
use crate::media::net::buffers;
use crate::media::net::departures::Departures;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::tcp::{Received, Tcp};
use crate::media::net::udp::Socket;
use crate::media::shard::command::Command;
use crate::media::shard::mailbox::Mail;
use crate::media::shard::outlet::Outlet;
use crate::media::shard::sealed::Sealed;
use crate::media::shard::shards::Shards;

/// The thread's answer to what its core asks for.
pub(super) struct Wires {
    pub(super) sockets: Vec<Socket>,
    pub(super) departures: Departures,
    pub(super) tcp: Tcp,
    /// What is sealed by DTLS, if anything is.
    pub(super) sealed: Option<Sealed>,
    pub(super) shards: Shards,
    pub(super) dropped: Arc<AtomicU64>,
    /// What is for a guest to send on.
    pub(super) relayed: Vec<Transmit>,
    /// What goes by an allocation of ours.
    pub(super) allocated: Vec<Transmit>,
}

impl Wires {
    /// Has another shard's guest send datagrams on.
    pub(super) fn relay_each(&mut self, shard: usize, transmit: &Transmit) {
        for datagram in transmit.datagrams() {
            self.relay(shard, transmit.path, BytesMut::from(datagram));
        }
    }

    /// Sends what a guest has for a client.
    pub(super) fn send_guests(&mut self, now: Instant, transmit: Transmit) {
        let Transmit { path, expires, .. } = transmit;
        match path.transport {
            Transport::Tcp => _ = self.tcp.send(now, &path, transmit.data, expires),
            Transport::Dtls => {
                if let Some(sealed) = &mut self.sealed {
                    sealed.send(now, &transmit);
                }
                buffers::give_back(transmit.data);
            }
            Transport::Udp | Transport::Relayed | Transport::Allocated => self.send_udp(transmit),
        }
    }

    /// Sends what gathered in this turn.
    pub(super) fn flush(&mut self) {
        self.departures.flush(&self.sockets, &self.dropped);
        if let Some(sealed) = &mut self.sealed {
            sealed.flush(&self.dropped);
        }
        self.tcp.flush(Instant::now());
    }

    /// Ends the connections that nobody uses.
    pub(super) fn sweep(&mut self, now: Instant, received: &mut Received) {
        self.tcp.sweep(now, received);
        if let Some(sealed) = &mut self.sealed {
            sealed.sweep(now, received);
        }
    }

    /// Ends the associations of DTLS.
    pub(super) fn end_sealed(&mut self, now: Instant) {
        if let Some(sealed) = &mut self.sealed {
            sealed.end_all(now);
        }
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.tcp.len() + self.sealed.as_ref().map_or(0, Sealed::len)
    }
}

impl Outlet for Wires {
    fn send_udp(&mut self, transmit: Transmit) {
        match transmit.path.transport {
            Transport::Relayed => self.relayed.push(transmit),
            Transport::Allocated => self.allocated.push(transmit),
            Transport::Udp | Transport::Tcp | Transport::Dtls => {
                (self.departures).push(&self.sockets, transmit, &self.dropped);
            }
        }
    }

    fn has_connection(&self, path: &FourTuple) -> bool {
        self.tcp.has(path)
    }

    fn send_tcp(
        &mut self,
        now: Instant,
        path: &FourTuple,
        data: BytesMut,
        expires: Option<Instant>,
    ) -> bool {
        self.tcp.send(now, path, data, expires)
    }

    fn introduce(&mut self, now: Instant, path: &FourTuple) {
        self.tcp.introduce(now, path);
        if let Some(sealed) = &mut self.sealed {
            sealed.introduce(now, path);
        }
    }

    fn dismiss(&mut self, now: Instant, path: &FourTuple) {
        self.tcp.dismiss(now, path);
    }

    fn relay(&mut self, shard: usize, path: FourTuple, data: BytesMut) {
        // Full: lost, like any datagram can be.
        let _ = self.shards.send(shard, Mail::Relay { path, data });
    }

    fn command(&mut self, shard: usize, command: Command) -> Result<(), Command> {
        self.shards.command(shard, command)
    }

    fn tell(&mut self, id: PeerId, event: PeerEvent) -> Result<(), PeerEvent> {
        self.shards.listeners.tell(id, event)
    }

    fn listens(&self, id: PeerId) -> bool {
        self.shards.listeners.listens(id)
    }

    fn forget(&mut self, id: PeerId) {
        self.shards.listeners.forget(id);
    }
}
