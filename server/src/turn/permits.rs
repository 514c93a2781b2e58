//! Which peers a relay reaches, and is reached by: addresses that are permitted, channels that are bound (RFC 8656 §9 to
//! §12).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::account::Reach;
use super::allocation::{
    CHANNEL_LIFETIME, Full, PERMISSION_LIFETIME, RelayedTransport, Taken, Way, Ways,
};
use super::answer::Done;
use super::refusal::Refusal;
use super::server::{Host, Turn};
use crate::media::net::stun::Message;
use crate::media::net::stun::attribute::{CHANNEL_NUMBER, XOR_PEER_ADDRESS, read_address};

/// Numbers of channels. RFC 8656 §12 ends at 0x4fff, but clients of RFC 5766 go on.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7ffe;

impl Turn {
    /// RFC 8656 §10.2. Of peers that may not all be reached, none; of more than there is room for, the first.
    pub(super) fn permit(
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
    pub(super) fn bind(
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
        // Channels are for datagrams.
        if allocation.transport() == RelayedTransport::Tcp {
            return Err(Refusal::BadRequest);
        }
        let checked = allocation.check_channel(now, number, peer);
        checked.map_err(|Taken| Refusal::BadRequest)?;
        let way = ways.to(peer.port(), &self.shared.own, RelayedTransport::Udp);
        let way = way.ok_or(Refusal::Forbidden)?;
        // Without room nothing is claimed.
        let has_room = allocation.has_room(now, number, peer);
        has_room.then_some(()).ok_or(Refusal::Capacity)?;
        self.grant(now, key, peer.ip(), ways)?;
        let allocation = self.allocations.get_mut(key).ok_or(Refusal::Mismatch)?;
        if let (Way::Peer, Some(tenancy)) = (way, &mut allocation.tenancy) {
            // Another relay may have the peer to itself.
            let claimed = tenancy.claim(now, peer, CHANNEL_LIFETIME);
            claimed.map_err(|_| Refusal::Capacity)?;
        }
        let bound = allocation.bind(now, number, peer, way);
        bound.map_err(|Full| Refusal::Capacity)?;
        Ok(Done::Granted)
    }

    /// The ways to a peer's address, of which there must be one.
    pub(super) fn ways(
        &self,
        key: usize,
        peer: SocketAddr,
        host: &impl Host,
    ) -> Result<Ways, Refusal> {
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
        let is_shared = self.shared.sharing.is_some();
        let ways = Ways {
            ourselves: is_own,
            // Whatever of this machine's addresses the port is reached by that relays share, it is that one.
            relays: is_admitted && (is_own || is_shared && host.is_here(peer.ip())),
            // What comes from here passes this machine's firewall: its services are for nobody, unless said so.
            peers: is_allowed || is_admitted && !host.is_here(peer.ip()),
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
        permitted.map_err(|Full| Refusal::Capacity)?;
        // Only from others something comes to the port that relays share.
        let tenancy = allocation.tenancy.as_mut().filter(|_| ways.peers);
        match tenancy.is_none_or(|it| it.permit(now, address, PERMISSION_LIFETIME)) {
            true => Ok(()),
            false => Err(Refusal::Capacity),
        }
    }
}
