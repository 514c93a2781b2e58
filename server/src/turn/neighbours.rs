//! What goes through relays that share a port: what comes to it goes to the relay that it is for, whichever shard has
//! that, and what one relay sends to another at the same port goes there at once, by no socket.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::{BufMut as _, BytesMut};

use super::allocation::{PERMISSION_LIFETIME, Way};
use super::bandwidth::Direction;
use super::relay::wrap;
use super::server::Turn;
use super::tenant::Tenant;
use crate::media::net::framing::MAX_FRAME;
use crate::media::net::path::{FourTuple, Transport};

/// What another shard is told before a datagram: for whom it is, and from whom, each by eight bytes.
const FOREWORD: usize = 16;

/// Where a datagram comes from.
#[derive(Clone, Copy)]
struct Origin {
    /// As the relay's client is told.
    from: SocketAddr,
    /// The relay that sent it, if it came by none of the port's sockets.
    sender: Option<u64>,
}

impl Turn {
    /// Whether a relay may send to a peer without a channel: not where another one has that to itself.
    pub(super) fn may_send(&mut self, now: Instant, key: usize, peer: SocketAddr) -> bool {
        let allocation = self.allocations.get_mut(key);
        let Some(tenancy) = allocation.and_then(|allocation| allocation.tenancy.as_mut()) else {
            return true;
        };
        let is_sent = tenancy.sends_to(now, peer, PERMISSION_LIFETIME);
        if let Some(sharing) = self.shared.sharing.as_ref().filter(|_| !is_sent) {
            sharing.count_unsent();
        }
        is_sent
    }

    /// Takes datagrams that came to the port that relays share: the port's address, whoever sent them, their bytes.
    pub fn handle_shared(
        &mut self,
        now: Instant,
        datagrams: &mut dyn Iterator<Item = (FourTuple, &[u8])>,
    ) {
        let Some(sharing) = self.shared.sharing.clone() else {
            return;
        };
        // As long as any that comes to the media port.
        let datagrams = datagrams.filter(|(_, datagram)| datagram.len() <= MAX_FRAME);
        let mut table = sharing.lock();
        let found: Vec<_> = datagrams
            .filter_map(|(path, datagram)| {
                let (at, from) = (path.local.ip(), path.remote);
                let tenant = table.find(now, (at, from), datagram);
                if tenant.is_none() {
                    sharing.count_unowned();
                }
                Some((tenant?, from, datagram))
            })
            .collect();
        // Others need not wait for what is done with them.
        drop(table);
        for (tenant, from, datagram) in found {
            let origin = Origin { from, sender: None };
            self.hand_on(now, tenant, origin, datagram);
        }
    }

    /// A relay sends something to another one at the same port.
    pub(super) fn pass_to_neighbour(
        &mut self,
        now: Instant,
        key: usize,
        to: SocketAddr,
        data: &[u8],
    ) {
        let allocation = self.allocations.get_mut(key);
        let tenancy = allocation.and_then(|allocation| allocation.tenancy.as_mut());
        let onward = tenancy.and_then(|tenancy| {
            let onward = tenancy.onward(now, to, data)?;
            Some((tenancy.tenant().id, onward))
        });
        let Some((sender, onward)) = onward else {
            if let Some(sharing) = &self.shared.sharing {
                sharing.count_unsent();
            }
            return;
        };
        let allocation = self.allocations.get_mut(key);
        if allocation.is_some_and(|it| it.carries(now, Direction::Up, data.len())) {
            let origin = Origin {
                from: onward.from,
                sender: Some(sender),
            };
            self.hand_on(now, onward.tenant, origin, data);
        }
    }

    /// To the shard that has a relay.
    fn hand_on(&mut self, now: Instant, tenant: Tenant, origin: Origin, datagram: &[u8]) {
        if tenant.shard == self.shard {
            self.take_in(now, (tenant.number, tenant.id), origin, datagram);
            return;
        }
        let mut told = BytesMut::with_capacity(FOREWORD + datagram.len());
        told.put_u64(tenant.id);
        told.put_u64(origin.sender.unwrap_or_default());
        told.put_slice(datagram);
        // The number is a port as good as any: the address says nothing.
        let path = FourTuple {
            transport: Transport::Relayed,
            local: origin.from,
            remote: SocketAddr::new(origin.from.ip(), tenant.number),
        };
        self.handed_over.push_back((tenant.shard, path, told));
    }

    /// Takes such a datagram from another shard.
    pub(super) fn take_handed_on(&mut self, now: Instant, path: &FourTuple, told: &[u8]) {
        let Some((foreword, datagram)) = told.split_first_chunk::<FOREWORD>() else {
            return;
        };
        let foreword = u128::from_be_bytes(*foreword);
        let (id, sender) = ((foreword >> 64) as u64, foreword as u64);
        let origin = Origin {
            from: path.local,
            sender: (sender != 0).then_some(sender),
        };
        self.take_in(now, (path.remote.port(), id), origin, datagram);
    }

    /// Gives a relay's client what is for it, unless the relay is another one by now.
    fn take_in(&mut self, now: Instant, (number, id): (u16, u64), origin: Origin, datagram: &[u8]) {
        let key = self.by_port.get(&number);
        let Some(allocation) = key.and_then(|key| self.allocations.get_mut(*key)) else {
            return;
        };
        let tenancy = allocation.tenancy.as_mut();
        let Some(tenancy) = tenancy.filter(|tenancy| tenancy.tenant().id == id) else {
            return;
        };
        let (is_heard, way) = match origin.sender {
            Some(sender) => (tenancy.hears(now, sender, datagram), Way::Neighbour),
            None => (true, Way::Peer),
        };
        let from = origin.from;
        if !is_heard || allocation.way(now, from, &self.shared.own) != Some(way) {
            if let Some(sharing) = &self.shared.sharing {
                sharing.count_unowned();
            }
            return;
        }
        if allocation.carries(now, Direction::Down, datagram.len()) {
            let (out, indications) = (&mut self.clients, &mut self.indications);
            wrap(now, out, allocation, from, datagram, None, indications);
        }
    }
}
