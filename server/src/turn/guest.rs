//! The server on a shard's thread, as the media plane's guest: real sockets, real addresses, the wall clock.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::BytesMut;
use mio::Registry;
use mio::event::Event;
use rand::RngCore as _;

use super::allocation::RelayedTransport;
use super::connections::ConnectionId;
use super::refusal::Refusal;
use super::second_port::{Reader, SecondPort};
use super::server::{Host, Shared, Turn};
use super::shared_port::{self, SharedPort};
use super::streams::{Heard, HeldStreams, RelayStreams, is_scarcity};
use crate::clock::unix_time;
use crate::media::net::buffers;
use crate::media::net::candidates::Interfaces;
use crate::media::net::guest::{FIRST_TOKEN, Guest};
use crate::media::net::outbox::Transmit;
use crate::media::net::path::FourTuple;
use crate::media::net::relays::Relays;
use crate::media::net::sockets::Port;
use crate::media::net::tcp::Detached;

/// This server's addresses.
pub struct Addresses {
    /// The media port, and where it is open.
    pub port: Port,
    /// What a 1:1 NAT makes of them.
    pub external: Vec<IpAddr>,
    /// This machine's.
    pub interfaces: Interfaces,
}

impl Addresses {
    fn external(&self, ipv6: bool) -> Option<IpAddr> {
        self.external
            .iter()
            .copied()
            .find(|external| external.is_ipv6() == ipv6)
    }

    /// An address of this machine that others can reach, or if it has none, one of its own.
    fn any(&self, ipv6: bool) -> Option<IpAddr> {
        let own = self.interfaces.told(Instant::now()).into_iter();
        let fitting = own.filter(|own| own.is_ipv6() == ipv6 && self.port.receives_at(*own));
        let usable = fitting.filter(|own| match own {
            IpAddr::V4(own) => !own.is_link_local(),
            IpAddr::V6(own) => !own.is_unicast_link_local(),
        });
        usable.min_by_key(IpAddr::is_loopback)
    }

    /// Where a client reaches the media port, one address of a family; `loopback` says that it is on this
    /// machine.
    pub fn offered(&self, loopback: bool) -> impl Iterator<Item = IpAddr> {
        [false, true].into_iter().filter_map(move |ipv6| {
            // What a NAT makes of this machine is not always to be reached from behind it.
            let external = self
                .external(ipv6)
                .filter(|external| !loopback && self.port.has_family_of(*external));
            external
                .or_else(|| self.any(ipv6))
                .filter(|own| loopback || !own.is_loopback())
        })
    }

    /// The same for another port that is open at this address alone; `None` is wherever the media port is.
    pub fn offered_at(&self, at: Option<IpAddr>, loopback: bool) -> impl Iterator<Item = IpAddr> {
        let one = at.filter(|at| !at.is_unspecified());
        let external = one.and_then(|one| self.external(one.is_ipv6()));
        let one = external.filter(|_| !loopback).or(one);
        let everywhere = one.is_none().then(|| self.offered(loopback));
        // What is open for all of IPv6 is for IPv4, too.
        let reached = move |own: &IpAddr| at.is_none_or(|at| at.is_ipv6() || own.is_ipv4());
        one.into_iter()
            .chain(everywhere.into_iter().flatten().filter(reached))
    }

    /// See [`Host::address`].
    fn relayed(&self, local: IpAddr, ipv6: bool) -> Option<(IpAddr, IpAddr)> {
        let is_known = local.is_ipv6() == ipv6 && !local.is_unspecified();
        // A client of TURN over TLS may have come to an address at which no media is received.
        let is_known = is_known && self.port.receives_at(local);
        let bound = if is_known { local } else { self.any(ipv6)? };
        // Who comes over loopback is reached so.
        let told = self.external(ipv6).filter(|_| !bound.is_loopback());
        Some((told.unwrap_or(bound), bound))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.external.contains(&address)
            || self.port.receives_at(address)
                && self.interfaces.addresses(Instant::now()).contains(&address)
    }

    /// See [`Host::is_here`]: also where no media is received, and where a rule of interfaces leaves an address out.
    fn is_here(&self, address: IpAddr) -> bool {
        self.external.contains(&address)
            || self.interfaces.addresses(Instant::now()).contains(&address)
    }
}

/// What the server is told of the machine.
struct Machine {
    addresses: Arc<Addresses>,
    relays: Option<Relays>,
    streams: Option<RelayStreams>,
}

impl Host for Machine {
    fn unix_time(&self) -> u64 {
        unix_time()
    }

    fn random(&mut self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }

    fn address(&self, local: IpAddr, ipv6: bool) -> Option<(IpAddr, IpAddr)> {
        self.addresses.relayed(local, ipv6)
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.addresses.is_own(address)
    }

    fn is_here(&self, address: IpAddr) -> bool {
        self.addresses.is_here(address)
    }

