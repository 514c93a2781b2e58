//! Datagrams on their way out: those for the same path leave in one system call (UDP GSO), which
//! costs a third of sending each by itself.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use mio::net::UdpSocket;
use quinn_udp::{UdpSockRef, UdpSocketState};

use crate::media::net::buffers;
use crate::media::net::path::FourTuple;

/// The kernel takes no more than one IP packet's worth of segments.
const MAX_BATCH_BYTES: usize = 60_000;

/// A socket and what the kernel can do for it.
pub struct Socket {
    /// The socket.
    pub socket: UdpSocket,
    /// Its offloads.
    pub state: UdpSocketState,
    /// Whether it is IPv6 only; else IPv4.
    pub is_ipv6: bool,
}

/// Datagrams of equal size for one path; the last may be shorter.
#[derive(Default)]
pub struct Outbox {
    path: Option<FourTuple>,
    segment: usize,
    count: usize,
    bytes: Vec<u8>,
    /// The last datagram was shorter than the others, so that none may follow.
    ended: bool,
}

impl Outbox {
    /// Adds a datagram; sends what it does not fit behind.
    pub fn push(
        &mut self,
        path: FourTuple,
        datagram: BytesMut,
        sockets: &[Socket],
        dropped: &AtomicU64,
    ) {
        let limit = sockets
            .iter()
            .find(|socket| socket.is_ipv6 == path.local.is_ipv6())
            .map_or(1, |socket| socket.state.max_gso_segments());
        let fits = self.path == Some(path)
            && !self.ended
            && datagram.len() <= self.segment
            && self.count < limit
            && self.bytes.len() + datagram.len() <= MAX_BATCH_BYTES;
        if !fits {
            self.flush(sockets, dropped);
            self.path = Some(path);
            self.segment = datagram.len();
        }
        self.ended = datagram.len() < self.segment;
        self.count += 1;
        self.bytes.extend_from_slice(&datagram);
        buffers::give_back(datagram);
    }

    /// Sends what is there.
    pub fn flush(&mut self, sockets: &[Socket], dropped: &AtomicU64) {
        let Some(path) = self.path.take() else {
            return;
        };
        if let Err(error) = self.send(path, sockets) {
            dropped.fetch_add(self.count as u64, Ordering::Relaxed);
            // A full socket drops, like the network behind it; everything above expects losses.
            if error.kind() != io::ErrorKind::WouldBlock {
                tracing::debug!(%error, "datagrams were not sent");
            }
        }
        self.bytes.clear();
        self.count = 0;
        self.ended = false;
    }

    fn send(&self, path: FourTuple, sockets: &[Socket]) -> io::Result<()> {
        let socket = sockets
            .iter()
            .find(|socket| socket.is_ipv6 == path.local.is_ipv6())
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let transmit = quinn_udp::Transmit {
            destination: path.remote,
            ecn: None,
            contents: &self.bytes,
            segment_size: (self.count > 1).then_some(self.segment),
            src_ip: Some(path.local.ip()),
        };
        socket
            .state
            .try_send(UdpSockRef::from(&socket.socket), &transmit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::path::Transport;

    #[test]
    fn what_is_not_sent_is_counted() {
        let path = FourTuple {
            transport: Transport::Udp,
            local: "[::1]:1".parse().unwrap(),
            remote: "[::1]:2".parse().unwrap(),
        };
        let (mut outbox, dropped) = (Outbox::default(), AtomicU64::new(0));
        // There is no socket of this family.
        for _ in 0..3 {
            outbox.push(path, BytesMut::from(&[1; 100][..]), &[], &dropped);
        }
        outbox.flush(&[], &dropped);
        assert_eq!(dropped.into_inner(), 3);
    }
}
