//! Whom an address stands for: the network it lies in, and the client behind a reverse proxy.
//!
//! It knows nothing of what is counted or allowed by address.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// A network: an address and how many of its first bits are the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= self.prefix
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HINT: &str = "give an address such as 127.0.0.1, or a network such as 172.16.0.0/12";
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| HINT)?;
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| HINT)?;
        if prefix > bits {
            return Err(HINT);
        }
        Ok(Self { address, prefix })
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// What one customer of a provider has: an IPv4 address, or the /64 of an IPv6 address, in which a
/// client can take any (RFC 6177 §2, RFC 8981).
#[must_use]
pub fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The client's own address: where the connection comes from, or what the nearest trusted proxies
/// say in `X-Forwarded-For`. Each appends whom it heard, so the list is read from its end, and what
/// stands before the first that is not trusted may be made up.
#[must_use]
pub fn client_address(remote: IpAddr, forwarded_for: &[&str], trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = remote;
    let named = forwarded_for.iter().flat_map(|line| line.split(','));
    let mut named: Vec<_> = named.collect();
    while is_trusted(client)
        && let Some(address) = named.pop().and_then(|name| name.trim().parse().ok())
    {
        client = address;
    }
    client.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        let private = network("172.16.0.0/12");
        assert!(private.contains(ip("172.31.255.255")));
        assert!(private.contains(ip("::ffff:172.16.0.1")));
        assert!(!private.contains(ip("172.32.0.0")));
        assert!(!private.contains(ip("::1")));
        assert!(network("0.0.0.0/0").contains(ip("203.0.113.7")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:ffff::1")));
        assert!(!network("2001:db8::/32").contains(ip("2001:db9::")));
        assert!(network("::1").contains(ip("::1")));
        assert!(!network("127.0.0.1").contains(ip("127.0.0.2")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "::/129", "10.0.0.0/x", "10/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_customer_has_one_ipv4_address_or_one_ipv6_network() {
        assert_eq!(customer(ip("203.0.113.7")), ip("203.0.113.7"));
        assert_eq!(customer(ip("::ffff:203.0.113.7")), ip("203.0.113.7"));
        assert_eq!(customer(ip("2001:db8:1:2:aaaa::1")), ip("2001:db8:1:2::"));
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_about_whom_they_heard() {
        let trusted = [network("10.0.0.0/8"), network("127.0.0.1")];
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