    fn open(&mut self, bound: SocketAddr, transport: RelayedTransport) -> bool {
        let opened = match transport {
            RelayedTransport::Udp => self.relays.as_mut().map(|relays| relays.open(bound)),
            RelayedTransport::Tcp => self.streams.as_mut().map(|streams| streams.open(bound)),
        };
        if let Some(Err(error)) = &opened {
            tracing::debug!(%error, port = bound.port(), "a relay's socket cannot be opened");
        }
        matches!(opened, Some(Ok(())))
    }

    fn close(&mut self, bound: SocketAddr, transport: RelayedTransport) {
        let (relays, streams) = (self.relays.as_mut(), self.streams.as_mut());
        match transport {
            RelayedTransport::Udp => relays.map(|relays| relays.close(bound.port())),
            RelayedTransport::Tcp => streams.map(|streams| streams.close(bound.port())),
        };
    }

    fn connect(
        &mut self,
        id: ConnectionId,
        bound: SocketAddr,
        peer: SocketAddr,
    ) -> Result<(), Refusal> {
        let streams = self.streams.as_mut().ok_or(Refusal::Capacity)?;
        let begun = streams.connect(id, bound, peer);
        begun.map_err(|error| {
            tracing::debug!(%error, "a relay cannot connect");
            match is_scarcity(&error) {
                true => Refusal::Capacity,
                false => Refusal::Unreachable,
            }
        })
    }

    fn end(&mut self, id: ConnectionId) {
        if let Some(streams) = &mut self.streams {
            streams.end(id);
        }
    }
}

/// A shard's server and its machine.
pub struct TurnGuest {
    /// Where answers leave by that are not to come from the media port.
    second_port: Option<SecondPort>,
    /// One shard reads it.
    reader: Option<Reader>,
    /// Where relays of datagrams are, if they share a port.
    shared_port: Option<SharedPort>,
    /// One shard reads that, too.
    shared_reader: Option<shared_port::Reader>,
    /// Where datagrams are counted that the kernel does not take.
    dropped: Arc<AtomicU64>,
    turn: Turn,
    machine: Machine,
    shared: Arc<Shared>,
    /// Connections with peers, of all shards.
    held: Arc<HeldStreams>,
    shard: usize,
}

impl TurnGuest {
    /// For a shard.
    pub fn new(
        shared: Arc<Shared>,
        held: Arc<HeldStreams>,
        addresses: Arc<Addresses>,
        shard: usize,
    ) -> Self {
        Self {
            second_port: None,
            reader: None,
            shared_port: None,
            shared_reader: None,
            dropped: Arc::default(),
            turn: Turn::new(Instant::now(), shared.clone(), shard),
            machine: Machine {
                addresses,
                relays: None,
                streams: None,
            },
            shared,
            held,
            shard,
        }
    }
}

impl TurnGuest {
    /// With a second port, for who would like to know about its NAT.
    #[must_use]
    pub fn with_second_port(mut self, second_port: Option<SecondPort>) -> Self {
        self.second_port = second_port;
        self
    }

    /// With a port that relays of datagrams share.
    #[must_use]
    pub fn with_shared_port(mut self, shared_port: Option<SharedPort>) -> Self {
        self.shared_port = shared_port;
        self
    }

    /// Takes what peers say that are connected, or connect.
    fn hear(&mut self, now: Instant) -> usize {
        let streams = self.machine.streams.as_mut();
        let heard = streams.map(|streams| streams.hear(now));
        let heard = heard.unwrap_or_default();
        let count = heard.len();
        for heard in heard {
            let (turn, machine) = (&mut self.turn, &mut self.machine);
            match heard {
                Heard::Answered(port, id, is_connected) => {
                    turn.handle_connected(now, port, (id, is_connected), machine);
                }
                Heard::Accepted(port, peer, stream) => {
                    let id = turn.handle_accepted(now, port, peer, machine);
                    if let (Some(id), Some(streams)) = (id, &machine.streams) {
                        streams.hold(id, stream);
                    }
                }
            }
        }
        count
    }

    fn read_second_port(&mut self, registry: &Registry) {
        let second_port = self.second_port.as_ref().filter(|_| self.shard == 0);
        self.reader = second_port.and_then(|second_port| {
            let reader = second_port.arrive(registry);
            reader
                .inspect_err(|error| tracing::error!(%error, "the second port cannot be polled"))
                .ok()
        });
    }

    fn read_shared_port(&mut self, registry: &Registry) {
        let shared_port = self.shared_port.as_ref().filter(|_| self.shard == 0);
        self.shared_reader = shared_port.and_then(|shared_port| {
            let reader = shared_port.arrive(registry);
            reader
                .inspect_err(|error| tracing::error!(%error, "the relays' port cannot be polled"))
                .ok()
        });
    }
}

impl Guest for TurnGuest {
    fn arrive(&mut self, registry: Registry, dropped: Arc<AtomicU64>) {
        self.read_second_port(&registry);
        self.read_shared_port(&registry);
        self.dropped = dropped.clone();
        match registry.try_clone() {
            Ok(registry) => {
                self.machine.streams = Some(RelayStreams::new(registry, self.held.clone()))
            }
            Err(error) => tracing::error!(%error, "there are no relays of TCP"),
        }
        self.machine.relays = Some(Relays::new(registry, FIRST_TOKEN, dropped));
    }

