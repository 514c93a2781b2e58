//! Whom a relay may be used to reach. By default nobody who can only be reached from inside: a relay would
//! carry strangers past the firewall, to this machine's own services, and to a cloud's metadata.
//!
//! Pure: addresses in, a verdict out. What is this server itself is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::network::is_among;

/// The peers that relays may reach.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Networks that may be reached though they are refused by default.
    pub allow: Vec<IpNet>,
    /// Networks that may not, whatever is allowed.
    pub deny: Vec<IpNet>,
}

impl Access {
    /// Whether relays may reach this address. One that stands for another, as in IPv6 for an IPv4 address,
    /// must pass as both.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let meant = stands_for(address);
        let forms = || std::iter::once(address).chain(meant);
        if forms().any(|form| is_among(form, &self.deny)) {
            return false;
        }
        forms().all(|form| is_public(form) || is_among(form, &self.allow))
    }

    /// Whether this address is among those that are allowed, and not denied.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        is_among(address, &self.allow) && self.admits(address)
    }
}

/// The IPv4 address that packets to an IPv6 address end up at.
fn stands_for(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let bits = address.to_bits();
    let at = |shift: u32| Some(IpAddr::from(Ipv4Addr::from_bits((bits >> shift) as u32)));
    let is_in = |(network, _): &(Ipv6Net, u32)| network.contains(&address);
    EMBEDDING
        .iter()
        .find(|known| is_in(known))
        .and_then(|(_, shift)| at(*shift))
}

const fn ipv6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// IPv6 networks whose addresses have an IPv4 address in them, and how far it is from the end.
const EMBEDDING: [(Ipv6Net, u32); 4] = [
    // IPv4-mapped (RFC 4291 §2.5.5.2), IPv4-translated (RFC 2765 §2.1).
    (ipv6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), 0),
    (ipv6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), 0),
    // NAT64 (RFC 6052 §2.1).
    (ipv6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), 0),
    // 6to4 (RFC 3056 §2).
    (ipv6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), 80),
];

const fn ipv4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

/// What is not globally reachable (IANA's registry of special IPv4 addresses, RFC 6890), or everybody.
const SPECIAL_IPV4: [Ipv4Net; 16] = [
    ipv4([0, 0, 0, 0], 8),
    ipv4([10, 0, 0, 0], 8),
    // Carrier-grade NAT (RFC 6598), in which some clouds have their metadata.
    ipv4([100, 64, 0, 0], 10),
    ipv4([127, 0, 0, 0], 8),
    // Link-local; most clouds' metadata is 169.254.169.254.
    ipv4([169, 254, 0, 0], 16),
    ipv4([172, 16, 0, 0], 12),
    ipv4([192, 0, 0, 0], 24),
    ipv4([192, 0, 2, 0], 24),
    ipv4([192, 88, 99, 0], 24),
    ipv4([192, 168, 0, 0], 16),
    ipv4([198, 18, 0, 0], 15),
    ipv4([198, 51, 100, 0], 24),
    ipv4([203, 0, 113, 0], 24),
    // Azure's metadata and DNS, which is reached from inside only.
    ipv4([168, 63, 129, 16], 32),
    // Multicast; reserved, with the broadcast address.
    ipv4([224, 0, 0, 0], 4),
    ipv4([240, 0, 0, 0], 4),
];

/// The same of IPv6, where only 2000::/3 is given out at all.
const SPECIAL_IPV6: [Ipv6Net; 4] = [
    // With Teredo, whose addresses lead to whatever UDP port of whatever IPv4 address they say.
    ipv6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ipv6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ipv6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    ipv6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
];

const GLOBAL_IPV6: Ipv6Net = ipv6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_IPV4
            .iter()
            .any(|special| special.contains(&address)),
        IpAddr::V6(address) => match stands_for(address.into()) {
            // Only as public as what it stands for, which is looked at by itself.
            Some(_) => true,
            None => {
                GLOBAL_IPV6.contains(&address)
                    && !SPECIAL_IPV6
                        .iter()
                        .any(|special| special.contains(&address))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(allow: &[&str], deny: &[&str]) -> Access {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Access {
            allow: read(allow),
            deny: read(deny),
        }
    }

    fn admits(access: &Access, address: &str) -> bool {
        access.admits(address.parse().unwrap())
    }

    #[test]
    fn the_public_is_reached() {
        for address in [
            "8.8.8.8",
            "192.0.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2a00::1",
            "2001:4860::8888",
        ] {
            assert!(admits(&Access::default(), address), "{address}");
        }
    }

    #[test]
    fn what_is_inside_is_not_reached() {
        const INSIDE: [&str; 32] = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "64:ff9b:1::1",
            "100::1",
            "5f00::1",
        ];
        for address in INSIDE {
            assert!(!admits(&Access::default(), address), "{address}");
        }
    }

    #[test]
    fn what_is_inside_is_not_reached_by_another_name() {
        for inside in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
        ] {
            let [a, b, c, d] = inside.parse::<Ipv4Addr>().unwrap().octets();
            let (ab, cd) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let forms = [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, ab, cd),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, ab, cd),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, ab, cd),
                Ipv6Addr::new(0x2002, ab, cd, 0, 0, 0, 0, 1),
            ];
            for form in forms {
                assert!(!Access::default().admits(form.into()), "{form}");
                // Allowed as itself, it may be called so, too, where that name may be used.
                let allowed = access(&[&format!("{inside}/32")], &[]);
                assert!(allowed.admits(form.into()), "{form}");
            }
        }
    }

    #[test]
    fn a_public_address_is_reached_by_another_name_unless_that_is_denied() {
        for form in ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
            assert!(admits(&Access::default(), form), "{form}");
            assert!(!admits(&access(&[], &["8.8.8.0/24"]), form), "{form}");
        }
        assert!(!admits(&access(&[], &["64:ff9b::/96"]), "64:ff9b::8.8.8.8"));
    }

    #[test]
    fn what_is_denied_is_denied_though_it_is_allowed() {
        let access = access(&["10.0.0.0/8", "fd00::/8"], &["10.1.0.0/16", "8.8.8.8/32"]);
        for reached in ["10.0.0.1", "10.2.0.1", "fd12::1", "8.8.4.4"] {
            assert!(admits(&access, reached), "{reached}");
        }
        for refused in ["10.1.0.1", "8.8.8.8", "192.168.0.1", "::ffff:10.1.2.3"] {
            assert!(!admits(&access, refused), "{refused}");
        }
    }
}
