//! The addresses that peers may come from: a TURN server lets nobody else in (RFC 8656 §9). Each peer's client says
//! where it is; an address stays for as long as one of the peers that named it.
//!
//! Where a client's WebSocket comes from it cannot make up. What else it names it may have invented, so all that has half
//! of the places. And one end site's clients have a part of either half. Behind a tunnel nobody's end site is known: then
//! what each client names counts by itself.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::media::id::PeerId;
use crate::media::seeded::SeededMap;
use crate::network::{end_site, is_among, is_private, neighbourhood};
use ipnet::IpNet;

/// Addresses that one peer's client names, the latest ones. Browsers have two of each family and network.
pub const MAX_OF_PEER: usize = 8;

/// Addresses that the clients of one end site name, and as many that their WebSockets come from: within an IPv6 /64 there
/// is no end of them.
pub const MAX_OF_SITE: usize = 64;

/// The same of all end sites of one IPv6 /48: one household may have as many of these as it likes (RFC 6177 §2).
pub const MAX_OF_NETWORK: usize = 128;

/// Addresses that clients name and no WebSocket comes from.
pub const MAX_NAMED: usize = 512;

/// Addresses in all.
pub const MAX_PERMISSIONS: usize = 1024;

/// How long the server remembers one that nobody wants any more: it counts for so long. Otherwise who comes and goes would
/// have more than a part.
pub const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// What one peer's client says.
struct Peer {
    /// Where its WebSocket comes from, if that is of use, and whether there was a place for it.
    own: Option<(IpAddr, bool)>,
    /// What it names, the oldest first, each with whether there was a place.
    named: VecDeque<(IpAddr, bool)>,
}

/// What an address counts for: this site's, where WebSockets come from, or what is named.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Own(IpAddr),
    Named(IpAddr),
    /// What one client names whose end site is not known.
    NamedBy(PeerId),
}

impl Part {
    fn of_named(id: PeerId, own: Option<(IpAddr, bool)>) -> Self {
        own.map_or(Self::NamedBy(id), |(own, _)| Self::Named(end_site(own)))
    }

    /// The IPv6 network that its site is in, and which half it counts for there.
    fn network(self) -> Option<(IpAddr, bool)> {
        match self {
            Self::Own(site) | Self::Named(site) if site.is_ipv6() => {
                Some((neighbourhood(site), self.is_named()))
            }
            Self::Own(_) | Self::Named(_) | Self::NamedBy(_) => None,
        }
    }

    fn is_named(self) -> bool {
        match self {
            Self::Own(_) => false,
            Self::Named(_) | Self::NamedBy(_) => true,
        }
    }
}

/// An address that has a place.
struct Place {
    part: Part,
    holders: usize,
    /// When there was nobody any more who holds it.
    left: Option<Instant>,
}

/// See the module.
#[derive(Default)]
pub struct Permissions {
    peers: SeededMap<PeerId, Peer>,
    places: SeededMap<IpAddr, Place>,
    /// How many places each part has.
    parts: SeededMap<Part, usize>,
    /// The same of each IPv6 network, where WebSockets come from and what is named.
    networks: SeededMap<(IpAddr, bool), usize>,
    /// How many places those have that are only named.
    named: usize,
}

impl Permissions {
    /// A peer's client may come from where its WebSocket comes from, unless that is of no use, and from where it says that
    /// it is.
    pub fn add(&mut self, now: Instant, id: PeerId, own: Option<IpAddr>, named: &[IpAddr]) {
        self.add_own(now, id, own.map(|own| own.to_canonical()));
        for address in named {
            self.add_named(now, id, address.to_canonical());
        }
    }

    fn add_own(&mut self, now: Instant, id: PeerId, own: Option<IpAddr>) {
        let known = self.peers.get(&id).and_then(|peer| peer.own);
        if own.is_some() && known == own.map(|own| (own, true)) {
            return;
        }
        let own = own.map(|own| (own, self.hold(own, Part::Own(end_site(own)))));
        // Who comes back from elsewhere is there now.
        if let Some((before, true)) = known {
            self.let_go(now, before);
        }
        let peer = self.peers.entry(id).or_insert_with(|| Peer {
            own,
            named: VecDeque::new(),
        });
        peer.own = own;
    }

