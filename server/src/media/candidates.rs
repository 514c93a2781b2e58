//! The server's host candidates (RFC 8445 §5.1.1.1): every address of this machine, or the ones a
//! 1:1 NAT gives it.

use std::net::IpAddr;

/// The candidate attributes (RFC 8839 §5.1), best first. `loopback` says that the other end runs on
/// this machine, so that loopback addresses reach it, too.
pub fn host_candidates(addresses: &[IpAddr], port: u16, loopback: bool) -> Vec<String> {
    let mut addresses: Vec<_> = addresses
        .iter()
        .filter(|address| is_usable(address) && (loopback || !address.is_loopback()))
        .collect();
    // RFC 8421 §4: IPv6 first where there is both; loopback last of all.
    addresses.sort_by_key(|address| (address.is_loopback(), address.is_ipv4()));
    addresses.dedup();
    let count = addresses.len() as u32;
    let attribute = |(at, address): (usize, &&IpAddr)| {
        // RFC 8445 §5.1.2.1 with type preference 126 for host and component 1.
        let local_preference = 65_535 - count.min(65_535) + count - at as u32;
        let priority = (126 << 24) | (local_preference.min(65_535) << 8) | 255;
        format!("candidate:{at} 1 udp {priority} {address} {port} typ host")
    };
    addresses.iter().enumerate().map(attribute).collect()
}

/// Link-local addresses need a zone that another machine cannot know; the rest are no one's.
fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
    }
}

/// Every address of this machine's interfaces.
pub fn interface_addresses() -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(|interface| interface.ip()).collect(),
        Err(error) => {
            tracing::warn!(%error, "the interfaces' addresses cannot be read; set --external-ip");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn offers_what_the_other_end_can_reach() {
        let all = ips(&["127.0.0.1", "192.0.2.1", "fe80::1", "::1", "2001:db8::1"]);
        let away = host_candidates(&all, 3478, false);
        assert_eq!(away.len(), 2);
        assert!(away[0].ends_with(" 2001:db8::1 3478 typ host"), "{away:?}");
        assert!(away[1].ends_with(" 192.0.2.1 3478 typ host"), "{away:?}");
        let here = host_candidates(&all, 3478, true);
        assert_eq!(here.len(), 4);
        let priorities: Vec<u32> = here
            .iter()
            .map(|candidate| candidate.split(' ').nth(3).unwrap().parse().unwrap())
            .collect();
        assert!(priorities.is_sorted_by(|a, b| a > b), "{priorities:?}");
    }
}
