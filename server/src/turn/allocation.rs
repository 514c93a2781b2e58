//! One allocation (RFC 8656 §3.2): whose it is, its relayed address, and which peers may use it. It decides
//! nothing but whether what was agreed still holds.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use super::bandwidth::{Allowance, Direction};
use super::connections::Connections;
use super::credentials::Key;
use super::live::Listed;
use super::mobility::Mobility;
use super::ports::Lease;
use super::quota::Quota;
use super::tenancy::Tenancy;
use crate::media::net::path::FourTuple;
use crate::media::net::stun::TransactionId;

/// How long an allocation lives that nobody asks to live longer (RFC 8656 §3.2).
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// How long one may ask for at a time.
pub const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// How long a permission holds (RFC 8656 §9).
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel is bound (RFC 8656 §12).
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// Addresses that may send to one allocation.
pub const MAX_PERMISSIONS: usize = 64;

/// Channels of one allocation.
pub const MAX_CHANNELS: usize = 64;

/// What a relay carries, to peers and from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayedTransport {
    /// Datagrams.
    Udp,
    /// Streams (RFC 6062).
    Tcp,
}

/// Where what is sent to a peer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To this server's own media port, which needs no socket.
    Ourselves,
    /// To another relay at the port that relays share, which needs no socket, either.
    Neighbour,
    /// Out.
    Peer,
}

/// Which ways lead to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    /// Our own media port is there.
    pub ourselves: bool,
    /// Our own relays are there, and may be reached.
    pub relays: bool,
    /// Its other ports may be reached.
    pub peers: bool,
}

/// The ports of this server's that are no service of anybody else's on this machine.
#[derive(Clone, Debug)]
pub struct OwnPorts {
    /// Where peers are.
    pub media: u16,
    /// Where relays are.
    pub relays: RangeInclusive<u16>,
    /// Where those of datagrams are, if they share one.
    pub shared: Option<u16>,
}

impl OwnPorts {
    /// Whether relays of this kind are, or may be, at a port.
    fn has_relays(&self, port: u16, transport: RelayedTransport) -> bool {
        match (transport, self.shared) {
            (RelayedTransport::Udp, Some(shared)) => port == shared,
            (RelayedTransport::Udp, None) | (RelayedTransport::Tcp, _) => {
                self.relays.contains(&port)
            }
        }
    }
}

impl Ways {
    /// The way to a port of the address for what a relay carries, if one leads there.
    pub fn to(self, port: u16, own: &OwnPorts, transport: RelayedTransport) -> Option<Way> {
        if self.ourselves && port == own.media {
            return Some(Way::Ourselves);
        }
        let is_relay = self.relays && own.has_relays(port, transport);
        match transport {
            RelayedTransport::Udp if is_relay && own.shared.is_some() => Some(Way::Neighbour),
            RelayedTransport::Udp | RelayedTransport::Tcp => {
                (self.peers || is_relay).then_some(Way::Peer)
            }
        }
    }

    /// Whether none leads anywhere there.
    pub fn is_none(self) -> bool {
        !(self.ourselves || self.relays || self.peers)
    }
}

struct Permission {
    address: IpAddr,
    ways: Ways,
    expires: Instant,
}

struct Channel {
    number: u16,
    peer: SocketAddr,
    way: Way,
    expires: Instant,
}

/// There are as many as there may be.
#[derive(Debug)]
pub struct Full;

/// The number means another peer, or the peer has another number (RFC 8656 §12.1).
#[derive(Debug)]
pub struct Taken;

