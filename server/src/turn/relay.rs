//! Packets on their way through relays (RFC 8656 §11, §12): from clients to peers, and back. No packet is
//! copied on its way to this server itself, and one otherwise: to where it lies beside the next.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::{BufMut as _, BytesMut};

use super::allocation::{Allocation, RelayedTransport, Way};
use super::bandwidth::Direction;
use super::server::Turn;
use crate::media::net::framing::MAX_FRAME;
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::{DATA, XOR_PEER_ADDRESS, read_address};
use crate::media::net::stun::{ATTRIBUTE_HEADER, HEADER, Message, Method, TransactionId, Writer};

/// The length of ChannelData's header (RFC 8656 §12.4).
const CHANNEL_HEADER: usize = 4;

/// A packet for this server itself, and the path that it came over.
type Own<'a> = (FourTuple, &'a [u8]);

impl Turn {
    /// Takes ChannelData of a client.
    pub(super) fn handle_channel_data<'a>(
        &mut self,
        now: Instant,
        client: &FourTuple,
        datagram: &'a [u8],
    ) -> Option<Own<'a>> {
        let ([a, b, c, d], data) = datagram.split_first_chunk::<CHANNEL_HEADER>()?;
        let number = u16::from_be_bytes([*a, *b]);
        // What follows is padding.
        let data = data.get(..usize::from(u16::from_be_bytes([*c, *d])))?;
        let key = self.sender(client)?;
        let allocation = self.allocations.get_mut(key)?;
        let (peer, way) = allocation.peer_of(now, number)?;
        self.pass(now, key, peer, way, data)
    }

    /// Takes a Send indication of a client.
    pub(super) fn handle_send<'a>(
        &mut self,
        now: Instant,
        client: &FourTuple,
        message: &Message<'a>,
    ) -> Option<Own<'a>> {
        let key = self.sender(client)?;
        let allocation = self.allocations.get_mut(key)?;
        let peer = read_address(message.get(XOR_PEER_ADDRESS)?, message.transaction())?;
        let data = message.get(DATA)?;
        if allocation.transport() == RelayedTransport::Tcp {
            return None;
        }
        let way = allocation.way(now, peer, &self.shared.own)?;
        // A channel has its peer already.
        if way == Way::Peer && !self.may_send(now, key, peer) {
            return None;
        }
        self.pass(now, key, peer, way, data)
    }

    /// Passes on what a client sends by its relay.
    fn pass<'a>(
        &mut self,
        now: Instant,
        key: usize,
        peer: SocketAddr,
        way: Way,
        data: &'a [u8],
    ) -> Option<Own<'a>> {
        if way == Way::Neighbour {
            self.pass_to_neighbour(now, key, peer, data);
            return None;
        }
        let allocation = self.allocations.get_mut(key)?;
        if !allocation.carries(now, Direction::Up, data.len()) {
            return None;
        }
        if let Some(tenancy) = &mut allocation.tenancy {
            tenancy.note_check(now, data);
        }
        pass_on(&mut self.peers, allocation, peer, way, data)
    }

    /// Takes a datagram that came to a relay.
    pub fn handle_peer(&mut self, now: Instant, port: u16, peer: SocketAddr, datagram: &[u8]) {
        // As long as any that comes to the media port.
        if datagram.len() > MAX_FRAME {
            return;
        }
        let key = self.by_port.get(&port);
        let Some(allocation) = key.and_then(|key| self.allocations.get_mut(*key)) else {
            return;
        };
        // What claims to come from our own port did not, or it would not have come this way.
        if allocation.way(now, peer, &self.shared.own) == Some(Way::Peer)
            && allocation.transport() == RelayedTransport::Udp
            && allocation.carries(now, Direction::Down, datagram.len())
        {
            let indications = &mut self.indications;
            wrap(
                now,
                &mut self.clients,
                allocation,
                peer,
                datagram,
                None,
                indications,
            );
        }
    }

    /// Takes datagrams that this server itself sends to relayed addresses.
    pub fn handle_own(&mut self, now: Instant, transmit: &Transmit) {
        let FourTuple { local, remote, .. } = transmit.path;
        let key = self.by_port.get(&remote.port());
        let Some(allocation) = key.and_then(|key| self.allocations.get_mut(*key)) else {
            return;
        };
        let is_its = allocation.name == remote && allocation.transport() == RelayedTransport::Udp;
        if is_its && allocation.way(now, local, &self.shared.own) == Some(Way::Ourselves) {
            let (out, indications) = (&mut self.clients, &mut self.indications);
            for datagram in transmit.datagrams() {
                if allocation.carries(now, Direction::Down, datagram.len()) {
                    let expires = transmit.expires;
                    wrap(now, out, allocation, local, datagram, expires, indications);
                }
            }
        }
    }

    /// Another indication's transaction.
    pub(super) fn next_indication(&mut self) -> TransactionId {
        self.indications += 1;
        indication(self.indications)
    }

    /// The shard whose allocation has a relayed address.
    pub fn shard_of(&self, relayed: SocketAddr) -> Option<usize> {
        match self.by_port.contains_key(&relayed.port()) {
            true => Some(self.shard),
            false => self.shared.shard_of(relayed.port()),
        }
    }
}

