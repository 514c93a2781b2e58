//! The sockets of the port that relays of datagrams share: one at each address, which one shard reads and every shard
//! sends by. Were there one for each shard, the system would choose by the peer who reads what, and not by the relay:
//! most would be read by a shard that has to hand it on in any case. Whose it is, is for others to know.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef};
use socket2::SockRef;

use crate::media::net::guest::FIRST_TOKEN;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::sockets::{TRIES, made_of, open_plain, with_state};
use crate::media::net::udp::{self, Socket};

/// Behind those of relays, of which there is one for each port, and those of the second port.
const TOKENS: usize = FIRST_TOKEN + 65_536 + 1024;

/// One IP packet, and as much more that buffers' first bytes do not compete for the same places of the caches.
const BUFFER: usize = 65_536 + 33 * 64;

/// Batches of one socket that are read before the others get their turn.
const ROUNDS: usize = 4;

/// The port.
#[derive(Clone)]
pub struct SharedPort {
    number: u16,
    sockets: Arc<[(IpAddr, Socket)]>,
}

impl fmt::Debug for SharedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedPort({})", self.number)
    }
}

impl SharedPort {
    /// Opens it at these addresses, or at every one: of IPv4, and of IPv6 where the machine has it. 0 takes any that is
    /// free. An error comes with the address that cannot be had.
    pub fn open(addresses: &[IpAddr], port: u16) -> Result<Self, (SocketAddr, io::Error)> {
        for _ in 1..TRIES {
            match Self::open_once(addresses, port) {
                // Free at some of them only: any other will do as well.
                Err((_, error)) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                // There are clients that ask for an even one.
                Ok(odd) if port == 0 && !odd.number.is_multiple_of(2) => {}
                opened => return opened,
            }
        }
        Self::open_once(addresses, port)
    }

    fn open_once(addresses: &[IpAddr], port: u16) -> Result<Self, (SocketAddr, io::Error)> {
        let (mut number, mut sockets) = (port, Vec::new());
        let mut open = |ip: IpAddr| {
            let asked = SocketAddr::new(ip, number);
            let opened = open(asked).and_then(|socket| {
                number = socket.socket.local_addr()?.port();
                Ok(socket)
            });
            sockets.push((ip, opened.map_err(|error| (asked, error))?));
            Ok(())
        };
        addresses.iter().copied().try_for_each(&mut open)?;
        if addresses.is_empty() {
            open(Ipv4Addr::UNSPECIFIED.into())?;
            match open(Ipv6Addr::UNSPECIFIED.into()) {
                Err((at, error)) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err((at, error));
                }
                Err((_, error)) => tracing::debug!(%error, "no IPv6"),
                Ok(()) => {}
            }
        }
        Ok(Self {
            number,
            sockets: sockets.into(),
        })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Sends what leaves by it.
    pub(super) fn send(&self, transmit: &Transmit, dropped: &AtomicU64) {
        let local = transmit.path.local.ip();
        let suits = |ip: &IpAddr| *ip == local || ip.is_unspecified();
        let fitting = |(ip, _): &&(IpAddr, Socket)| suits(ip) && ip.is_ipv4() == local.is_ipv4();
        let socket = self.sockets.iter().find(fitting);
        let socket = socket.map(|(_, socket)| std::slice::from_ref(socket));
        udp::send(socket.unwrap_or_default(), transmit, dropped);
    }

    /// Has it polled.
    pub(super) fn arrive(&self, registry: &Registry) -> io::Result<Reader> {
        let mut sockets = Vec::new();
        for (at, (ip, socket)) in self.sockets.iter().enumerate() {
            let same = SockRef::from(&socket.socket).try_clone()?;
            let mut socket = with_state(same, ip.is_ipv6())?;
            let token = Token(TOKENS + at);
            registry.register(&mut socket.socket, token, Interest::READABLE)?;
            sockets.push((*ip, socket, true));
        }
        Ok(Reader {
            number: self.number,
            sockets,
            storage: vec![0; BUFFER * BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
        })
    }
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    made_of(open_plain(address)?.into(), address)
}

/// What one shard reads: sockets, where they are, and whether they may hold something.
pub(super) struct Reader {
    number: u16,
    sockets: Vec<(IpAddr, Socket, bool)>,
    storage: Vec<u8>,
    metas: Vec<RecvMeta>,
}

impl Reader {
    /// Takes note of one that has something to read.
    pub(super) fn note(&mut self, token: Token) {
        let at = token.0.checked_sub(TOKENS);
        if let Some((_, _, unread)) = at.and_then(|at| self.sockets.get_mut(at)) {
            *unread = true;
        }
    }

