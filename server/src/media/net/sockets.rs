//! Opens the one media port, UDP and TCP, once for every shard: they share it (SO_REUSEPORT), and the
//! kernel keeps each path with one of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::{TcpListener, UdpSocket};
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use thiserror::Error;

use crate::media::net::steering::{Sockets, steer};
use crate::media::net::udp::Socket;

/// TCP connections waiting to be accepted.
const BACKLOG: i32 = 256;

/// Kernel buffers of each UDP socket, in bytes: a tenth of a second at 300 Mbit/s.
const SOCKET_BUFFER: usize = 4 << 20;

/// Why the port cannot be had.
#[derive(Debug, Error)]
pub enum PortError {
    /// Another process has it.
    #[error("{what} port {port} is in use")]
    InUse {
        /// `UDP`, or whatever else of it.
        what: &'static str,
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

/// A port that is free.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// The addresses that it is free at.
    pub addresses: Vec<IpAddr>,
}

impl Port {
    /// Whether what is sent to an address of this machine arrives.
    pub fn receives_at(&self, own: IpAddr) -> bool {
        let is_it =
            |at: &IpAddr| *at == own || at.is_unspecified() && at.is_ipv4() == own.is_ipv4();
        self.addresses.iter().any(is_it)
    }

    /// Whether anything of this address's family may arrive.
    pub fn has_family_of(&self, address: IpAddr) -> bool {
        (self.addresses.iter()).any(|at| at.is_ipv4() == address.is_ipv4())
    }
}

/// How often another port is tried where any will do.
pub const TRIES: usize = 32;

/// Finds out whether the port is free at these addresses, or at every one: of IPv4, and of IPv6 where
/// the machine has it. And which one port 0 gives. The shards' own sockets share the port, so with
/// them alone two servers on one port would not notice each other.
pub fn probe(port: u16, addresses: &[IpAddr]) -> Result<Port, PortError> {
    for _ in 1..TRIES {
        match probe_once(port, addresses) {
            // Free for some, but not for all: any other will do as well.
            Err(PortError::InUse { .. }) if port == 0 => {}
            probed => return probed,
        }
    }
    probe_once(port, addresses)
}

fn probe_once(mut number: u16, addresses: &[IpAddr]) -> Result<Port, PortError> {
    for ip in addresses {
        number = try_bind(*ip, number)?;
    }
    let mut addresses = addresses.to_vec();
    if addresses.is_empty() {
        let (ipv4, ipv6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        number = try_bind(ipv4, number)?;
        addresses.push(ipv4);
        match try_bind(ipv6, number) {
            Ok(_) => addresses.push(ipv6),
            Err(taken @ PortError::InUse { .. }) => return Err(taken),
            Err(PortError::Bind { source, .. }) => tracing::debug!(error = %source, "no IPv6"),
        }
    }
    Ok(Port { number, addresses })
}

/// Binds to a port for a moment, and says which it is.
fn try_bind(ip: IpAddr, port: u16) -> Result<u16, PortError> {
    let (udp, tcp) = match ip {
        IpAddr::V4(_) => ("UDP", "TCP"),
        IpAddr::V6(_) => ("IPv6 UDP", "IPv6 TCP"),
    };
    let port = try_bind_kind(udp, SocketAddr::new(ip, port), Type::DGRAM)?;
    try_bind_kind(tcp, SocketAddr::new(ip, port), Type::STREAM)
}

/// Binds one kind of socket to a port that nobody shares, for a moment.
#[expect(clippy::wildcard_enum_match_arm, reason = "std's enum, which may grow")]
pub fn try_bind_kind(
    what: &'static str,
    address: SocketAddr,
    kind: Type,
) -> Result<u16, PortError> {
    let port = address.port();
    let bound = || {
        let raw = raw_socket(address, kind)?;
        raw.bind(&address.into())?;
        raw.local_addr()
    };
    let bound = bound().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => PortError::InUse { what, port },
        _ => PortError::Bind { port, source },
    })?;
    Ok(bound.as_socket().map_or(port, |address| address.port()))
}

/// What one shard receives with, one of each at each address.
pub struct Opened {
    /// UDP.
    pub sockets: Vec<Socket>,
    /// UDP, for what may wait: see `steering`. None where the system has no such thing.
    pub feedback: Vec<Socket>,
    /// TCP.
    pub listeners: Vec<TcpListener>,
}

