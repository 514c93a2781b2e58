//! What is done for a client that has shown who it is: allocations made, kept and ended (RFC 8656 §7, §8). What of
//! peers is for `permits`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::{Account, Reach};
use super::allocation::{Allocation, DEFAULT_LIFETIME, Grounds, MAX_LIFETIME, RelayedTransport};
use super::answer::{Done, User};
use super::connections::Connections;
use super::credentials::user_of;
use super::live::LiveRelay;
use super::ports::{Lease, Parity};
use super::quota::{MAX_PER_STORED, MAX_PER_USER, Quota};
use super::refusal::Refusal;
use super::server::{Host, RESERVED_FOR, Reservation, Turn};
use super::sharing::{self, Sharing};
use super::tenancy::Tenancy;
use super::tenant::Holder;
use crate::media::net::path::FourTuple;
use crate::media::net::stun::attribute::{
    CHANNEL_NUMBER, CONNECTION_ID, DONT_FRAGMENT, EVEN_PORT, LIFETIME, MOBILITY_TICKET, NONCE,
    PASSWORD_ALGORITHM, REALM, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, RESERVATION_TOKEN,
    USERNAME, XOR_PEER_ADDRESS,
};
use crate::media::net::stun::{Message, Method};

/// UDP's number (RFC 8656 §18.7), and TCP's.
const UDP: u8 = 17;
const TCP: u8 = 6;

