//! Clients that change their address and keep their allocation (RFC 8016): who asked for it has a ticket, and shows
//! it where it is now. Its old path serves until it sends something over the new one.
//!
//! An allocation stays with its shard. Where its client's datagrams land with another one from now on, that one hands
//! them over.

use std::time::Instant;

use super::answer::{Done, User};
use super::mobility::Mobility;
use super::refusal::Refusal;
use super::server::{Host, Shared, Turn};
use super::ticket::Ticket;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::{LIFETIME, MOBILITY_TICKET, NONCE};
use crate::media::net::stun::{Message, Method};

impl Turn {
    /// What a new allocation with a port moves by, if its client asks for it. Over TCP and DTLS it does not:
    /// there an allocation ends with its connection (RFC 8656 §3.2).
    pub(super) fn mobility(
        &self,
        client: &FourTuple,
        message: &Message<'_>,
        port: u16,
    ) -> Option<Box<Mobility>> {
        let is_asked_for = message.has(MOBILITY_TICKET) && client.transport == Transport::Udp;
        is_asked_for.then(|| Box::new(Mobility::new(self.shared.tickets.make(port))))
    }

    /// The allocation that a Refresh has a ticket of, whichever.
    pub(super) fn by_ticket(&self, message: &Message<'_>) -> Option<(usize, Ticket)> {
        let (ticket, port) = self.shared.tickets.read(message.get(MOBILITY_TICKET)?)?;
        Some((*self.by_port.get(&port)?, ticket))
    }

    /// The shard that has the allocation of whoever sends this, if it is not this one.
    pub(super) fn shard_elsewhere(
        &self,
        client: &FourTuple,
        datagram: &[u8],
        unix: u64,
    ) -> Option<usize> {
        if client.transport != Transport::Udp || self.by_client.contains_key(client) {
            return None;
        }
        let shard = (self.shared.elsewhere.shard_of(client))
            .or_else(|| self.shard_by_ticket(client, datagram, unix))?;
        (shard != self.shard).then_some(shard)
    }

    /// Only of who has shown that it receives what is sent to it: nobody else can burden another shard.
    fn shard_by_ticket(&self, client: &FourTuple, datagram: &[u8], unix: u64) -> Option<usize> {
        let message = Message::read(datagram)?;
        if message.typ() != Method::Refresh.request() {
            return None;
        }
        let (_, port) = self.shared.tickets.read(message.get(MOBILITY_TICKET)?)?;
        let is_challenged = self
            .shared
            .nonces
            .is_good(unix, client, message.get(NONCE)?);
        is_challenged.then(|| self.shared.shard_of(port)).flatten()
    }

    /// Whether what another shard has handed over is of a client with an allocation here, or may be of one that moves.
    pub(super) fn concerns(&self, now: Instant, client: &FourTuple, datagram: &[u8]) -> bool {
        let known = self.by_client.get(client);
        let known = known.and_then(|key| self.allocations.get(*key));
        known.is_some_and(|allocation| !allocation.is_over(now))
            || Message::read(datagram).is_some_and(|message| {
                message.typ() == Method::Refresh.request() && message.has(MOBILITY_TICKET)
            })
    }

    /// RFC 8016 §3.2.2: a Refresh with a ticket. `known` is the allocation that its sender has already.
    pub(super) fn refresh_by_ticket(
        &mut self,
        now: Instant,
        client: &FourTuple,
        known: Option<usize>,
        message: &Message<'_>,
        user: &User,
        host: &mut impl Host,
    ) -> Result<Done, Refusal> {
        let (key, ticket) = self.by_ticket(message).ok_or(Refusal::Mismatch)?;
        let allocation = self.allocations.get(key).ok_or(Refusal::Mismatch)?;
        let mobility = allocation.mobility.as_ref().ok_or(Refusal::Mismatch)?;
        let is_elsewhere = known.is_some_and(|known| known != key);
        if is_elsewhere || client.transport != Transport::Udp || allocation.is_over(now) {
            return Err(Refusal::Mismatch);
        }
        if *allocation.username != *user.username {
            return Err(Refusal::WrongCredentials);
        }
        if !mobility.is_repeated(now, &ticket, client) {
            if *mobility.arriving().unwrap_or(&allocation.client) == *client {
                return Err(Refusal::BadRequest);
            }
            if *mobility.ticket() != ticket {
                return Err(Refusal::Mismatch);
            }
            if message.get(LIFETIME) != Some(&[0; 4]) {
                self.move_to(now, key, client)?;
            }
        }
        match self.refresh(now, key, message, host)? {
            Done::Refreshed(seconds @ 1..) => Ok(Done::Moved(key, seconds)),
            done @ (Done::Refreshed(_)
            | Done::Allocated(_)
            | Done::Granted
            | Done::Connecting
            | Done::Moved(..)) => Ok(done),
        }
    }

    /// A client is at another path from now on, and needs another ticket for the next one.
    fn move_to(&mut self, now: Instant, key: usize, path: &FourTuple) -> Result<(), Refusal> {
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        let number = allocation.number();
        let mobility = allocation.mobility.as_mut().ok_or(Refusal::Mismatch)?;
        let is_counted = (self.shared.quotas).move_to(&mut allocation.quota, path.remote.ip());
        if !is_counted {
            return Err(Refusal::Quota);
        }
        let ticket = self.shared.tickets.make(number);
        // Back where it was, it is there already.
        let is_back = allocation.client == *path;
        let elsewhere = &self.shared.elsewhere;
        let presence = (!is_back).then(|| elsewhere.enter(path, self.shard));
        if let Some(before) = mobility.move_to(now, ticket, path, presence) {
            self.by_client.remove(&before);
        }
        if !is_back {
            self.by_client.insert(*path, key);
        }
        Ok(())
    }

    /// The allocation of whoever sends a packet. If it has moved, it has arrived.
    pub(super) fn sender(&mut self, client: &FourTuple) -> Option<usize> {
        let key = *self.by_client.get(client)?;
        let allocation = self.allocations.get_mut(key)?;
        if let Some(mobility) = &mut allocation.mobility
            && allocation.client != *client
            && let Some(path) = mobility.arrive()
        {
            let old = std::mem::replace(&mut allocation.client, path);
            allocation.listed.move_to(client.remote);
            self.by_client.remove(&old);
        }
        Some(key)
    }
}

impl Shared {
    /// The shard whose allocation has a port.
    pub(super) fn shard_of(&self, port: u16) -> Option<usize> {
        let all = [&self.numbers, &self.ports];
        all.iter().find_map(|ports| ports.shard_of(port))
    }
}
