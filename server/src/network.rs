//! Whom an address stands for: the network it lies in, and the client behind a reverse proxy.
//!
//! It knows nothing of what is counted or allowed by address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether an address is reached from its own network only (RFC 1918, RFC 6598, RFC 4193), or its own machine.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => {
            let shared = it.octets()[0] == 100 && it.octets()[1] & 0xC0 == 64;
            it.is_private() || it.is_loopback() || it.is_link_local() || shared
        }
        IpAddr::V6(it) => it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local(),
    }
}

/// Whether an address lies in any of the networks.
#[must_use]
pub(crate) fn is_among(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// What one end site has: an IPv4 address, or the /64 of an IPv6 address, in which a client can take
/// any (RFC 6177 §2, RFC 8981).
#[must_use]
pub(crate) fn end_site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The network a client is in, which it shares with many: 24 bits of an IPv4 address, 48 of an IPv6
/// address.
#[must_use]
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() >> 8 << 8).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
    }
}

/// The client's own address: where the connection comes from, or what the nearest trusted proxies
/// say in `X-Forwarded-For`. Each appends whom it heard, so the list is read from its end, and what
/// stands before the first that is not trusted may be made up.
#[must_use]
pub(crate) fn client_address(remote: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut client = remote;
    let named = forwarded_for.iter().flat_map(|line| line.split(','));
    let mut named: Vec<_> = named.collect();
    while is_among(client, trusted)
        && let Some(address) = named.pop().and_then(|name| name.trim().parse().ok())
    {
        client = address;
    }
    client.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbourhood_is_nobodys_alone() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("203.0.113.7"), "203.0.113.0");
        assert_eq!(of("::ffff:203.0.113.7"), "203.0.113.0");
        assert_eq!(of("2001:db8:1:2:aaaa::1"), "2001:db8:1::");
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn network(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_among_networks_however_it_is_written() {
        let private = [network("172.16.0.0/12"), network("2001:db8::/32")];
        assert!(is_among(ip("172.31.255.255"), &private));
        assert!(is_among(ip("::ffff:172.16.0.1"), &private));
        assert!(is_among(ip("2001:db8:ffff::1"), &private));
        for other in ["172.32.0.0", "::1", "2001:db9::"] {
            assert!(!is_among(ip(other), &private), "{other}");
        }
    }

    #[test]
    fn an_end_site_has_one_ipv4_address_or_one_ipv6_network() {
        assert_eq!(end_site(ip("203.0.113.7")), ip("203.0.113.7"));
        assert_eq!(end_site(ip("::ffff:203.0.113.7")), ip("203.0.113.7"));
        assert_eq!(end_site(ip("2001:db8:1:2:aaaa::1")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_about_whom_they_heard() {
        let trusted = [network("10.0.0.0/8"), network("127.0.0.1/32")];
        let client = |remote, list: &[&str]| client_address(ip(remote), list, &trusted);
        // Nobody's word but the proxy's.
        assert_eq!(client("198.51.100.1", &["192.0.2.1"]), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &["192.0.2.1"]), ip("192.0.2.1"));
        // The client's own invention stands before what the proxy added.
        let invented = ["192.0.2.66, 198.51.100.1"];
        assert_eq!(client("127.0.0.1", &invented), ip("198.51.100.1"));
        // Two proxies in a row, a header line each.
        let two = ["198.51.100.1", "10.1.2.3"];
        assert_eq!(client("127.0.0.1", &two), ip("198.51.100.1"));
        // A proxy that says nothing, or nothing sensible, stands for itself.
        assert_eq!(client("127.0.0.1", &[]), ip("127.0.0.1"));
        assert_eq!(client("127.0.0.1", &["unknown"]), ip("127.0.0.1"));
        assert_eq!(client("::ffff:127.0.0.1", &["::1"]), ip("::1"));
    }
}