/// Opens the port for this many shards.
pub fn open(port: &Port, shards: usize) -> io::Result<Vec<Opened>> {
    let opened: io::Result<Vec<_>> = (0..shards).map(|_| open_one(port)).collect();
    let mut opened = opened?;
    match open_feedback(port, shards) {
        Ok(all) => {
            for (shard, feedback) in opened.iter_mut().zip(all) {
                shard.feedback = feedback;
            }
        }
        Err(error) => tracing::debug!(%error, "congestion feedback comes with the media"),
    }
    Ok(opened)
}

/// Opens a port that serves no media, UDP alone, for this many shards.
pub fn open_beside(port: &Port, shards: usize) -> io::Result<Vec<Vec<Socket>>> {
    let (opened, bound) = open_for_each(port, shards)?;
    let mut steered = bound.iter().map(|raw| steer(raw, shards, Sockets::OfMedia));
    if let Some(error) = steered.find_map(Result::err) {
        tracing::debug!(%error, "the system chooses the shard of a path");
    }
    Ok(opened)
}

/// Opens what congestion feedback comes to, and has it come there. All or nothing, since the kernel counts
/// the sockets of an address.
fn open_feedback(port: &Port, shards: usize) -> io::Result<Vec<Vec<Socket>>> {
    let (opened, bound) = open_for_each(port, shards)?;
    let mut steered = bound.iter();
    let steered = steered.try_for_each(|raw| steer(raw, shards, Sockets::OfMediaAndFeedback));
    if steered.is_err() {
        let mut bound = bound.iter();
        bound.try_for_each(|raw| steer(raw, shards, Sockets::OfMedia))?;
    }
    steered.map(|()| opened)
}

/// A UDP socket at each address for each shard. And the last of each address, which stands for them all.
fn open_for_each(port: &Port, shards: usize) -> io::Result<(Vec<Vec<Socket>>, Vec<RawSocket>)> {
    let mut opened: Vec<_> = (0..shards).map(|_| Vec::new()).collect();
    let mut last = Vec::new();
    for ip in &port.addresses {
        let address = SocketAddr::new(*ip, port.number);
        let mut bound = None;
        for shard in &mut opened {
            let raw = bind_shared(address, Type::DGRAM)?;
            bound = Some(raw.try_clone()?);
            shard.push(made_of(raw, address)?);
        }
        last.extend(bound);
    }
    Ok((opened, last))
}

fn open_one(port: &Port) -> io::Result<Opened> {
    let at = |ip: &IpAddr| SocketAddr::new(*ip, port.number);
    let open = |ip| open_socket(at(ip));
    let listen = |ip| {
        let raw = bind_shared(at(ip), Type::STREAM)?;
        raw.listen(BACKLOG)?;
        Ok(TcpListener::from_std(raw.into()))
    };
    Ok(Opened {
        sockets: port.addresses.iter().map(open).collect::<io::Result<_>>()?,
        feedback: Vec::new(),
        listeners: (port.addresses.iter().map(listen)).collect::<io::Result<_>>()?,
    })
}

/// A listener that nobody shares.
pub fn open_listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let raw = raw_socket(address, Type::STREAM)?;
    raw.set_nonblocking(true)?;
    raw.bind(&address.into())?;
    raw.listen(BACKLOG)?;
    Ok(raw.into())
}

/// A socket that nobody shares, and that does not block.
pub fn open_plain(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let raw = raw_socket(address, Type::DGRAM)?;
    raw.set_nonblocking(true)?;
    raw.bind(&address.into())?;
    Ok(raw.into())
}

/// Binds so that the shards can share the port.
fn bind_shared(address: SocketAddr, kind: Type) -> io::Result<RawSocket> {
    let raw = raw_socket(address, kind)?;
    raw.set_reuse_port(true)?;
    raw.set_nonblocking(true)?;
    raw.bind(&address.into())?;
    Ok(raw)
}

fn raw_socket(address: SocketAddr, kind: Type) -> io::Result<RawSocket> {
    let protocol = match kind == Type::STREAM {
        true => Protocol::TCP,
        false => Protocol::UDP,
    };
    let raw = RawSocket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        raw.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections of a server that just ended hold the port for a while.
        raw.set_reuse_address(true)?;
    }
    Ok(raw)
}

