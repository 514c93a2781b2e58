//! What is done for a client that has shown who it is: allocations made, kept and ended, peers permitted,
//! channels bound (RFC 8656 §7 to §12).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::account::{Account, Reach};
use super::allocation::{Allocation, DEFAULT_LIFETIME, Full, Grounds, MAX_LIFETIME, Taken, Ways};
use super::answer::{Done, User};
use super::credentials::user_of;
use super::live::LiveRelay;
use super::ports::{Lease, Parity};
use super::quota::{MAX_PER_STORED, MAX_PER_USER, Quota};
use super::refusal::Refusal;
use super::server::{Host, RESERVED_FOR, Reservation, Turn};
use crate::media::net::path::FourTuple;
use crate::media::net::stun::attribute::{
    CHANNEL_NUMBER, DONT_FRAGMENT, EVEN_PORT, LIFETIME, MOBILITY_TICKET, NONCE, PASSWORD_ALGORITHM,
    REALM, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN, USERNAME,
    XOR_PEER_ADDRESS, read_address,
};
use crate::media::net::stun::{Message, Method};

/// Numbers of channels. RFC 8656 §12 ends at 0x4fff, but clients of RFC 5766 go on.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7ffe;

/// UDP's number (RFC 8656 §18.7).
const UDP: u8 = 17;

const UNDERSTOOD: [u16; 12] = [
    USERNAME,
    REALM,
    NONCE,
    PASSWORD_ALGORITHM,
    LIFETIME,
    REQUESTED_TRANSPORT,
    REQUESTED_ADDRESS_FAMILY,
    EVEN_PORT,
    RESERVATION_TOKEN,
    // Nothing that leaves a relay is cut into fragments.
    DONT_FRAGMENT,
    CHANNEL_NUMBER,
    XOR_PEER_ADDRESS,
];

/// Ports tried for one allocation: another program's sockets may be on some.
pub(crate) const MAX_TRIES: usize = 16;

/// Whether what a user allocates has a socket. A relay to this server itself needs none.
fn needs_socket(user: &User) -> bool {
    match user.account.reach {
        Reach::Ourselves => false,
        Reach::Peers | Reach::Only(_) => true,
    }
}

/// Where a new allocation is to be.
struct Place {
    relayed: IpAddr,
    bound: IpAddr,
    lease: Lease,
    quota: Quota,
    token: Option<[u8; 8]>,
}

