//! The port of TURN over DTLS, as one shard has it: the sockets, and the server that opens what comes there and seals
//! what leaves by them.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::media::net::buffers;
use crate::media::net::demux::is_guests;
use crate::media::net::dtls::server::DtlsServer;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::tcp::Received;
use crate::media::net::udp::{self, Socket};

/// The port.
pub struct Sealed {
    number: u16,
    sockets: Vec<Socket>,
    server: DtlsServer,
}

impl Sealed {
    /// With sockets of its own.
    pub fn new(number: u16, sockets: Vec<Socket>, server: DtlsServer) -> Self {
        Self {
            number,
            sockets,
            server,
        }
    }

    pub(super) fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    pub(super) fn sockets_mut(&mut self) -> &mut [Socket] {
        &mut self.sockets
    }

    /// How many associations there are.
    pub(super) fn len(&self) -> usize {
        self.server.len()
    }

    /// Others had their turn.
    pub(super) fn begin_turn(&mut self) {
        self.server.begin_turn();
    }

    /// Takes what came to one of the sockets. Peers are not reached this way: what is not for the server of STUN and
    /// TURN is dropped.
    pub(super) fn open(
        &mut self,
        now: Instant,
        path: FourTuple,
        datagram: &[u8],
        received: &mut Received,
    ) {
        let path = FourTuple {
            transport: Transport::Dtls,
            local: SocketAddr::new(path.local.ip(), self.number),
            ..path
        };
        let before = received.datagrams.len();
        self.server.handle_datagram(now, &path, datagram, received);
        let is_wanted = |(_, datagram): &(FourTuple, Vec<u8>)| is_guests(datagram);
        let opened = received.datagrams.split_off(before);
        received
            .datagrams
            .extend(opened.into_iter().filter(is_wanted));
    }

    pub(super) fn send(&mut self, now: Instant, transmit: &Transmit) {
        self.server.send(now, transmit);
    }

    /// Sends what was sealed.
    pub(super) fn flush(&mut self, dropped: &AtomicU64) {
        while let Some(transmit) = self.server.poll_transmit() {
            udp::send(&self.sockets, &transmit, dropped);
            buffers::give_back(transmit.data);
        }
    }

    pub(super) fn introduce(&mut self, now: Instant, path: &FourTuple) {
        self.server.introduce(now, path);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, received: &mut Received) {
        self.server.handle_timeout(now, received);
    }

    /// Ends every association. What they had is let go by whoever had it.
    pub(super) fn end_all(&mut self, now: Instant) {
        self.server.end_all(now, &mut Received::default());
    }

    pub(super) fn sweep(&mut self, now: Instant, received: &mut Received) {
        self.server.sweep(now, received);
    }
}
