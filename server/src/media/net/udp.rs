//! A shard's UDP sockets as what it sends leaves by them: datagrams for one path in one system call, as
//! far as the kernel takes them so.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use mio::net::UdpSocket;
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use crate::media::net::outbox::Transmit;

/// A socket and what the kernel can do for it.
pub struct Socket {
    /// The socket.
    pub socket: UdpSocket,
    /// Its offloads.
    pub state: UdpSocketState,
    /// Whether it is IPv6 only; else IPv4.
    pub is_ipv6: bool,
}

/// Opens one with such buffers, or smaller ones, which serve, too.
pub fn open(bound: SocketAddr, buffer: usize) -> io::Result<Socket> {
    let domain = Domain::for_address(bound);
    let raw = RawSocket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if bound.is_ipv6() {
        raw.set_only_v6(true)?;
    }
    raw.set_nonblocking(true)?;
    let _ = raw.set_recv_buffer_size(buffer);
    let _ = raw.set_send_buffer_size(buffer);
    raw.bind(&bound.into())?;
    let socket = UdpSocket::from_std(raw.into());
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(Socket {
        socket,
        state,
        is_ipv6: bound.is_ipv6(),
    })
}

/// The socket that datagrams leave by: that of their family.
pub fn by_family<'a>(sockets: &'a [Socket], transmit: &Transmit) -> Option<&'a Socket> {
    let is_ipv6 = transmit.path.local.is_ipv6();
    sockets.iter().find(|socket| socket.is_ipv6 == is_ipv6)
}

/// Sends datagrams by the socket of their family. Those the kernel does not take are counted.
pub fn send(sockets: &[Socket], transmit: &Transmit, dropped: &AtomicU64) {
    let socket = by_family(sockets, transmit);
    let at_once = socket.map_or(1, |socket| socket.state.max_gso_segments().max(1));
    for contents in transmit.data.chunks(transmit.segment.max(1) * at_once) {
        let sent = socket
            .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
            .and_then(|socket| send_at_once(socket, transmit, contents));
        if let Err(error) = sent {
            let count = contents.len().div_ceil(transmit.segment.max(1));
            dropped.fetch_add(count as u64, Ordering::Relaxed);
            // A full socket drops, like the network behind it; everything above expects losses.
            if error.kind() != io::ErrorKind::WouldBlock {
                tracing::debug!(%error, "datagrams were not sent");
            }
        }
    }
}

fn send_at_once(socket: &Socket, transmit: &Transmit, contents: &[u8]) -> io::Result<()> {
    let segment = transmit.segment;
    let datagrams = quinn_udp::Transmit {
        destination: transmit.path.remote,
        ecn: None,
        contents,
        segment_size: (contents.len() > segment).then_some(segment),
        src_ip: Some(transmit.path.local.ip()),
    };
    let raw = UdpSockRef::from(&socket.socket);
    socket.state.try_send(raw, &datagrams)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::media::net::outbox::Outbox;
    use crate::media::net::path::{FourTuple, Transport};

    #[test]
    fn what_is_not_sent_is_counted() {
        let path = FourTuple {
            transport: Transport::Udp,
            local: "[::1]:1".parse().unwrap(),
            remote: "[::1]:2".parse().unwrap(),
        };
        let (mut outbox, dropped) = (Outbox::default(), AtomicU64::new(0));
        for _ in 0..3 {
            outbox.push(&path, BytesMut::from(&[1; 100][..]));
        }
        // There is no socket of this family.
        send(&[], &outbox.pop().unwrap(), &dropped);
        assert_eq!(dropped.into_inner(), 3);
    }
}