    /// Any may hold something: what was noted is forgotten.
    pub(super) fn start_over(&mut self) {
        self.sockets.iter_mut().for_each(|it| it.2 = true);
    }

    /// Whether any may have more to read.
    pub(super) fn has_unread(&self) -> bool {
        self.sockets.iter().any(|(_, _, unread)| *unread)
    }

    /// Reads them, each a few times, and gives out each batch. Returns how many datagrams there were.
    pub(super) fn receive(
        &mut self,
        mut take: impl FnMut(&mut dyn Iterator<Item = (FourTuple, &[u8])>),
    ) -> usize {
        let mut arrived = 0;
        for at in 0..self.sockets.len() {
            for _ in 0..ROUNDS {
                let filled = self.read(at);
                if filled > 0 {
                    take(&mut self.datagrams(at, filled).inspect(|_| arrived += 1));
                }
                // What comes after a batch that is not full is another event.
                if filled < BATCH_SIZE {
                    break;
                }
            }
        }
        arrived
    }

    /// Reads a batch. Returns how many buffers hold something.
    fn read(&mut self, at: usize) -> usize {
        let Some((_, socket, unread)) = self.sockets.get_mut(at).filter(|it| it.2) else {
            return 0;
        };
        let mut chunks = self.storage.chunks_mut(BUFFER);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let reference = UdpSockRef::from(&socket.socket);
        let received = (socket.state).recv(reference, &mut buffers, &mut self.metas);
        let filled = received.unwrap_or_default();
        *unread = filled == BATCH_SIZE;
        filled
    }

    /// The datagrams of the last batch.
    fn datagrams(&self, at: usize, filled: usize) -> impl Iterator<Item = (FourTuple, &[u8])> {
        let bound = self.sockets.get(at).map(|(ip, _, _)| *ip);
        let filled = self.storage.chunks(BUFFER).zip(&self.metas).take(filled);
        filled.flat_map(move |(buffer, meta)| {
            let local = meta.dst_ip.or(bound);
            let path = FourTuple {
                transport: Transport::Udp,
                local: SocketAddr::new(local.unwrap_or(meta.addr.ip()), self.number),
                remote: meta.addr,
            };
            let datagrams = buffer.get(..meta.len).unwrap_or_default();
            let datagrams = datagrams.chunks(meta.stride.max(1));
            datagrams.map(move |datagram| (path, datagram))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_has_is_refused_and_any_is_the_same_at_all_addresses() {
        let loopback = ["127.0.0.1", "127.0.0.2"].map(|it| it.parse().unwrap());
        let port = SharedPort::open(&loopback, 0).unwrap();
        let numbers = port
            .sockets
            .iter()
            .map(|(_, it)| it.socket.local_addr().unwrap());
        let expected = loopback.map(|ip| SocketAddr::new(ip, port.number));
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
        let (at, error) = SharedPort::open(&loopback[1..], port.number).unwrap_err();
        assert_eq!((at, error.kind()), (expected[1], io::ErrorKind::AddrInUse));
    }

    /// Of what comes while nobody listens to events there is no further one.
    #[test]
    fn who_starts_over_reads_what_nobody_was_told_of() {
        let loopback = ["127.0.0.1".parse().unwrap()];
        let port = SharedPort::open(&loopback, 0).unwrap();
        let poll = mio::Poll::new().unwrap();
        let mut reader = port.arrive(poll.registry()).unwrap();
        while reader.has_unread() {
            reader.receive(|datagrams| assert_eq!(datagrams.count(), 0));
        }
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender
            .send_to(b"hello", (loopback[0], port.number))
            .unwrap();
        // It is there, and whoever reads was not told.
        let (mut poll, mut events) = (poll, mio::Events::with_capacity(1));
        poll.poll(&mut events, Some(std::time::Duration::from_secs(60)))
            .unwrap();
        assert!(!events.is_empty() && !reader.has_unread());
        reader.start_over();
        let mut heard = Vec::new();
        let mut take = |_: FourTuple, datagram: &[u8]| heard.push(datagram.to_vec());
        reader.receive(|datagrams| datagrams.for_each(|(path, it)| take(path, it)));
        assert_eq!(heard, [b"hello"]);
    }
}