pub(super) fn open_socket(address: SocketAddr) -> io::Result<Socket> {
    made_of(bind_shared(address, Type::DGRAM)?, address)
}

/// A socket that is bound there, with room for what a shard sends and receives.
pub fn made_of(raw: RawSocket, address: SocketAddr) -> io::Result<Socket> {
    enlarge_buffers(&raw, SOCKET_BUFFER);
    with_state(raw, address.is_ipv6())
}

/// The same, with the room that it has.
pub fn with_state(raw: RawSocket, is_ipv6: bool) -> io::Result<Socket> {
    let socket = UdpSocket::from_std(raw.into());
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    Ok(Socket {
        socket,
        state,
        is_ipv6,
    })
}

/// As much as the system allows, and more where this process may ask for that.
fn enlarge_buffers(socket: &RawSocket, bytes: usize) {
    let _ = socket.set_send_buffer_size(bytes);
    let _ = socket.set_recv_buffer_size(bytes);
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        // Needs CAP_NET_ADMIN.
        let _ = setsockopt(socket, sockopt::SndBufForce, &bytes);
        let _ = setsockopt(socket, sockopt::RcvBufForce, &bytes);
    }
}

/// What the system gives a socket of the media port.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Bytes for what arrives.
    pub receive: usize,
    /// Bytes for what leaves.
    pub send: usize,
    /// What was asked for, of each.
    pub wanted: usize,
    /// How many datagrams leave in one.
    pub leave: usize,
    /// How many arrive in one.
    pub arrive: usize,
}

/// Opens one at a free port of this address, and looks.
pub fn socket_limits(at: IpAddr) -> io::Result<SocketLimits> {
    let Socket { socket, state, .. } = open_socket(SocketAddr::new(at, 0))?;
    let raw = || UdpSockRef::from(&socket);
    Ok(SocketLimits {
        receive: state.recv_buffer_size(raw())? / COUNTED,
        send: state.send_buffer_size(raw())? / COUNTED,
        wanted: SOCKET_BUFFER,
        leave: state.max_gso_segments(),
        arrive: state.gro_segments(),
    })
}

/// Says so if bursts will be lost in this socket, for lack of a buffer.
pub fn warn_of_a_small_buffer(socket: &Socket) {
    let Ok(bytes) = (socket.state).recv_buffer_size(UdpSockRef::from(&socket.socket)) else {
        return;
    };
    let bytes = bytes / COUNTED;
    if bytes < SOCKET_BUFFER {
        tracing::warn!(
            bytes,
            wanted = SOCKET_BUFFER,
            "the system's receive buffer is small, and datagrams of a burst may be lost; \
             set net.core.rmem_max to as much, or grant CAP_NET_ADMIN"
        );
    }
}

