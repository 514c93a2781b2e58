//! What a shard reads from its UDP sockets, a batch at a time, and from which.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use mio::Events;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef};

use super::Shard;
use crate::media::net::path::{FourTuple, Transport};

/// Receive calls per socket before the timers and the mailbox get their turn.
const RECEIVE_ROUNDS: usize = 8;

/// The largest that coalesced datagrams of one receive can be.
const RECEIVE_BUFFER: usize = 65_536;

/// From one buffer to the next. Were it a power of two, all buffers' first bytes would compete for the
/// same few places of the processor's caches.
const STRIDE: usize = RECEIVE_BUFFER + 33 * 64;

/// Buffers for one receive call, and which sockets are worth one.
pub(super) struct Receive {
    port: u16,
    storage: Vec<u8>,
    metas: Vec<RecvMeta>,
    /// The sockets that may hold datagrams. Their events come once for all that is there.
    unread: Vec<bool>,
}

impl Receive {
    pub(super) fn new(port: u16, sockets: usize) -> Self {
        Self {
            port,
            storage: vec![0; STRIDE * BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
            unread: vec![true; sockets],
        }
    }

    /// Reads the sockets, but not for ever. Returns whether there may be more.
    pub(super) fn receive(&mut self, shard: &mut Shard, events: &Events) -> bool {
        for event in events {
            if let Some(unread) = self.unread.get_mut(event.token().0) {
                *unread = true;
            }
        }
        for socket in 0..self.unread.len() {
            let mut rounds = 0;
            while rounds < RECEIVE_ROUNDS && self.unread[socket] {
                self.unread[socket] = self.receive_batch(socket, shard);
                rounds += 1;
            }
        }
        self.unread.contains(&true)
    }

    /// Returns whether there may be more. A batch that is not full has emptied the socket: what
    /// came after it is another event, and asking again would cost a system call to hear so.
    pub(super) fn receive_batch(&mut self, socket: usize, shard: &mut Shard) -> bool {
        let socket = &shard.sockets[socket];
        let mut chunks = self.storage.chunks_mut(STRIDE);
        let mut next = || chunks.next()?.get_mut(..RECEIVE_BUFFER);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(next().unwrap_or_default()));
        let reference = UdpSockRef::from(&socket.socket);
        let Ok(count) = socket.state.recv(reference, &mut buffers, &mut self.metas) else {
            // Nothing there; or an ICMP error of an earlier send, which ICE notices by itself.
            return false;
        };
        let now = Instant::now();
        for (buffer, meta) in buffers.iter().zip(&self.metas).take(count) {
            let local = meta.dst_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let path = FourTuple {
                transport: Transport::Udp,
                local: SocketAddr::new(local, self.port),
                remote: meta.addr,
            };
            let datagrams = buffer[..meta.len].chunks(meta.stride.max(1));
            shard.pace.note(datagrams.len());
            for datagram in datagrams {
                shard.handle_datagram(now, path, datagram);
            }
        }
        shard.settle_touched(now);
        count == BATCH_SIZE
    }
}