    fn take<'a>(
        &mut self,
        now: Instant,
        path: &FourTuple,
        datagram: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])> {
        self.turn
            .handle_client(now, path, datagram, &mut self.machine)
    }

    fn take_handed_over<'a>(
        &mut self,
        now: Instant,
        path: &FourTuple,
        datagram: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])> {
        self.turn
            .handle_handed_over(now, path, datagram, &mut self.machine)
    }

    fn poll_handed_over(&mut self) -> Option<(usize, FourTuple, BytesMut)> {
        self.turn.poll_handed_over()
    }

    fn shard_of(&self, path: &FourTuple) -> Option<usize> {
        self.turn.shard_of(path.remote)
    }

    fn take_own(&mut self, now: Instant, transmit: &Transmit) {
        self.turn.handle_own(now, transmit);
    }

    fn take_over(&mut self, detach: &mut dyn FnMut(&FourTuple) -> Option<Detached>) {
        while let Some((path, id, link)) = self.turn.poll_joined() {
            self.held.join(id, detach(&path), link);
        }
    }

    fn handle_closed(&mut self, path: &FourTuple) {
        self.turn.handle_closed(path, &mut self.machine);
    }

    fn note(&mut self, event: &Event) {
        if let Some(relays) = &mut self.machine.relays {
            relays.note(event.token());
        }
        if let Some(streams) = &mut self.machine.streams {
            streams.note(event.token());
        }
        if let Some(reader) = &mut self.reader {
            reader.note(event.token());
        }
        if let Some(reader) = &mut self.shared_reader {
            reader.note(event.token());
        }
    }

    fn receive(&mut self, now: Instant) -> usize {
        let (turn, relays) = (&mut self.turn, &mut self.machine.relays);
        let relayed = relays.as_mut().map_or(0, |relays| {
            relays.receive(|port, peer, datagram| turn.handle_peer(now, port, peer, datagram))
        });
        let asked = self.reader.as_mut().map_or(0, |reader| {
            reader.receive(|path, datagram| turn.handle_second_port(now, path, datagram))
        });
        let shared = self.shared_reader.as_mut().map_or(0, |reader| {
            reader.receive(|datagrams| turn.handle_shared(now, datagrams))
        });
        relayed + asked + shared + self.hear(now)
    }

    fn has_unread(&self) -> bool {
        self.machine.relays.as_ref().is_some_and(Relays::has_unread)
            || self
                .machine
                .streams
                .as_ref()
                .is_some_and(RelayStreams::has_unread)
            || self.reader.as_ref().is_some_and(Reader::has_unread)
            || (self.shared_reader.as_ref()).is_some_and(shared_port::Reader::has_unread)
    }

    fn send(&mut self) {
        while let Some(transmit) = self.turn.poll_peer() {
            let port = transmit.path.local.port();
            match (&self.shared_port, &self.machine.relays) {
                (Some(shared), _) if shared.number() == port => {
                    shared.send(&transmit, &self.dropped);
                }
                (_, Some(relays)) => relays.send(&transmit),
                (_, None) => {}
            }
            buffers::give_back(transmit.data);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        loop {
            let transmit = self.turn.poll_client()?;
            let left = match &self.second_port {
                Some(second_port) => second_port.send(transmit),
                None => Some(transmit),
            };
            if left.is_some() {
                return left;
            }
        }
    }

    fn poll_introduction(&mut self) -> Option<FourTuple> {
        self.turn.poll_introduction()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.turn.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(streams) = &mut self.machine.streams {
            streams.handle_timeout(now);
        }
        self.turn.handle_timeout(now, &mut self.machine);
    }

    fn relays(&self) -> usize {
        self.turn.len()
    }

    fn start_over(&mut self) {
        let old = std::mem::replace(
            &mut self.turn,
            Turn::new(Instant::now(), self.shared.clone(), self.shard),
        );
        old.close_all(&mut self.machine);
        if let Some(relays) = &mut self.machine.relays {
            relays.start_over();
        }
        // What was told of and not read when that ended may have gone with it: nothing says it again.
        if let Some(reader) = &mut self.reader {
            reader.start_over();
        }
        if let Some(reader) = &mut self.shared_reader {
            reader.start_over();
        }
    }
}

/// Whoever is joined through it is not for ever.
impl Drop for TurnGuest {
    fn drop(&mut self) {
        self.start_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A firewall in front of this machine is not in the way of what comes from the machine itself.
    #[test]
    fn an_address_of_this_machine_is_here_also_where_no_media_is_received() {
        let read = |text: &str| text.parse().unwrap();
        let addresses = Addresses {
            port: Port {
                number: 3478,
                addresses: vec![read("192.0.2.1")],
            },
            external: vec![read("203.0.113.7")],
            interfaces: Interfaces::default(),
        };
        let loopback: IpAddr = read("127.0.0.1");
        assert!(!addresses.is_own(loopback) && addresses.is_here(loopback));
        assert!(addresses.is_here(read("203.0.113.7")));
        assert!(!addresses.is_here(read("198.51.100.1")));
    }
}