/// The allocation.
pub struct Allocation {
    /// How its client is reached.
    pub client: FourTuple,
    /// Who made it.
    pub username: Box<str>,
    /// What its requests are sealed with.
    pub key: Key,
    /// What its user may.
    pub account: Arc<Account>,
    /// The relayed address, as its client was told.
    pub relayed: SocketAddr,
    /// The same where this machine has it.
    pub bound: SocketAddr,
    /// What it is called on paths to this server itself: no other is called so, also where relays share a port.
    pub name: SocketAddr,
    /// Whether there is a socket of its own.
    pub is_open: bool,
    /// What made it: the same request again gets the same answer.
    pub transaction: TransactionId,
    /// The token for the next port.
    pub token: Option<[u8; 8]>,
    /// It ends then.
    pub expires: Instant,
    /// What its account may relay. It lies here, as every packet asks.
    allowance: Option<Arc<Allowance>>,
    /// Bytes of packets, both ways, that its account's meter does not know yet.
    unmetered: u64,
    /// Those that were too much, and that nobody was told of yet.
    held_back: u64,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    /// Those with its peers, if it is one of TCP. They leave the table of all before the port is given back, or its
    /// next owner's entry would be removed for its own.
    pub(super) connections: Option<Box<Connections>>,
    /// Its place at the port that relays share, if it is there. That is given back before the number, too.
    pub(super) tenancy: Option<Box<Tenancy>>,
    lease: Lease,
    pub(super) quota: Quota,
    pub(super) listed: Listed,
    /// How its client moves, if it asked for that.
    pub(super) mobility: Option<Box<Mobility>>,
}

/// What an allocation is made of.
pub(super) struct Grounds {
    /// See [`Allocation`].
    pub client: FourTuple,
    /// See [`Allocation`].
    pub username: Box<str>,
    /// See [`Allocation`].
    pub key: Key,
    /// See [`Allocation`].
    pub account: Arc<Account>,
    /// See [`Allocation`].
    pub relayed: IpAddr,
    /// See [`Allocation`].
    pub bound: IpAddr,
    /// See [`Allocation`].
    pub transaction: TransactionId,
    /// See [`Allocation`].
    pub token: Option<[u8; 8]>,
    /// See [`Allocation`].
    pub expires: Instant,
    /// See [`Allocation`].
    pub is_open: bool,
    /// The port that it is reached at.
    pub port: u16,
    /// Its number, which that is where it has a port of its own.
    pub lease: Lease,
    /// Its place among its user's.
    pub quota: Quota,
    /// Its place among all.
    pub listed: Listed,
    /// See [`Allocation`].
    pub mobility: Option<Box<Mobility>>,
    /// See [`Allocation`].
    pub connections: Option<Box<Connections>>,
    /// See [`Allocation`].
    pub tenancy: Option<Box<Tenancy>>,
}

/// However it ends, what it carried is counted.
impl Drop for Allocation {
    fn drop(&mut self) {
        self.meter();
        if let Some(meter) = &self.account.meter {
            meter.note_end();
        }
    }
}

impl Allocation {
    /// One that nobody may send to yet.
    pub(super) fn new(grounds: Grounds) -> Self {
        let (port, number) = (grounds.port, grounds.lease.port());
        Self {
            client: grounds.client,
            username: grounds.username,
            key: grounds.key,
            allowance: grounds.account.allowance.clone(),
            account: grounds.account,
            relayed: SocketAddr::new(grounds.relayed, port),
            bound: SocketAddr::new(grounds.bound, port),
            name: SocketAddr::new(grounds.relayed, number),
            is_open: grounds.is_open,
            transaction: grounds.transaction,
            token: grounds.token,
            expires: grounds.expires,
            unmetered: 0,
            held_back: 0,
            permissions: Vec::new(),
            channels: Vec::new(),
            tenancy: grounds.tenancy,
            lease: grounds.lease,
            quota: grounds.quota,
            listed: grounds.listed,
            mobility: grounds.mobility,
            connections: grounds.connections,
        }
    }

    /// What its shard knows it by: no other one has it.
    pub fn number(&self) -> u16 {
        self.lease.port()
    }

    /// What it carries.
    pub fn transport(&self) -> RelayedTransport {
        match self.connections {
            Some(_) => RelayedTransport::Tcp,
            None => RelayedTransport::Udp,
        }
    }

