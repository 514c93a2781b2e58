//! The server on a shard's thread, as the media plane's guest: real sockets, real addresses, the wall clock.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::BytesMut;
use mio::Registry;
use mio::event::Event;
use rand::RngCore as _;

use super::second_port::{Reader, SecondPort};
use super::server::{Host, Shared, Turn};
use crate::clock::unix_time;
use crate::media::net::buffers;
use crate::media::net::candidates::Interfaces;
use crate::media::net::guest::{FIRST_TOKEN, Guest};
use crate::media::net::outbox::Transmit;
use crate::media::net::path::FourTuple;
use crate::media::net::relays::Relays;
use crate::media::net::sockets::Port;

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
}

/// What the server is told of the machine.
struct Machine {
    addresses: Arc<Addresses>,
    relays: Option<Relays>,
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

    fn open(&mut self, bound: SocketAddr) -> bool {
        let opened = self.relays.as_mut().map(|relays| relays.open(bound));
        if let Some(Err(error)) = &opened {
            tracing::debug!(%error, port = bound.port(), "a relay's socket cannot be opened");
        }
        matches!(opened, Some(Ok(())))
    }

    fn close(&mut self, bound: SocketAddr) {
        if let Some(relays) = &mut self.relays {
            relays.close(bound.port());
        }
    }
}

/// A shard's server and its machine.
pub struct TurnGuest {
    /// Where answers leave by that are not to come from the media port.
    second_port: Option<SecondPort>,
    /// One shard reads it.
    reader: Option<Reader>,
    turn: Turn,
    machine: Machine,
    shared: Arc<Shared>,
    shard: usize,
}

impl TurnGuest {
    /// For a shard.
    pub fn new(shared: Arc<Shared>, addresses: Arc<Addresses>, shard: usize) -> Self {
        Self {
            second_port: None,
            reader: None,
            turn: Turn::new(Instant::now(), shared.clone(), shard),
            machine: Machine {
                addresses,
                relays: None,
            },
            shared,
            shard,
        }
    }
}

impl TurnGuest {
    /// With a second port, for who would like to know about its NAT.
    #[must_use]
    pub fn with_second_port(self, second_port: Option<SecondPort>) -> Self {
        Self {
            second_port,
            ..self
        }
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
}

impl Guest for TurnGuest {
    fn arrive(&mut self, registry: Registry, dropped: Arc<AtomicU64>) {
        self.read_second_port(&registry);
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

    fn handle_closed(&mut self, path: &FourTuple) {
        self.turn.handle_closed(path, &mut self.machine);
    }

    fn note(&mut self, event: &Event) {
        if let Some(relays) = &mut self.machine.relays {
            relays.note(event.token());
        }
        if let Some(reader) = &mut self.reader {
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
        relayed + asked
    }

    fn has_unread(&self) -> bool {
        self.machine.relays.as_ref().is_some_and(Relays::has_unread)
            || self.reader.as_ref().is_some_and(Reader::has_unread)
    }

    fn send(&mut self) {
        while let Some(transmit) = self.turn.poll_peer() {
            if let Some(relays) = &self.machine.relays {
                relays.send(&transmit);
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
    }
}