/// Linux counts its own bookkeeping in, and says twice what was set.
const COUNTED: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged here.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_small_buffer_reaches_the_log_and_one_that_suffices_does_not() {
        let said = |size: usize| {
            let log = Log::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false);
            let subscriber = subscriber.with_writer(move || writer.clone()).finish();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let raw = raw_socket(address, Type::DGRAM).unwrap();
            enlarge_buffers(&raw, size);
            raw.bind(&address.into()).unwrap();
            let has = raw.recv_buffer_size().unwrap() / COUNTED;
            let socket = with_state(raw, false).unwrap();
            tracing::subscriber::with_default(subscriber, || warn_of_a_small_buffer(&socket));
            let log = log.0.lock().unwrap().clone();
            (has, String::from_utf8(log).unwrap())
        };
        let (has, log) = said(64 * 1024);
        assert!(log.contains(&format!("bytes={has}")), "{log}");
        assert!(log.contains("net.core.rmem_max"), "{log}");
        let (has, log) = said(SOCKET_BUFFER);
        assert_eq!(log.is_empty(), has >= SOCKET_BUFFER, "{has}: {log}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_receive_buffer_is_as_large_as_this_process_may_have_it() {
        let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        let wanted = limit + 4096;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = raw_socket(address, Type::DGRAM).unwrap();
        enlarge_buffers(&socket, wanted);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let capabilities = u64::from_str_radix(capabilities.unwrap().trim(), 16).unwrap();
        let is_admin = capabilities & (1 << 12) != 0;
        let expected = if is_admin { wanted } else { limit };
        assert_eq!(socket.recv_buffer_size().unwrap() / COUNTED, expected);
    }

    #[cfg(target_os = "linux")]
    mod steering {
        use std::net::UdpSocket as Sender;
        use std::time::Duration;

        use super::*;

        const SHARDS: usize = 3;
        const SENDERS: usize = 24;

        /// What comes here, by the sockets of the shards: of media, and of feedback.
        fn arrivals(opened: &[Opened]) -> Vec<(usize, bool, SocketAddr, Vec<u8>)> {
            let mut arrived = Vec::new();
            for (shard, opened) in opened.iter().enumerate() {
                for (sockets, is_feedback) in [(&opened.sockets, false), (&opened.feedback, true)] {
                    let mut buffer = [0; 128];
                    while let Ok((length, from)) = sockets[0].socket.recv_from(&mut buffer) {
                        arrived.push((shard, is_feedback, from, buffer[..length].to_vec()));
                    }
                }
            }
            arrived
        }

        /// A packet with this header, as long as that says, and so much longer.
        fn packet(head: [u8; 4], more: usize) -> Vec<u8> {
            let mut packet = head.to_vec();
            packet.resize(4 * (1 + usize::from(head[3])) + more, 0);
            packet
        }

        fn sorts_what_comes_to(ip: IpAddr) {
            let Port { number, .. } = probe(0, &[ip]).unwrap();
            let port = Port {
                number,
                addresses: vec![ip],
            };
            let opened = open(&port, SHARDS).unwrap();
            let sealed_by_gcm = 20;
            let waiting = [
                packet([0x8F, 205, 0, 5], sealed_by_gcm),
                packet([0x8F, 206, 0, 5], sealed_by_gcm),
                packet([0x8F, 205, 0, 7], 14),
            ];
            let at_once = [
                packet([0x80, 96, 0, 5], sealed_by_gcm),
                packet([0x81, 205, 0, 3], sealed_by_gcm),
                packet([0x81, 206, 0, 2], sealed_by_gcm),
                packet([0x84, 206, 0, 4], sealed_by_gcm),
                packet([0x81, 201, 0, 7], sealed_by_gcm),
                packet([0x8F, 96, 0, 5], sealed_by_gcm),
                // Something follows it.
                packet([0x8F, 205, 0, 6], sealed_by_gcm + 16),
                packet([0x8F, 205, 0, 8], 0),
                vec![0x00, 1, 0, 0],
                vec![22, 254, 253, 0],
            ];
            let senders: Vec<_> = (0..SENDERS)
                .map(|_| Sender::bind((ip, 0)).unwrap())
                .collect();
            for sender in &senders {
                for datagram in waiting.iter().chain(&at_once) {
                    sender.send_to(datagram, (ip, number)).unwrap();
                }
            }
            let wanted = SENDERS * (waiting.len() + at_once.len());
            let mut all = Vec::new();
            for _ in 0..10_000 {
                all.extend(arrivals(&opened));
                if all.len() == wanted {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(all.len(), wanted, "lost");
            let mut used = [0; SHARDS];
            for sender in &senders {
                let own = sender.local_addr().unwrap();
                let its: Vec<_> = all.iter().filter(|(_, _, from, _)| *from == own).collect();
                let shard = its[0].0;
                used[shard] += 1;
                for (at, is_feedback, _, datagram) in its {
                    assert_eq!(*at, shard, "a path with two shards");
                    let waits = waiting.iter().any(|known| known[..] == datagram[..]);
                    assert_eq!(*is_feedback, waits, "{datagram:?}");
                }
            }
            assert!(used.iter().all(|count| *count > 0), "{used:?}");
        }

        #[test]
        fn a_path_keeps_to_a_shard_and_its_feedback_to_a_socket_of_its_own_over_ipv4() {
            sorts_what_comes_to(Ipv4Addr::LOCALHOST.into());
        }

        #[test]
        fn a_path_keeps_to_a_shard_and_its_feedback_to_a_socket_of_its_own_over_ipv6() {
            sorts_what_comes_to(Ipv6Addr::LOCALHOST.into());
        }
    }
}
