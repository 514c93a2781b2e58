//! What a shard reads from its UDP sockets, a batch at a time, and from which.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::{Events, Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef};

use crate::media::net::framing::MAX_FRAME;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::udp::Socket;

/// The longest datagram taken, as over TCP: everything WebRTC sends fits into an Ethernet packet.
pub const MAX_DATAGRAM: usize = MAX_FRAME;

/// The largest that coalesced datagrams of one receive can be: one IP packet.
const MAX_COALESCED: usize = 65_536;

/// From one buffer to the next there is this much more. Were it a power of two, all buffers' first
/// bytes would compete for the same few places of the processor's caches.
const SKEW: usize = 33 * 64;

/// Buffers for one receive call, and which sockets are worth one.
pub(super) struct Receive {
    port: u16,
    buffer: usize,
    storage: Vec<u8>,
    metas: Vec<RecvMeta>,
    /// How many buffers hold something.
    filled: usize,
    /// The sockets that may hold datagrams. Their events come once for all that is there.
    unread: Vec<bool>,
}

impl Receive {
    pub(super) fn new<'a>(port: u16, sockets: impl Iterator<Item = &'a Socket> + Clone) -> Self {
        let segments = sockets.clone().map(|socket| socket.state.gro_segments());
        // Only what the kernel coalesces is longer than a datagram; what does not fit it cuts off.
        let buffer = match segments.max() {
            None | Some(0 | 1) => MAX_DATAGRAM + 1,
            Some(_) => MAX_COALESCED,
        };
        Self {
            port,
            buffer,
            storage: vec![0; (buffer + SKEW) * BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
            filled: 0,
            unread: vec![true; sockets.count()],
        }
    }

    /// Any socket may have something to read: events were lost.
    pub(super) fn assume_unread(&mut self) {
        self.unread.fill(true);
    }

    /// This socket may have something to read: nothing tells.
    pub(super) fn assume_one_unread(&mut self, at: usize) {
        if let Some(unread) = self.unread.get_mut(at) {
            *unread = true;
        }
    }

    /// Takes note of which sockets have something to read.
    pub(super) fn note(&mut self, events: &Events) {
        for event in events {
            if let Some(unread) = self.unread.get_mut(event.token().0) {
                *unread = true;
            }
        }
    }

    /// Whether a socket may have something to read.
    pub(super) fn is_unread(&self, socket: usize) -> bool {
        self.unread.get(socket).copied().unwrap_or_default()
    }

    /// Whether any has.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.contains(&true)
    }

    /// Reads a batch. One that is not full has emptied the socket: what came after it is another
    /// event, and asking again would cost a system call to hear so.
    pub(super) fn read(&mut self, at: usize, socket: &Socket) {
        let mut chunks = self.storage.chunks_mut(self.buffer + SKEW);
        let mut next = || chunks.next()?.get_mut(..self.buffer);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(next().unwrap_or_default()));
        let reference = UdpSockRef::from(&socket.socket);
        let received = (socket.state).recv(reference, &mut buffers, &mut self.metas);
        // Nothing there; or an ICMP error of an earlier send, which ICE notices by itself.
        self.filled = received.unwrap_or_default();
        if let Some(unread) = self.unread.get_mut(at) {
            *unread = self.filled == BATCH_SIZE;
        }
    }

    /// How many datagrams the last read brought.
    pub(super) fn arrived(&self) -> usize {
        let metas = self.metas.iter().take(self.filled);
        metas
            .map(|meta| meta.len.div_ceil(meta.stride.max(1)))
            .sum()
    }

    /// The datagrams of the last read.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (FourTuple, &[u8])> {
        let buffers = self.storage.chunks(self.buffer + SKEW);
        let filled = buffers.zip(&self.metas).take(self.filled);
        filled.flat_map(|(buffer, meta)| {
            let local = meta.dst_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let path = FourTuple {
                transport: Transport::Udp,
                local: SocketAddr::new(local, self.port),
                remote: meta.addr,
            };
            segments(buffer, meta.len, meta.stride).map(move |datagram| (path, datagram))
        })
    }
}

/// Cuts apart what the kernel has coalesced: datagrams of one length, the last may be shorter. Those
/// that are too long are left out.
fn segments(buffer: &[u8], len: usize, stride: usize) -> impl Iterator<Item = &[u8]> {
    let datagrams = buffer[..len].chunks(stride.max(1));
    datagrams.filter(|datagram| datagram.len() <= MAX_DATAGRAM)
}

/// Has the poll wake for what comes to these sockets, whose numbers begin with this one. What came before
/// wakes it, too.
pub(super) fn watch(registry: &Registry, sockets: &mut [Socket], first: usize) -> io::Result<()> {
    sockets
        .iter_mut()
        .zip(first..)
        .try_for_each(|(socket, at)| {
            registry.register(&mut socket.socket, Token(at), Interest::READABLE)
        })
}

/// Has it not wake for these any more.
pub(super) fn ignore(registry: &Registry, sockets: &mut [Socket]) -> io::Result<()> {
    let ignored = sockets
        .iter_mut()
        .map(|socket| registry.deregister(&mut socket.socket));
    // Each of them, also behind one that cannot be.
    ignored.fold(Ok(()), Result::and)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(len: usize, stride: usize) -> Vec<usize> {
        let buffer = vec![0; MAX_COALESCED];
        segments(&buffer, len, stride).map(<[u8]>::len).collect()
    }

    #[test]
    fn datagrams_that_came_together_are_taken_one_by_one_and_long_ones_not_at_all() {
        assert_eq!(lengths(1200 + 1200 + 700, 1200), [1200, 1200, 700]);
        assert_eq!(lengths(64 * 1000, 1000), [1000; 64]);
        assert_eq!(lengths(MAX_DATAGRAM, MAX_DATAGRAM), [MAX_DATAGRAM]);
        assert_eq!(lengths(MAX_DATAGRAM + 1, MAX_DATAGRAM + 1), [0; 0]);
        assert_eq!(lengths(60_000, 60_000), [0; 0]);
        assert_eq!(lengths(0, 0), [0; 0]);
        // Of long ones that came together the last may be one to take.
        assert_eq!(lengths(3000 + 3000 + 100, 3000), [100]);
    }
}
