//! The sockets of a shard's relays: opened and closed one by one, polled by the shard's thread, read and
//! written in batches. It knows nothing of who may use them.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mio::{Interest, Registry, Token};
use quinn_udp::{RecvMeta, UdpSockRef};
use rustc_hash::FxHashMap;

use crate::media::net::outbox::Transmit;
use crate::media::net::udp::{self, Socket};

/// Buffers for one receive call. Each holds as many datagrams as the kernel puts together.
const BATCH: usize = 8;

/// One IP packet.
const BUFFER: usize = 65_536;

/// See `Receive`: buffers' first bytes must not compete for the same places of the caches.
const SKEW: usize = 33 * 64;

/// Receive calls for one socket before the others get their turn.
const ROUNDS: usize = 4;

/// Kernel buffers of each socket: a tenth of a second of a call's media, and of a burst.
const SOCKET_BUFFER: usize = 256 << 10;

/// The sockets, by port.
pub struct Relays {
    registry: Registry,
    first_token: usize,
    sockets: FxHashMap<u16, Socket>,
    /// Those that may hold something.
    unread: Vec<u16>,
    storage: Vec<u8>,
    metas: Vec<RecvMeta>,
    dropped: Arc<AtomicU64>,
}

impl Relays {
    /// None yet. Theirs are the 65536 tokens from the first on.
    pub fn new(registry: Registry, first_token: usize, dropped: Arc<AtomicU64>) -> Self {
        Self {
            registry,
            first_token,
            sockets: FxHashMap::default(),
            unread: Vec::new(),
            storage: Vec::new(),
            metas: vec![RecvMeta::default(); BATCH],
            dropped,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Opens one.
    pub fn open(&mut self, bound: SocketAddr) -> io::Result<()> {
        let mut socket = udp::open(bound, SOCKET_BUFFER)?;
        let token = Token(self.first_token + usize::from(bound.port()));
        self.registry
            .register(&mut socket.socket, token, Interest::READABLE)?;
        self.sockets.insert(bound.port(), socket);
        if self.storage.is_empty() {
            self.storage = vec![0; (BUFFER + SKEW) * BATCH];
        }
        Ok(())
    }

    /// Closes one.
    pub fn close(&mut self, port: u16) {
        if let Some(mut socket) = self.sockets.remove(&port) {
            // Dropping the socket closes it, registered or not.
            let _ = self.registry.deregister(&mut socket.socket);
        }
        self.unread.retain(|known| *known != port);
    }

    /// Takes note of one that has something to read.
    pub fn note(&mut self, token: Token) {
        let port = token
            .0
            .checked_sub(self.first_token)
            .and_then(|port| u16::try_from(port).ok());
        if let Some(port) = port
            && !self.unread.contains(&port)
        {
            self.unread.push(port);
        }
    }

    /// Closes those that are left: whose they were is forgotten.
    pub fn start_over(&mut self) {
        self.sockets.clear();
        self.unread.clear();
    }

    /// Whether any may have more to read.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Reads them, each a few times, and gives out what there was: the port, where it comes from, its bytes.
    pub fn receive(&mut self, mut take: impl FnMut(u16, SocketAddr, &[u8])) -> usize {
        let mut arrived = 0;
        for port in std::mem::take(&mut self.unread) {
            for round in 1.. {
                let filled = self.read(port);
                let buffers = self.storage.chunks(BUFFER + SKEW);
                for (buffer, meta) in buffers.zip(&self.metas).take(filled) {
                    let stride = meta.stride.max(1);
                    for datagram in buffer[..meta.len.min(BUFFER)].chunks(stride) {
                        arrived += 1;
                        take(port, meta.addr, datagram);
                    }
                }
                // What comes after a batch that is not full is another event.
                if filled < BATCH {
                    break;
                }
                if round == ROUNDS {
                    self.unread.push(port);
                    break;
                }
            }
        }
        arrived
    }

    /// Reads a batch. Returns how many buffers hold something.
    fn read(&mut self, port: u16) -> usize {
        let Some(socket) = self.sockets.get(&port) else {
            return 0;
        };
        let mut chunks = self.storage.chunks_mut(BUFFER + SKEW);
        let mut next = || chunks.next()?.get_mut(..BUFFER);
        let mut buffers: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(next().unwrap_or_default()));
        let reference = UdpSockRef::from(&socket.socket);
        let received = (socket.state).recv(reference, &mut buffers, &mut self.metas);
        // Nothing there; or an ICMP error, which whoever sent will notice.
        received.unwrap_or_default()
    }

    /// Sends datagrams from one.
    pub fn send(&self, transmit: &Transmit) {
        if let Some(socket) = self.sockets.get(&transmit.path.local.port()) {
            udp::send(std::slice::from_ref(socket), transmit, &self.dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    #[test]
    fn what_nobody_has_any_more_is_closed() {
        let poll = mio::Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let mut relays = Relays::new(registry, 7, Arc::default());
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = free.local_addr().unwrap();
        drop(free);
        relays.open(at).unwrap();
        relays.note(Token(7 + usize::from(at.port())));
        assert!(UdpSocket::bind(at).is_err() && relays.has_unread());
        relays.start_over();
        assert!(relays.is_empty() && !relays.has_unread());
        UdpSocket::bind(at).unwrap();
    }
}