const UNDERSTOOD: [u16; 13] = [
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
    CONNECTION_ID,
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
        if method == Method::ConnectionBind {
            return self.bind_connection(now, client, message, &user);
        }
        if method == Method::Refresh && message.get(MOBILITY_TICKET).is_some() {
            return self.refresh_by_ticket(now, client, key, message, &user, host);
        }
        let key = key.ok_or(Refusal::Mismatch)?;
        match method {
            Method::Refresh => self.refresh(now, key, message, host),
            Method::CreatePermission => self.permit(now, key, message, host),
            Method::ChannelBind => self.bind(now, key, message, host),
            Method::Connect => self.connect(now, key, message, &user.key, host),
            Method::Binding
            | Method::Allocate
            | Method::Send
            | Method::Data
            | Method::ConnectionBind
            | Method::ConnectionAttempt => Err(Refusal::BadRequest),
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
            return self.allocated(known, message);
        }
        let transport = self.relayed_transport(client, message, &user)?;
        // It is empty as long as there is none (RFC 8016 §3.1.2).
        let ticket = message.get(MOBILITY_TICKET);
        if ticket.is_some_and(|ticket| !ticket.is_empty()) {
            return Err(Refusal::BadRequest);
        }
        let place = match message.get(RESERVATION_TOKEN) {
            Some(token) => self.reserved(now, message, &user, token, host)?,
            None => self.new_place(now, client, transport, message, &user, host)?,
        };
        let transaction = message.transaction();
        let shared = self.shared_by(&user, transport).cloned();
        let is_open = needs_socket(&user) && shared.is_none();
        let number = place.lease.port();
        let port = shared.as_ref().map_or(number, |shared| shared.port());
        let lifetime = lifetime(message, &user.account, host);
        let payer = user.account.meter.as_ref().map(|meter| meter.payer());
        let listed = self.shared.live.enter(LiveRelay::new(
            (&user.username, payer),
            (client.remote, client.transport),
            SocketAddr::new(place.relayed, port),
            host.unix_time(),
        ));
        let mobility = self.mobility(client, message, number);
        let connections = (transport == RelayedTransport::Tcp).then(|| {
            let at = [place.relayed, place.bound].map(|at| SocketAddr::new(at, port));
            Box::new(Connections::new(now, &self.shared.connections, at))
        });
        let tenancy = shared.map(|shared| {
            let tenant = (shared.tenant(self.shard, number), holder(&user, client));
            Box::new(Tenancy::new(&shared, tenant, place.bound))
        });
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
            port,
            lease: place.lease,
            quota: place.quota,
            listed,
            mobility,
            connections,
            tenancy,
        }));
        let key = self.by_client.get(client).ok_or(Refusal::Capacity)?;
        Ok(Done::Allocated(*key))
    }

    /// What is asked for a second time has been given; a client has no other allocation.
    fn allocated(&self, known: usize, message: &Message<'_>) -> Result<Done, Refusal> {
        let is_again = |allocation: &Allocation| allocation.transaction == message.transaction();
        match self.allocations.get(known).is_some_and(is_again) {
            true => Ok(Done::Allocated(known)),
            false => Err(Refusal::Mismatch),
        }
    }

    fn new_place(
        &self,
        now: Instant,
        client: &FourTuple,
        transport: RelayedTransport,
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
        let shared = self.shared_by(user, transport);
        if shared.is_some_and(|shared| !suits(shared.port(), parity)) {
            return Err(Refusal::Capacity);
        }
        let address = host.address(client.local.ip(), is_ipv6);
        let (relayed, bound) = address.ok_or(Refusal::Family)?;
        let quota = self.quota(user, client)?;
        let second = (parity == Parity::Pair)
            .then(|| self.quota(user, client))
            .transpose()?;
        let (lease, next) = self.lease(user, parity, (bound, transport), host)?;
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
        (bound, transport): (IpAddr, RelayedTransport),
        host: &mut impl Host,
    ) -> Result<(Lease, Option<Lease>), Refusal> {
        // Where there is no socket of its own, no port is taken from those that need one.
        let needs_none = !needs_socket(user) || self.shared_by(user, transport).is_some();
        let ports = match needs_none {
            true => &self.shared.numbers,
            false => &self.shared.ports,
        };
        for _ in 0..MAX_TRIES {
            let mut seed = [0; 4];
            host.random(&mut seed);
            let leases = ports.take(self.shard, parity, u32::from_be_bytes(seed));
            let (lease, next) = leases.ok_or(Refusal::Capacity)?;
            let bound = SocketAddr::new(bound, lease.port());
            let is_had = needs_none || host.open(bound, transport);
            if is_had {
                return Ok((lease, next));
            }
        }
        Err(Refusal::Capacity)
    }

    /// The port that a user's relay shares with others, if it does. One to this server itself is a number alone.
    fn shared_by(&self, user: &User, transport: RelayedTransport) -> Option<&Arc<Sharing>> {
        let sharing = self.shared.sharing.as_ref();
        sharing.filter(|_| needs_socket(user) && transport == RelayedTransport::Udp)
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
        let bound = SocketAddr::new(kept.bound, kept.lease.port());
        if needs_socket(user) && !host.open(bound, RelayedTransport::Udp) {
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

    /// What the relay is to carry, if it may.
    fn relayed_transport(
        &self,
        client: &FourTuple,
        message: &Message<'_>,
        user: &User,
    ) -> Result<RelayedTransport, Refusal> {
        match message.get(REQUESTED_TRANSPORT) {
            Some([UDP, ..]) => Ok(RelayedTransport::Udp),
            Some([TCP, ..]) if self.shared.has_streams => {
                Self::check_stream_request(client, message, user)?;
                Ok(RelayedTransport::Tcp)
            }
            Some([_, ..]) => Err(Refusal::Transport),
            Some([]) | None => Err(Refusal::BadRequest),
        }
    }
}

/// Who pays for what a relay has at a port that relays share.
fn holder(user: &User, client: &FourTuple) -> Holder {
    Holder {
        user: user_of(&user.username).into(),
        most: match user.account.is_stored() {
            true => sharing::MAX_PER_STORED,
            false => sharing::MAX_PER_USER,
        },
        source: client.remote.ip(),
    }
}

/// Whether a port that relays share is what is asked for. Nobody has it to itself, nor the next one.
fn suits(port: u16, parity: Parity) -> bool {
    match parity {
        Parity::Any => true,
        Parity::Even => port.is_multiple_of(2),
        Parity::Pair => false,
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