/// To this server itself as it is; to a peer from the relay.
fn pass_on<'a>(
    peers: &mut Outbox,
    allocation: &Allocation,
    peer: SocketAddr,
    way: Way,
    data: &'a [u8],
) -> Option<Own<'a>> {
    match way {
        Way::Ourselves => Some((
            FourTuple {
                transport: Transport::Relayed,
                local: peer,
                remote: allocation.name,
            },
            data,
        )),
        Way::Neighbour | Way::Peer => {
            let path = FourTuple {
                transport: Transport::Udp,
                local: allocation.bound,
                remote: peer,
            };
            write(peers, &path, data.len(), None, |out| out.put_slice(data));
            None
        }
    }
}

/// Sends a peer's datagram to the client: on its channel, or as an indication.
pub(super) fn wrap(
    now: Instant,
    clients: &mut Outbox,
    allocation: &Allocation,
    peer: SocketAddr,
    data: &[u8],
    expires: Option<Instant>,
    indications: &mut u64,
) {
    let client = &allocation.client;
    match allocation.channel_of(now, peer) {
        Some(number) => {
            // Padding is for streams (RFC 8656 §12.5).
            let padding = match client.transport {
                Transport::Tcp => data.len().next_multiple_of(4) - data.len(),
                Transport::Udp | Transport::Dtls | Transport::Relayed | Transport::Allocated => 0,
            };
            let len = CHANNEL_HEADER + data.len() + padding;
            write(clients, client, len, expires, |out| {
                out.put_u16(number);
                out.put_u16(data.len() as u16);
                out.put_slice(data);
                out.put_bytes(0, padding);
            });
        }
        None => {
            *indications += 1;
            let transaction = indication(*indications);
            let address = if peer.is_ipv4() { 8 } else { 20 };
            let len = HEADER + 2 * ATTRIBUTE_HEADER + address + data.len().next_multiple_of(4);
            write(clients, client, len, expires, |out| {
                let mut writer = Writer::new(out, Method::Data.indication(), transaction);
                writer.add_address(XOR_PEER_ADDRESS, peer);
                writer.add(DATA, data);
                writer.finish();
            });
        }
    }
}

/// Nothing answers an indication: that each has another is enough.
fn indication(count: u64) -> TransactionId {
    let mut transaction = TransactionId::default();
    transaction.0[4..].copy_from_slice(&count.to_be_bytes());
    transaction
}

fn write(
    outbox: &mut Outbox,
    path: &FourTuple,
    len: usize,
    expires: Option<Instant>,
    fill: impl FnOnce(&mut BytesMut),
) {
    let written: Result<(), ()> = outbox.write(path, len, expires, |out| {
        fill(out);
        Ok(())
    });
    debug_assert!(written.is_ok());
}
