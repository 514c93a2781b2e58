//! Opens the one media port, UDP and TCP, once for every shard: they share it (SO_REUSEPORT), and the
//! kernel keeps each path with one of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpListener, UdpSocket};
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use thiserror::Error;

use crate::media::net::outbox::Socket;

/// Why a port cannot be had.
#[derive(Debug, Error)]
pub enum PortError {
    /// Another process has it.
    #[error("{transport} port {port} is in use")]
    InUse {
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The port asked for.
        port: u16,
    },
    /// The system says something else.
    #[error("port {port} cannot be opened: {source}")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// TCP connections waiting to be accepted.
const BACKLOG: i32 = 256;

/// Kernel buffers of each UDP socket, in bytes: a tenth of a second at 300 Mbit/s.
const SOCKET_BUFFER: usize = 4 << 20;

/// Finds out whether the port is free at these addresses, and which one port 0 gives. The shards' own
/// sockets share the port, so with them alone two servers on one port would not notice each other.
pub fn probe(port: u16, addresses: &[IpAddr]) -> Result<u16, PortError> {
    const TRIES: usize = 32;
    let addresses = match addresses {
        [] => &[IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        addresses => addresses,
    };
    for _ in 1..TRIES {
        match probe_once(port, addresses) {
            // Free for UDP, but not for TCP: any other will do as well.
            Err(PortError::InUse { .. }) if port == 0 => {}
            probed => return probed,
        }
    }
    probe_once(port, addresses)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "std's enum, which may grow")]
fn probe_once(mut port: u16, addresses: &[IpAddr]) -> Result<u16, PortError> {
    let refused = |transport, port| {
        move |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => PortError::InUse { transport, port },
            _ => PortError::Bind { port, source },
        }
    };
    for address in addresses {
        let udp = std::net::UdpSocket::bind((*address, port)).map_err(refused("UDP", port))?;
        port = udp.local_addr().map_err(refused("UDP", port))?.port();
        std::net::TcpListener::bind((*address, port)).map_err(refused("TCP", port))?;
    }
    Ok(port)
}

/// One shard's sockets at these addresses, or at every one: IPv4, and IPv6 where the machine has it.
pub fn open_sockets(port: u16, addresses: &[IpAddr]) -> io::Result<Vec<Socket>> {
    if !addresses.is_empty() {
        let open = |address: &IpAddr| open_socket(SocketAddr::from((*address, port)));
        return addresses.iter().map(open).collect();
    }
    let mut sockets = vec![open_socket(SocketAddr::from((
        Ipv4Addr::UNSPECIFIED,
        port,
    )))?];
    match open_socket(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Ok(socket) => sockets.push(socket),
        Err(error) => tracing::debug!(%error, "no IPv6"),
    }
    Ok(sockets)
}

/// One shard's TCP listeners, likewise.
pub fn open_listeners(port: u16, addresses: &[IpAddr]) -> io::Result<Vec<TcpListener>> {
    let listen = |ip: IpAddr| {
        let raw = bind_shared(SocketAddr::from((ip, port)), Type::STREAM, Protocol::TCP)?;
        raw.listen(BACKLOG)?;
        Ok::<_, io::Error>(TcpListener::from_std(raw.into()))
    };
    if !addresses.is_empty() {
        return addresses.iter().copied().map(listen).collect();
    }
    let mut listeners = vec![listen(Ipv4Addr::UNSPECIFIED.into())?];
    listeners.extend(listen(Ipv6Addr::UNSPECIFIED.into()));
    Ok(listeners)
}

/// Binds so that the shards can share the port.
fn bind_shared(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<RawSocket> {
    let raw = RawSocket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        raw.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections of a server that just ended hold the port for a while.
        raw.set_reuse_address(true)?;
    }
    raw.set_reuse_port(true)?;
    raw.set_nonblocking(true)?;
    raw.bind(&address.into())?;
    Ok(raw)
}

fn open_socket(address: SocketAddr) -> io::Result<Socket> {
    let raw = bind_shared(address, Type::DGRAM, Protocol::UDP)?;
    let socket = UdpSocket::from_std(raw.into());
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    // As much as the system allows.
    let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
    let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
    Ok(Socket {
        socket,
        state,
        is_ipv6: address.is_ipv6(),
    })
}
