//! The second port of NAT behaviour discovery (RFC 5780): a socket at each of two addresses, which one shard reads
//! and every shard answers from. What is answered is for `discovery`.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use mio::{Interest, Registry, Token};

use super::places::Places;
use crate::media::net::framing::MAX_FRAME;
use crate::media::net::guest::FIRST_TOKEN;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::sockets::{TRIES, open_plain};

/// Behind those of relays, of which there is one for each port.
const TOKENS: usize = FIRST_TOKEN + 65_536;

/// Datagrams read of a socket before the others get their turn. Few are answered.
const AT_ONCE: usize = 32;

/// The port.
#[derive(Clone, Debug)]
pub struct SecondPort {
    addresses: [IpAddr; 2],
    number: u16,
    sockets: Arc<[UdpSocket; 2]>,
}

impl SecondPort {
    /// Opens it at both; 0 takes any that is free. An error comes with the address that cannot be had.
    pub fn open(addresses: [IpAddr; 2], port: u16) -> Result<Self, (SocketAddr, io::Error)> {
        for _ in 1..TRIES {
            match Self::open_once(addresses, port) {
                // Free at one of them only: any other will do as well.
                Err((_, error)) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Self::open_once(addresses, port)
    }

    fn open_once(addresses: [IpAddr; 2], port: u16) -> Result<Self, (SocketAddr, io::Error)> {
        let open = |ip, port| {
            let asked = SocketAddr::new(ip, port);
            open_plain(asked).map_err(|error| (asked, error))
        };
        let first = open(addresses[0], port)?;
        let asked = SocketAddr::new(addresses[0], port);
        let bound = first.local_addr().map_err(|error| (asked, error))?;
        let second = open(addresses[1], bound.port())?;
        Ok(Self {
            addresses,
            number: bound.port(),
            sockets: Arc::new([first, second]),
        })
    }

    /// The four places that there are with it.
    pub fn places(&self, media_port: u16) -> Places {
        Places {
            addresses: self.addresses,
            ports: [media_port, self.number],
        }
    }

    /// Sends what leaves by this port. Returns what does not.
    pub(super) fn send(&self, transmit: Transmit) -> Option<Transmit> {
        let FourTuple {
            transport,
            local,
            remote,
        } = transmit.path;
        if local.port() != self.number || transport != Transport::Udp {
            return Some(transmit);
        }
        let mut all = self.addresses.iter().zip(&*self.sockets);
        if let Some((_, socket)) = all.find(|(address, _)| **address == local.ip()) {
            for datagram in transmit.datagrams() {
                // What the system does not take is lost, like any datagram can be.
                let _ = socket.send_to(datagram, remote);
            }
        }
        None
    }

    /// Has it polled.
    pub(super) fn arrive(&self, registry: &Registry) -> io::Result<Reader> {
        let mut sockets = Vec::new();
        for (at, socket) in self.sockets.iter().enumerate() {
            let mut socket = mio::net::UdpSocket::from_std(socket.try_clone()?);
            let token = Token(TOKENS + at);
            registry.register(&mut socket, token, Interest::READABLE)?;
            let local = SocketAddr::new(self.addresses[at], self.number);
            sockets.push((local, socket, true));
        }
        Ok(Reader(sockets))
    }
}

/// What one shard reads: sockets, where they are, and whether they may hold something.
pub(super) struct Reader(Vec<(SocketAddr, mio::net::UdpSocket, bool)>);

impl Reader {
    /// Takes note of one that has something to read.
    pub(super) fn note(&mut self, token: Token) {
        let at = token.0.checked_sub(TOKENS);
        if let Some((_, _, unread)) = at.and_then(|at| self.0.get_mut(at)) {
            *unread = true;
        }
    }

    /// Any may hold something: what was noted is forgotten.
    pub(super) fn start_over(&mut self) {
        self.0.iter_mut().for_each(|it| it.2 = true);
    }

    /// Whether any may have more to read.
    pub(super) fn has_unread(&self) -> bool {
        self.0.iter().any(|(_, _, unread)| *unread)
    }

    /// Reads them, but not for ever.
    pub(super) fn receive(&mut self, mut take: impl FnMut(&FourTuple, &[u8])) -> usize {
        // Mostly nobody asks.
        if !self.has_unread() {
            return 0;
        }
        let (mut arrived, mut buffer) = (0, [0; MAX_FRAME]);
        for (local, socket, unread) in &mut self.0 {
            for _ in 0..AT_ONCE {
                let (len, remote) = match socket.recv_from(&mut buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        *unread = false;
                        break;
                    }
                    // An ICMP error of an earlier answer.
                    Err(_) => continue,
                };
                arrived += 1;
                let path = FourTuple {
                    transport: Transport::Udp,
                    local: *local,
                    remote,
                };
                take(&path, &buffer[..len]);
            }
        }
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_something_to_read_is_read() {
        let loopback = ["127.0.0.1", "127.0.0.2"].map(|it| it.parse().unwrap());
        let port = SecondPort::open(loopback, 0).unwrap();
        let mut poll = mio::Poll::new().unwrap();
        let mut reader = port.arrive(poll.registry()).unwrap();
        assert_eq!(reader.receive(|_, _| {}), 0);
        assert!(!reader.has_unread());
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender
            .send_to(b"hello", (loopback[1], port.number))
            .unwrap();
        // Nobody has said so yet.
        assert_eq!(reader.receive(|_, _| {}), 0);
        let mut events = mio::Events::with_capacity(8);
        while !reader.has_unread() {
            poll.poll(&mut events, None).unwrap();
            events.iter().for_each(|event| reader.note(event.token()));
        }
        let mut heard = Vec::new();
        let count = reader.receive(|path, datagram| heard.push((path.local, datagram.to_vec())));
        assert_eq!(count, 1);
        assert_eq!(
            heard,
            [(SocketAddr::new(loopback[1], port.number), b"hello".to_vec())]
        );
    }
}