    fn add_named(&mut self, now: Instant, id: PeerId, address: IpAddr) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        // Also where its WebSocket comes from: that may come from elsewhere soon, and the media stay.
        if peer.named.iter().any(|(known, _)| *known == address) {
            return;
        }
        let oldest = match peer.named.len() < MAX_OF_PEER {
            true => None,
            false => peer.named.pop_front(),
        };
        let part = Part::of_named(id, peer.own);
        if let Some((oldest, true)) = oldest {
            self.let_go(now, oldest);
        }
        let has_place = self.hold(address, part);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.named.push_back((address, has_place));
        }
    }

    /// Returns whether there is a place.
    fn hold(&mut self, address: IpAddr, part: Part) -> bool {
        let known = self.places.get(&address).map(|place| place.part);
        if known.is_none() && (self.places.len() >= MAX_PERMISSIONS || !self.has_room(part)) {
            return false;
        }
        // Where a WebSocket comes from somebody is, whoever named it before.
        let counts_for = match (known, part) {
            (Some(known), Part::Own(_)) if known.is_named() && self.has_room(part) => {
                self.give_back(known);
                None
            }
            (known, _) => known,
        };
        let part = counts_for.unwrap_or_else(|| self.take(part));
        let place = self.places.entry(address).or_insert(Place {
            part,
            holders: 0,
            left: None,
        });
        place.part = part;
        place.holders += 1;
        place.left = None;
        true
    }

    fn has_room(&self, part: Part) -> bool {
        let is_full = part.is_named() && self.named >= MAX_NAMED;
        let count = self.parts.get(&part).copied().unwrap_or_default();
        let network = part
            .network()
            .and_then(|network| self.networks.get(&network));
        let is_full = is_full || network.is_some_and(|count| *count >= MAX_OF_NETWORK);
        !is_full && count < MAX_OF_SITE
    }

    fn take(&mut self, part: Part) -> Part {
        *self.parts.entry(part).or_default() += 1;
        if let Some(network) = part.network() {
            *self.networks.entry(network).or_default() += 1;
        }
        self.named += usize::from(part.is_named());
        part
    }

    fn give_back(&mut self, part: Part) {
        self.named -= usize::from(part.is_named());
        count_down(&mut self.parts, part);
        if let Some(network) = part.network() {
            count_down(&mut self.networks, network);
        }
    }

    fn let_go(&mut self, now: Instant, address: IpAddr) {
        if let Some(place) = self.places.get_mut(&address) {
            place.holders -= 1;
            place.left = (place.holders == 0).then_some(now);
        }
    }

    /// Forgets the peers that are no more, and gives places that are free to who had none.
    pub fn sweep(&mut self, now: Instant, is_there: impl Fn(PeerId) -> bool) {
        let gone: Vec<_> = (self.peers.keys().copied())
            .filter(|id| !is_there(*id))
            .collect();
        for id in gone {
            let Some(peer) = self.peers.remove(&id) else {
                continue;
            };
            let all = peer.named.into_iter().chain(peer.own);
            let held = all.filter(|(_, has_place)| *has_place);
            held.for_each(|(address, _)| self.let_go(now, address));
        }
        let is_over = |place: &Place| place.left.is_some_and(|left| now >= left + REMEMBERED);
        let over: Vec<_> = (self.places.iter())
            .filter_map(|(address, place)| is_over(place).then_some(*address))
            .collect();
        for address in &over {
            if let Some(place) = self.places.remove(address) {
                self.give_back(place.part);
            }
        }
        if !over.is_empty() {
            self.settle();
        }
    }

    /// Who had no place may have one now, where its WebSocket comes from first.
    fn settle(&mut self) {
        let mut peers = std::mem::take(&mut self.peers);
        let owns = peers.values_mut().filter_map(|peer| peer.own.as_mut());
        for (own, has_place) in owns.filter(|(_, has)| !*has) {
            *has_place = self.hold(*own, Part::Own(end_site(*own)));
        }
        for (id, peer) in &mut peers {
            let part = Part::of_named(*id, peer.own);
            for (address, has_place) in peer.named.iter_mut().filter(|(_, has)| !*has) {
                *has_place = self.hold(*address, part);
            }
        }
        self.peers = peers;
    }

    /// Whether there is nobody and nothing to sweep.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.places.is_empty()
    }

    /// Whether somebody may come from there.
    pub fn has(&self, address: IpAddr) -> bool {
        let place = self.places.get(&address.to_canonical());
        place.is_some_and(|place| place.holders > 0)
    }

    /// All of them.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let held = self.places.iter().filter(|(_, place)| place.holders > 0);
        held.map(|(address, _)| *address)
    }
}

fn count_down<K: Hash + Eq>(counts: &mut SeededMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Which addresses a server is asked to let in, whatever a client says that it has.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Networks that may come in though they are private.
    pub allow: Vec<IpNet>,
    /// Networks that may not.
    pub deny: Vec<IpNet>,
}