impl Turn {
    /// Does what a user asks for.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        client: &FourTuple,
        method: Method,
        message: &Message<'_>,
        user: User,
        host: &mut impl Host,
    ) -> Result<Done, Refusal> {
        let unknown: Vec<_> = message.unknown(&UNDERSTOOD).collect();
        if !unknown.is_empty() {
            return Err(Refusal::UnknownAttributes(unknown));
        }
        let key = self.living(now, client, host);
        if let Some(allocation) = key.and_then(|key| self.allocations.get(key))
            && *allocation.username != *user.username
        {
            return Err(Refusal::WrongCredentials);
        }
        if method == Method::Allocate {
            return self.allocate(now, client, key, message, user, host);
        }
        if method == Method::Refresh && message.get(MOBILITY_TICKET).is_some() {
            return self.refresh_by_ticket(now, client, key, message, &user, host);
        }
        let key = key.ok_or(Refusal::Mismatch)?;
        match method {
            Method::Refresh => self.refresh(now, key, message, host),
            Method::CreatePermission => self.permit(now, key, message, host),
            Method::ChannelBind => self.bind(now, key, message, host),
            Method::Binding | Method::Allocate | Method::Send | Method::Data => {
                Err(Refusal::BadRequest)
            }
        }
    }

    /// The client's allocation, unless it is over.
    fn living(&mut self, now: Instant, client: &FourTuple, host: &mut impl Host) -> Option<usize> {
        let key = *self.by_client.get(client)?;
        if self.allocations.get(key)?.is_over(now) {
            self.remove(key, host);
            return None;
        }
        Some(key)
    }

    /// RFC 8656 §7.2.
    fn allocate(
        &mut self,
        now: Instant,
        client: &FourTuple,
        known: Option<usize>,
        message: &Message<'_>,
        user: User,
        host: &mut impl Host,
    ) -> Result<Done, Refusal> {
        if let Some(known) = known {
            let is_again =
                |allocation: &Allocation| allocation.transaction == message.transaction();
            return match self.allocations.get(known).is_some_and(is_again) {
                true => Ok(Done::Allocated(known)),
                false => Err(Refusal::Mismatch),
            };
        }
        match message.get(REQUESTED_TRANSPORT) {
            Some([UDP, ..]) => {}
            Some([_, ..]) => return Err(Refusal::Transport),
            Some([]) | None => return Err(Refusal::BadRequest),
        }
        // It is empty as long as there is none (RFC 8016 §3.1.2).
        if message
            .get(MOBILITY_TICKET)
            .is_some_and(|ticket| !ticket.is_empty())
        {
            return Err(Refusal::BadRequest);
        }
        let place = match message.get(RESERVATION_TOKEN) {
            Some(token) => self.reserved(now, message, &user, token, host)?,
            None => self.new_place(now, client, message, &user, host)?,
        };
        let transaction = message.transaction();
        let is_open = needs_socket(&user);
        let lifetime = lifetime(message, &user.account, host);
        let payer = user.account.meter.as_ref().map(|meter| meter.payer());
        let listed = self.shared.live.enter(LiveRelay::new(
            (&user.username, payer),
            (client.remote, client.transport),
            SocketAddr::new(place.relayed, place.lease.port()),
            host.unix_time(),
        ));
        let mobility = self.mobility(client, message, place.lease.port());
        self.insert(Allocation::new(Grounds {
            client: *client,
            username: user.username.into(),
            key: user.key,
            account: user.account,
            relayed: place.relayed,
            bound: place.bound,
            transaction,
            token: place.token,
            is_open,
            expires: now + lifetime,
            lease: place.lease,
            quota: place.quota,
            listed,
            mobility,
        }));
        let key = self.by_client.get(client).ok_or(Refusal::Capacity)?;
        Ok(Done::Allocated(*key))
    }

    fn new_place(
        &self,
        now: Instant,
        client: &FourTuple,
        message: &Message<'_>,
        user: &User,
        host: &mut impl Host,
    ) -> Result<Place, Refusal> {
        let is_ipv6 = match message.get(REQUESTED_ADDRESS_FAMILY) {
            None | Some([1, ..]) => false,
            Some([2, ..]) => true,
            Some(_) => return Err(Refusal::Family),
        };
        let parity = match message.get(EVEN_PORT) {
            None => Parity::Any,
            Some([flags, ..]) if flags & 0x80 != 0 => Parity::Pair,
            Some(_) => Parity::Even,
        };
        let address = host.address(client.local.ip(), is_ipv6);
        let (relayed, bound) = address.ok_or(Refusal::Family)?;
        let quota = self.quota(user, client)?;
        let second = (parity == Parity::Pair)
            .then(|| self.quota(user, client))
            .transpose()?;
        let (lease, next) = self.lease(user, parity, bound, host)?;
        let token = next.zip(second).map(|(lease, quota)| {
            let mut token = [0; 8];
            host.random(&mut token);
            let reservation = Reservation {
                username: user.username.as_str().into(),
                relayed,
                bound,
                lease,
                quota,
                until: now + RESERVED_FOR,
            };
            self.shared.reservations().insert(token, reservation);
            token
        });
        Ok(Place {
            relayed,
            bound,
            lease,
            quota,
            token,
        })
    }

    /// A port, and for who may reach peers a socket on it; and the next port, if it was asked for.
    fn lease(
        &self,
        user: &User,
        parity: Parity,
        bound: IpAddr,
        host: &mut impl Host,
    ) -> Result<(Lease, Option<Lease>), Refusal> {
        let ports = match user.account.reach {
            Reach::Ourselves => &self.shared.numbers,
            Reach::Peers | Reach::Only(_) => &self.shared.ports,
        };
        for _ in 0..MAX_TRIES {
            let mut seed = [0; 4];
            host.random(&mut seed);
            let leases = ports.take(self.shard, parity, u32::from_be_bytes(seed));
            let (lease, next) = leases.ok_or(Refusal::Capacity)?;
            let is_had = !needs_socket(user) || host.open(SocketAddr::new(bound, lease.port()));
            if is_had {
                return Ok((lease, next));
            }
        }
        Err(Refusal::Capacity)
    }

    fn quota(&self, user: &User, client: &FourTuple) -> Result<Quota, Refusal> {
        let most = match user.account.is_stored() {
            true => MAX_PER_STORED,
            false => MAX_PER_USER,
        };
        let (quotas, name) = (&self.shared.quotas, user_of(&user.username));
        let quota = quotas.take(name, most, client.remote.ip());
        quota.ok_or(Refusal::Quota)
    }

    /// The port that was kept for whoever has this token.
    fn reserved(
        &self,
        now: Instant,
        message: &Message<'_>,
        user: &User,
        token: &[u8],
        host: &mut impl Host,
    ) -> Result<Place, Refusal> {
        let excluded = [EVEN_PORT, REQUESTED_ADDRESS_FAMILY];
        if excluded.iter().any(|typ| message.get(*typ).is_some()) {
            return Err(Refusal::BadRequest);
        }
        let token: [u8; 8] = token.try_into().map_err(|_| Refusal::BadRequest)?;
        let mut reservations = self.shared.reservations();
        let is_good = |kept: &Reservation| now < kept.until && *kept.username == *user.username;
        if !reservations.get(&token).is_some_and(is_good) {
            return Err(Refusal::Capacity);
        }
        let kept = reservations.remove(&token).ok_or(Refusal::Capacity)?;
        if needs_socket(user) && !host.open(SocketAddr::new(kept.bound, kept.lease.port())) {
            return Err(Refusal::Capacity);
        }
        Ok(Place {
            relayed: kept.relayed,
            bound: kept.bound,
            lease: kept.lease.given_to(self.shard),
            quota: kept.quota,
            token: None,
        })
    }

    /// RFC 8656 §8.2.
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        key: usize,
        message: &Message<'_>,
        host: &mut impl Host,
    ) -> Result<Done, Refusal> {
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        let is_ipv4 = allocation.relayed.is_ipv4();
        match message.get(REQUESTED_ADDRESS_FAMILY) {
            None => {}
            Some([1, ..]) if is_ipv4 => {}
            Some([2, ..]) if !is_ipv4 => {}
            Some(_) => return Err(Refusal::PeerFamily),
        }
        if message.get(LIFETIME) == Some(&[0; 4]) {
            self.remove(key, host);
            return Ok(Done::Refreshed(0));
        }
        let lifetime = lifetime(message, &allocation.account, host);
        allocation.expires = now + lifetime;
        Ok(Done::Refreshed(lifetime.as_secs() as u32))
    }

    /// RFC 8656 §10.2. Of peers that may not all be reached, none; of more than there is room for, the first.
    fn permit(
        &mut self,
        now: Instant,
        key: usize,
        message: &Message<'_>,
        host: &impl Host,
    ) -> Result<Done, Refusal> {
        let mut granted = Vec::new();
        let peers = message
            .covered()
            .filter(|(typ, _)| *typ == XOR_PEER_ADDRESS);
        for (_, value) in peers {
            let peer = read_address(value, message.transaction()).ok_or(Refusal::BadRequest)?;
            granted.push((peer.ip(), self.ways(key, peer, host)?));
        }
        if granted.is_empty() {
            return Err(Refusal::BadRequest);
        }
        for (address, ways) in granted {
            self.grant(now, key, address, ways)?;
        }
        Ok(Done::Granted)
    }

    /// RFC 8656 §12.2.
    fn bind(
        &mut self,
        now: Instant,
        key: usize,
        message: &Message<'_>,
        host: &impl Host,
    ) -> Result<Done, Refusal> {
        let peer = message.get(XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| read_address(value, message.transaction()));
        let (Some([a, b, ..]), Some(peer)) = (message.get(CHANNEL_NUMBER), peer) else {
            return Err(Refusal::BadRequest);
        };
        let number = u16::from_be_bytes([*a, *b]);
        if !CHANNELS.contains(&number) {
            return Err(Refusal::BadRequest);
        }
        let ways = self.ways(key, peer, host)?;
        let allocation = self.allocations.get(key).ok_or(Refusal::Mismatch)?;
        let checked = allocation.check_channel(now, number, peer);
        checked.map_err(|Taken| Refusal::BadRequest)?;
        let way = ways.to(peer.port(), &self.shared.own);
        let way = way.ok_or(Refusal::Forbidden)?;
        self.grant(now, key, peer.ip(), ways)?;
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        let bound = allocation.bind(now, number, peer, way);
        bound.map_err(|Full| Refusal::Capacity)?;
        Ok(Done::Granted)
    }

    /// The ways to a peer's address, of which there must be one.
    fn ways(&self, key: usize, peer: SocketAddr, host: &impl Host) -> Result<Ways, Refusal> {
        let allocation = self.allocations.get(key).ok_or(Refusal::Mismatch)?;
        if peer.is_ipv4() != allocation.relayed.is_ipv4() {
            return Err(Refusal::PeerFamily);
        }
        let (is_own, access) = (host.is_own(peer.ip()), &self.shared.access);
        let (is_admitted, is_allowed) = match allocation.account.reach {
            Reach::Ourselves => (false, false),
            Reach::Peers => (access.admits(peer.ip()), access.allows(peer.ip())),
            Reach::Only(one) => (false, one == peer.ip()),
        };
        let ways = Ways {
            ourselves: is_own,
            relays: is_own && is_admitted,
            // What comes from here passes this machine's firewall: its services are for nobody, unless said so.
            peers: is_allowed || is_admitted && !is_own,
        };
        match ways.is_none() {
            true => Err(Refusal::Forbidden),
            false => Ok(ways),
        }
    }

    /// Permits an address.
    fn grant(
        &mut self,
        now: Instant,
        key: usize,
        address: IpAddr,
        ways: Ways,
    ) -> Result<(), Refusal> {
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        let permitted = allocation.permit(now, address, ways);
        permitted.map_err(|Full| Refusal::Capacity)
    }
}

/// As long as asked for, within reason (RFC 8656 §7.2), and no longer than what it is for is good.
fn lifetime(message: &Message<'_>, account: &Account, host: &impl Host) -> Duration {
    let asked = message
        .get(LIFETIME)
        .and_then(|value| value.try_into().ok());
    let asked = asked.map(|value| Duration::from_secs(u32::from_be_bytes(value).into()));
    let lifetime = asked.map_or(DEFAULT_LIFETIME, |asked| {
        asked.clamp(DEFAULT_LIFETIME, MAX_LIFETIME)
    });
    let left = |expires: u64| Duration::from_secs(expires.saturating_sub(host.unix_time()));
    account
        .expires
        .map_or(lifetime, |expires| lifetime.min(left(expires)))
}
