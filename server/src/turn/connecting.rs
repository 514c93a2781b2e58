//! Relays of TCP (RFC 6062): connections to peers and from them, and connections of clients that are joined with
//! these. What is done; what a connection carries is for `carrying`.
//!
//! Whom they reach, and who reaches them, is what holds for datagrams, too.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::account::{Account, Reach};
use super::allocation::{RelayedTransport, Way};
use super::answer::{Done, User, refuse};
use super::asked::Waiting;
use super::connections::{
    AllConnections, Beginning, ConnectionId, Connections, Holder, JoinedLink, Link, MAX_PER_STORED,
    MAX_PER_USER,
};
use super::credentials::{Key, user_of};
use super::refusal::Refusal;
use super::server::{Host, Turn};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::{
    CONNECTION_ID, DONT_FRAGMENT, EVEN_PORT, RESERVATION_TOKEN, XOR_PEER_ADDRESS, read_address,
};
use crate::media::net::stun::{Message, Method, Writer};

/// Numbers tried for one connection: others may have some.
const MAX_TRIES: usize = 8;

impl Turn {
    /// What is to be said of a request for a relay of TCP (RFC 6062 §5.1).
    pub(super) fn check_stream_request(
        client: &FourTuple,
        message: &Message<'_>,
        user: &User,
    ) -> Result<(), Refusal> {
        const EXCLUDED: [u16; 3] = [DONT_FRAGMENT, EVEN_PORT, RESERVATION_TOKEN];
        let is_excluded = EXCLUDED.iter().any(|typ| message.get(*typ).is_some());
        if client.transport != Transport::Tcp || is_excluded {
            return Err(Refusal::BadRequest);
        }
        match user.account.reach {
            // Where it leads, everybody gets by a connection of its own.
            Reach::Ourselves => Err(Refusal::Forbidden),
            Reach::Peers | Reach::Only(_) => Ok(()),
        }
    }