impl Admission {
    /// Whether a server there is asked for this address. One that is private, or this machine's, means another machine
    /// beyond a server elsewhere, and is of no use there.
    pub fn admits(&self, server: IpAddr, address: IpAddr) -> bool {
        let (server, address) = (server.to_canonical(), address.to_canonical());
        let is_nobodys = address.is_unspecified() || address.is_multicast();
        if is_nobodys || server.is_ipv4() != address.is_ipv4() || is_among(address, &self.deny) {
            return false;
        }
        if is_among(address, &self.allow) {
            return true;
        }
        match address.is_loopback() {
            true => server.is_loopback(),
            false => !is_private(address) || is_private(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a site of its own.
    fn ip(at: usize) -> IpAddr {
        [198, 16 + (at >> 16) as u8, (at >> 8) as u8, at as u8].into()
    }

    fn id(at: usize) -> PeerId {
        PeerId(at as u64)
    }

    #[test]
    fn what_is_named_leaves_room_for_where_clients_are() {
        let (now, mut permissions) = (Instant::now(), Permissions::default());
        for at in 0..2 * MAX_NAMED / MAX_OF_PEER {
            let named: Vec<_> = (0..MAX_OF_PEER)
                .map(|it| ip(10_000 + 8 * at + it))
                .collect();
            permissions.add(now, id(at), Some(ip(at)), &named);
        }
        let owners = 2 * MAX_NAMED / MAX_OF_PEER;
        assert_eq!(permissions.addresses().count(), MAX_NAMED + owners);
        for at in owners..MAX_PERMISSIONS {
            permissions.add(now, id(at), Some(ip(at)), &[]);
        }
        assert_eq!(permissions.addresses().count(), MAX_PERMISSIONS);
        // Who has no place has one when there is one.
        let late = MAX_PERMISSIONS - 1;
        assert!(!permissions.has(ip(late)));
        permissions.sweep(now, |id| id.0 > 400);
        assert!(!permissions.has(ip(late)), "the server remembers them");
        permissions.sweep(now + REMEMBERED, |id| id.0 > 400);
        assert!(permissions.has(ip(late)));
    }

    #[test]
    fn an_end_site_has_a_part_whoever_comes_and_goes() {
        let (now, mut permissions) = (Instant::now(), Permissions::default());
        let own = |at: usize| format!("2001:db8::{at:x}").parse().unwrap();
        for at in 0..1000 {
            permissions.add(now, id(at), Some(own(at)), &[ip(at)]);
            permissions.sweep(now, |other| other == id(at));
        }
        assert_eq!(permissions.places.len(), 2 * MAX_OF_SITE);
        // Somebody is where it was said that somebody is.
        permissions.add(now, id(2000), Some(ip(5)), &[]);
        assert!(permissions.has(ip(5)));
        permissions.sweep(now + REMEMBERED, |_| false);
        permissions.sweep(now + 2 * REMEMBERED, |_| false);
        assert!(permissions.places.is_empty() && permissions.parts.is_empty());
        assert_eq!(permissions.named, 0);
    }

    #[test]
    fn an_ipv6_network_has_a_part_however_many_sites_it_has() {
        let (now, mut permissions) = (Instant::now(), Permissions::default());
        let site = |net: usize, at: usize| -> IpAddr {
            format!("2a00:1:{net:x}:{at:x}::1").parse().unwrap()
        };
        for at in 0..2 * MAX_OF_NETWORK {
            permissions.add(now, id(at), Some(site(1, at)), &[ip(at)]);
        }
        assert_eq!(permissions.addresses().count(), 2 * MAX_OF_NETWORK);
        permissions.add(now, id(1000), Some(site(2, 0)), &[ip(1000)]);
        assert!(permissions.has(site(2, 0)) && permissions.has(ip(1000)));
        permissions.sweep(now, |_| false);
        permissions.sweep(now + REMEMBERED, |_| false);
        assert!(permissions.is_empty() && permissions.networks.is_empty());
    }

    #[test]
    fn the_latest_count_of_what_a_client_says() {
        let (now, mut permissions) = (Instant::now(), Permissions::default());
        let named: Vec<_> = (0..=MAX_OF_PEER).map(|at| ip(10 + at)).collect();
        permissions.add(now, id(1), Some(ip(1)), &named);
        permissions.add(now, id(1), Some(ip(2)), &named[1..]);
        let mut held: Vec<_> = permissions.addresses().collect();
        held.sort_unstable();
        let latest = [&[ip(2)], &named[1..]].concat();
        assert_eq!(held, latest);
    }
    #[test]
    fn behind_a_tunnel_each_client_has_its_part() {
        let (now, mut permissions) = (Instant::now(), Permissions::default());
        for at in 0..2 * MAX_OF_SITE {
            permissions.add(now, id(at), None, &[ip(at)]);
        }
        assert_eq!(permissions.addresses().count(), 2 * MAX_OF_SITE);
        permissions.sweep(now, |_| false);
        permissions.sweep(now + REMEMBERED, |_| false);
        assert!(permissions.is_empty() && permissions.parts.is_empty());
    }

    #[test]
    fn where_a_client_says_that_it_is_it_may_be_though_its_web_socket_moves() {
        let (now, mut permissions) = (Instant::now(), Permissions::default());
        permissions.add(now, id(1), Some(ip(1)), &[ip(1)]);
        permissions.add(now, id(1), Some(ip(2)), &[]);
        assert!(permissions.has(ip(1)) && permissions.has(ip(2)));
    }
}