    /// Whether a packet is within what its account may relay. It is counted, as carried or as held back. This is all
    /// that a packet pays for it.
    pub fn carries(&mut self, now: Instant, direction: Direction, bytes: usize) -> bool {
        let allowance = self.allowance.as_ref();
        let is_within = allowance.is_none_or(|allowance| allowance.take(now, direction, bytes));
        match is_within {
            true => self.unmetered += bytes as u64,
            false => self.held_back += bytes as u64,
        }
        is_within
    }

    /// Tells the account's meter what was counted.
    pub fn meter(&mut self) {
        let streams = self.connections.as_deref_mut();
        let streams = streams.map_or(0, Connections::take_carried);
        let bytes = std::mem::take(&mut self.unmetered) + streams;
        self.listed.add(bytes);
        self.listed.hold_back(std::mem::take(&mut self.held_back));
        if let Some(meter) = &self.account.meter {
            meter.add(bytes);
        }
    }

    /// Whether it has to end.
    pub fn is_over(&self, now: Instant) -> bool {
        self.expires <= now || self.account.is_revoked()
    }

    /// Lets an address send, for a while from now on.
    pub fn permit(&mut self, now: Instant, address: IpAddr, ways: Ways) -> Result<(), Full> {
        let expires = now + PERMISSION_LIFETIME;
        let known = self
            .permissions
            .iter_mut()
            .find(|known| known.address == address);
        if let Some(known) = known {
            (known.ways, known.expires) = (ways, expires);
            return Ok(());
        }
        if self.permissions.len() >= MAX_PERMISSIONS {
            self.permissions.retain(|known| known.expires > now);
        }
        if self.permissions.len() >= MAX_PERMISSIONS {
            return Err(Full);
        }
        self.permissions.push(Permission {
            address,
            ways,
            expires,
        });
        Ok(())
    }

    /// The way to a peer, and from it, if it is permitted.
    pub fn way(&self, now: Instant, peer: SocketAddr, own: &OwnPorts) -> Option<Way> {
        let known = self
            .permissions
            .iter()
            .find(|known| known.address == peer.ip());
        let ways = known.filter(|known| now < known.expires)?.ways;
        ways.to(peer.port(), own, self.transport())
    }

    /// Whether a channel can be bound.
    pub fn check_channel(&self, now: Instant, number: u16, peer: SocketAddr) -> Result<(), Taken> {
        let mut living = self.channels.iter().filter(|known| now < known.expires);
        let differs = |known: &Channel| (known.number == number) != (known.peer == peer);
        match living.any(differs) {
            true => Err(Taken),
            false => Ok(()),
        }
    }

    /// Whether there is room for a channel.
    pub fn has_room(&self, now: Instant, number: u16, peer: SocketAddr) -> bool {
        let is_it = |known: &&Channel| known.number == number || known.peer == peer;
        let living = self.channels.iter().filter(|known| now < known.expires);
        living.filter(|known| !is_it(known)).count() < MAX_CHANNELS
    }

    /// Binds a channel, for a while from now on.
    pub fn bind(
        &mut self,
        now: Instant,
        number: u16,
        peer: SocketAddr,
        way: Way,
    ) -> Result<(), Full> {
        // Past its time a number may mean another peer.
        let is_it = |known: &Channel| known.number == number || known.peer == peer;
        self.channels.retain(|known| !is_it(known));
        if self.channels.len() >= MAX_CHANNELS {
            self.channels.retain(|known| known.expires > now);
        }
        if self.channels.len() >= MAX_CHANNELS {
            return Err(Full);
        }
        self.channels.push(Channel {
            number,
            peer,
            way,
            expires: now + CHANNEL_LIFETIME,
        });
        Ok(())
    }

    /// The peer that a channel means.
    pub fn peer_of(&self, now: Instant, number: u16) -> Option<(SocketAddr, Way)> {
        let known = self.channels.iter().find(|known| known.number == number);
        known
            .filter(|known| now < known.expires)
            .map(|known| (known.peer, known.way))
    }

    /// The channel that means a peer.
    pub fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let known = self.channels.iter().find(|known| known.peer == peer);
        known
            .filter(|known| now < known.expires)
            .map(|known| known.number)
    }
}