    /// RFC 6062 §5.2.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        key: usize,
        message: &Message<'_>,
        seal: &Key,
        host: &mut impl Host,
    ) -> Result<Done, Refusal> {
        self.expire_connections(now, key, host);
        let peer = message.get(XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| read_address(value, message.transaction()));
        let peer = peer.ok_or(Refusal::BadRequest)?;
        let connections = self.connections(key).ok_or(Refusal::Mismatch)?;
        if connections.has(peer) {
            return Err(Refusal::Connected);
        }
        let is_in_time = self.may_try(now, key);
        self.check_stream_peer(key, peer, host)?;
        if !is_in_time {
            return Err(Refusal::Capacity);
        }
        let asked = Beginning::Asked(Waiting {
            asked: message.into(),
            key: seal.clone(),
        });
        let id = self.begin(now, key, peer, asked, host)?;
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        let begun = host.connect(id, allocation.bound, peer);
        if begun.is_err() {
            self.connections(key)
                .map(|connections| connections.forget(id));
        }
        begun.map(|()| Done::Connecting)
    }

    /// Whether another connection of an allocation's client may be tried to be opened.
    fn may_try(&self, now: Instant, key: usize) -> bool {
        let Some(allocation) = self.allocations.get(key) else {
            return false;
        };
        let source = allocation.client.remote.ip();
        let user = user_of(&allocation.username);
        // Every change is one bucket's.
        let attempts = self.shared.attempts.lock();
        let mut attempts = attempts.unwrap_or_else(PoisonError::into_inner);
        attempts.admit(now, source, (user, allocation.account.is_stored()))
    }

    /// A peer has accepted a connection of the relay with a port, or has not.
    pub fn handle_connected(
        &mut self,
        now: Instant,
        port: u16,
        (id, is_connected): (ConnectionId, bool),
        host: &mut impl Host,
    ) {
        let key = self.by_port.get(&port).copied();
        let connections = key.and_then(|key| self.connections(key));
        let asked = connections.and_then(|connections| match is_connected {
            true => connections.connected(now, id),
            false => connections.forget(id),
        });
        match (key, asked) {
            (Some(key), Some(asked)) => self.say_connected(key, id, &asked, is_connected),
            // Nobody waits for it any more.
            _ => host.end(id),
        }
    }

    fn say_connected(
        &mut self,
        key: usize,
        id: ConnectionId,
        waiting: &Waiting,
        is_connected: bool,
    ) {
        let Some(allocation) = self.allocations.get(key) else {
            return;
        };
        let (client, asked, seal) = (allocation.client, waiting.asked, Some(&waiting.key));
        let method = Method::Connect;
        match is_connected {
            true => self.write(&client, method.success(), asked, seal, |writer| {
                writer.add(CONNECTION_ID, &id.0.to_be_bytes());
            }),
            false => self.write(&client, method.error(), asked, seal, |writer| {
                refuse(writer, &Refusal::Unreachable)
            }),
        }
    }

    /// RFC 6062 §5.3: a peer connects to the relay with a port. Returns what its client was told to call the
    /// connection; without permission it is closed.
    pub fn handle_accepted(
        &mut self,
        now: Instant,
        port: u16,
        peer: SocketAddr,
        host: &mut impl Host,
    ) -> Option<ConnectionId> {
        let key = *self.by_port.get(&port)?;
        self.expire_connections(now, key, host);
        let allocation = self.allocations.get(key)?;
        let is_permitted = allocation.way(now, peer, &self.shared.own).is_some()
            && !allocation.is_over(now)
            && self.check_stream_peer(key, peer, host).is_ok();
        let connections = self.connections(key)?;
        if !is_permitted || connections.has(peer) || !connections.may_arrive(now) {
            return None;
        }
        let id = self.begin(now, key, peer, Beginning::Accepted, host).ok()?;
        let client = self.allocations.get(key)?.client;
        let transaction = self.next_indication();
        let mut out = bytes::BytesMut::with_capacity(64);
        let typ = Method::ConnectionAttempt.indication();
        let mut writer = Writer::new(&mut out, typ, transaction);
        writer.add(CONNECTION_ID, &id.0.to_be_bytes());
        writer.add_address(XOR_PEER_ADDRESS, peer);
        writer.finish();
        self.clients.push(&client, out);
        Some(id)
    }

    /// RFC 6062 §5.4. Whoever asks so is where it wants to have the connection, if it may.
    pub(super) fn bind_connection(
        &mut self,
        now: Instant,
        client: &FourTuple,
        message: &Message<'_>,
        user: &User,
    ) -> Result<Done, Refusal> {
        if client.transport != Transport::Tcp || self.by_client.contains_key(client) {
            return Err(Refusal::BadRequest);
        }
        // Many visitors of a page may have the same name: none is to find the others' by trying.
        if !self.joiners.admit(now, client.remote.ip()) {
            return Err(Refusal::Capacity);
        }
        let id = connection_id(message).ok_or(Refusal::BadRequest)?;
        let found = self.shared.connections.find(id);
        let is_its = |(holder, _): &(Holder, Arc<Link>)| is_holder(holder, user);
        let (_, link) = found.filter(is_its).ok_or(Refusal::BadRequest)?;
        let link = link.join().ok_or(Refusal::BadRequest)?;
        self.joined.push_back((*client, id, link));
        Ok(Done::Granted)
    }

    /// A client's connection that is joined with a peer's from now on: what follows on it is no message.
    pub fn poll_joined(&mut self) -> Option<(FourTuple, ConnectionId, JoinedLink)> {
        self.joined.pop_front()
    }

    /// Who made the relay goes on with it, see [`Self::known`].
    pub(super) fn holder_of(
        &self,
        message: &Message<'_>,
        username: &str,
        is_by: &impl Fn(&Key) -> bool,
    ) -> Option<(Key, Arc<Account>)> {
        if message.typ() != Method::ConnectionBind.request() {
            return None;
        }
        let (holder, _) = self.shared.connections.find(connection_id(message)?)?;
        let is_its =
            *holder.username == *username && !holder.account.is_revoked() && is_by(&holder.key);
        is_its.then_some((holder.key, holder.account))
    }

    /// Ends those connections of an allocation that are over, and those that nobody came for in time.
    pub(super) fn expire_connections(&mut self, now: Instant, key: usize, host: &mut impl Host) {
        let Some(connections) = self.connections(key) else {
            return;
        };
        for ended in connections.expire(now) {
            host.end(ended.id);
            if let Some(asked) = ended.asked {
                self.say_connected(key, ended.id, &asked, false);
            }
        }
    }

    fn connections(&mut self, key: usize) -> Option<&mut Connections> {
        self.allocations.get_mut(key)?.connections.as_deref_mut()
    }

    /// Whether a relay's connections may lead to a peer. Never to this server's own port: whoever gets here needs no
    /// relay, and one behind the other would cost what none may have. And never to itself, which would be an echo.
    fn check_stream_peer(
        &self,
        key: usize,
        peer: SocketAddr,
        host: &impl Host,
    ) -> Result<(), Refusal> {
        let ways = self.ways(key, peer, host)?;
        let is_here = ways.ourselves || host.is_here(peer.ip());
        let is_reached = ways.to(peer.port(), &self.shared.own, RelayedTransport::Tcp) == Some(Way::Peer)
            // Another program may have the port for TCP, and what is allowed is for datagrams.
            && (!is_here || self.shared.connections.has_relay(peer));
        let allocation = self.allocations.get(key).ok_or(Refusal::Mismatch)?;
        let is_itself = [allocation.relayed, allocation.bound].contains(&peer);
        match is_reached && !is_itself {
            true => Ok(()),
            false => Err(Refusal::Forbidden),
        }
    }

    /// Another connection of an allocation, with a number that nobody can guess.
    fn begin(
        &mut self,
        now: Instant,
        key: usize,
        peer: SocketAddr,
        beginning: Beginning,
        host: &mut impl Host,
    ) -> Result<ConnectionId, Refusal> {
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        let most = match allocation.account.is_stored() {
            true => MAX_PER_STORED,
            false => MAX_PER_USER,
        };
        let (name, source) = (user_of(&allocation.username), allocation.client.remote.ip());
        let quota = self.shared.connection_quotas.take(name, most, source);
        let quota = quota.ok_or(Refusal::Quota)?;
        let holder = Holder {
            username: allocation.username.clone(),
            key: allocation.key.clone(),
            account: allocation.account.clone(),
        };
        let connections = allocation.connections.as_mut().ok_or(Refusal::Mismatch)?;
        if connections.is_full() {
            return Err(Refusal::Quota);
        }
        let id = unused(&self.shared.connections, host).ok_or(Refusal::Capacity)?;
        match connections.begin(now, (id, peer), beginning, holder, quota) {
            true => Ok(id),
            false => Err(Refusal::Capacity),
        }
    }
}

/// Whether somebody is whose a connection is, and not another one of that name. What the key is made by may differ from
/// connection to connection of one client.
fn is_holder(holder: &Holder, user: &User) -> bool {
    let is_same_way = holder.key.bytes().len() == user.key.bytes().len();
    *holder.username == *user.username
        && !holder.account.is_revoked()
        && (!is_same_way || holder.key == user.key)
}

/// A number that no connection has.
fn unused(all: &AllConnections, host: &mut impl Host) -> Option<ConnectionId> {
    let mut random = || {
        let mut number = [0; 4];
        host.random(&mut number);
        ConnectionId(u32::from_be_bytes(number))
    };
    (0..MAX_TRIES).map(|_| random()).find(|id| !all.has(*id))
}

fn connection_id(message: &Message<'_>) -> Option<ConnectionId> {
    let number = message.get(CONNECTION_ID)?.try_into().ok()?;
    Some(ConnectionId(u32::from_be_bytes(number)))
}
