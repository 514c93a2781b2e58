//! What translates between a client that has IPv6 only and a network that has IPv4 only: headers as RFC 7915 has them,
//! addresses by the well-known prefix (RFC 6052 §2.1). It knows one client, which has one address of IPv4 behind it; a
//! NAT of the router's shares that one's own, so that both together do what RFC 6146 says. Options, fragments and
//! errors of ICMP do not get through.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use tokio_tun::Tun;

/// The device's name, at the router.
pub(super) const DEVICE: &str = "nat64";

/// The client as IPv6 has it, and as it comes out.
pub(super) const CLIENT: (Ipv6Addr, Ipv4Addr) = (
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2),
    Ipv4Addr::new(10, 64, 0, 2),
);

/// The first 96 bits of what stands for an address of IPv4.
const PREFIX: [u8; 12] = [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0];

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// The lengths of the two headers.
const V4: usize = 20;
const V6: usize = 40;

/// Don't Fragment.
const DF: [u8; 2] = [0x40, 0];

/// What stands for an address of IPv4.
#[must_use]
pub(super) fn mapped(address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = [0; 16];
    let (prefix, rest) = octets.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    rest.copy_from_slice(&address.octets());
    octets.into()
}

/// Translates what comes out of a device, and puts it back in, for as long as it is polled.
pub(super) async fn translate(device: Tun) -> Result<()> {
    let mut packet = vec![0; 65_536];
    loop {
        let len = device.recv(&mut packet).await?;
        let translated = match packet.first().map(|first| first >> 4) {
            Some(6) => to_ipv4(&packet[..len]),
            Some(4) => to_ipv6(&packet[..len]),
            _ => None,
        };
        if let Some(translated) = translated {
            device.send_all(&translated).await?;
        }
    }
}

/// RFC 7915 §5.1: what the client sends.
fn to_ipv4(packet: &[u8]) -> Option<Vec<u8>> {
    let (header, body) = packet.split_at_checked(V6)?;
    let (class, next, hops) = (header[0] << 4 | header[1] >> 4, header[6], header[7]);
    let body = body.get(..usize::from(u16::from_be_bytes([header[4], header[5]])))?;
    let server = header[24..].strip_prefix(&PREFIX)?;
    if header[8..24] != CLIENT.0.octets() || hops <= 1 {
        return None;
    }
    let protocol = if next == ICMP_V6 { ICMP } else { next };
    let length = u16::try_from(V4 + body.len()).ok()?;
    let mut out = vec![0x45, class];
    out.extend(length.to_be_bytes());
    out.extend([0, 0]);
    out.extend(DF);
    out.extend([hops - 1, protocol, 0, 0]);
    out.extend(CLIENT.1.octets());
    out.extend(server);
    let checksum = checksum(&[&out]);
    out[10..12].copy_from_slice(&checksum);
    let addresses = out[12..V4].to_vec();
    out.extend(translated(body, protocol, &addresses)?);
    Some(out)
}

/// RFC 7915 §4.1: what comes for it.
fn to_ipv6(packet: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = packet.split_at_checked(V4)?;
    let (class, hops, protocol) = (header[1], header[8], header[9]);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let body = rest.get(..length.checked_sub(V4)?)?;
    // Only the flag that it is not to be cut, if any.
    let is_whole = header[6] & !DF[0] == 0 && header[7] == 0;
    if header[0] != 0x45 || !is_whole || header[16..] != CLIENT.1.octets() || hops <= 1 {
        return None;
    }
    let next = if protocol == ICMP { ICMP_V6 } else { protocol };
    let mut out = vec![0x60 | class >> 4, class << 4, 0, 0];
    out.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
    out.extend([next, hops - 1]);
    out.extend(PREFIX);
    out.extend(&header[12..16]);
    out.extend(CLIENT.0.octets());
    let addresses = out[8..].to_vec();
    out.extend(translated(body, next, &addresses)?);
    Some(out)
}

/// What an IP packet carries, with the checksum that it has between these addresses.
fn translated(body: &[u8], next: u8, addresses: &[u8]) -> Option<Vec<u8>> {
    let mut body = body.to_vec();
    let at = match next {
        TCP => 16,
        UDP => 6,
        // RFC 7915 §4.2, §5.2: echoes.
        ICMP | ICMP_V6 => {
            *body.first_mut()? = match (next, *body.first()?) {
                (ICMP_V6, 8) => 128,
                (ICMP_V6, 0) => 129,
                (ICMP, 128) => 8,
                (ICMP, 129) => 0,
                _ => return None,
            };
            2
        }
        _ => return None,
    };
    body.get_mut(at..at + 2)?.fill(0);
    let length = u32::try_from(body.len()).ok()?.to_be_bytes();
    // RFC 8200 §8.1. IPv4's comes to the same sum; its ICMP has none.
    let pseudo = [addresses, &length, &[0, 0, 0, next]].concat();
    let covered: &[u8] = if next == ICMP { &[] } else { &pseudo };
    let sum = checksum(&[covered, &body]);
    // None at all is written otherwise (RFC 768).
    let sum = if next == UDP && sum == [0, 0] {
        [0xFF; 2]
    } else {
        sum
    };
    body[at..at + 2].copy_from_slice(&sum);
    Some(body)
}

/// RFC 1071. All but the last part have an even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u64 = words
        .map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of the client's to 203.0.113.7.
    fn sent(next: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x61, 0x20, 0, 1];
        packet.extend((body.len() as u16).to_be_bytes());
        packet.extend([next, 64]);
        packet.extend(CLIENT.0.octets());
        packet.extend(mapped(Ipv4Addr::new(203, 0, 113, 7)).octets());
        let body = translated(body, next, &packet[8..]).unwrap_or(body.to_vec());
        packet.extend(body);
        packet
    }

    /// The same from there to it, of what came out there.
    fn back(packet: &[u8]) -> Vec<u8> {
        let mut back = packet.to_vec();
        let (from, to) = (packet[12..16].to_vec(), packet[16..20].to_vec());
        back[12..16].copy_from_slice(&to);
        back[16..20].copy_from_slice(&from);
        back
    }

    /// What is whole sums up to this with its own checksum.
    fn is_right(packet: &[u8], next: u8, at: usize, addresses: &[u8]) -> bool {
        let body = &packet[at..];
        let length = (body.len() as u32).to_be_bytes();
        let pseudo = [addresses, &length, &[0, 0, 0, next]].concat();
        checksum(&[&pseudo, body]) == [0, 0]
    }

    #[test]
    fn udp_and_tcp_go_there_and_back_with_the_right_checksums() {
        assert_eq!(
            mapped(Ipv4Addr::new(203, 0, 113, 7)),
            "64:ff9b::cb00:7107".parse::<Ipv6Addr>().unwrap()
        );
        for (next, header) in [(UDP, 8), (TCP, 20)] {
            for length in [0, 1, 999] {
                let packet = sent(next, &vec![7; header + length]);
                let out = to_ipv4(&packet).unwrap();
                assert_eq!(out.len(), packet.len() - V6 + V4);
                assert_eq!((out[1], out[8], out[9]), (0x12, 63, next));
                assert_eq!(checksum(&[&out[..V4]]), [0, 0]);
                assert!(is_right(&out, next, V4, &out[12..V4]));
                assert_eq!(out[16..20], [203, 0, 113, 7]);
                let came = to_ipv6(&back(&out)).unwrap();
                assert!(is_right(&came, next, V6, &came[8..V6]));
                assert_eq!(&came[8..24], &packet[24..40]);
                assert_eq!(&came[24..40], &packet[8..24]);
            }
        }
    }

    #[test]
    fn echoes_are_translated_and_nothing_else_of_icmp() {
        let ask = sent(ICMP_V6, &[128, 0, 0, 0, 1, 2, 3, 4]);
        // As the client would write it.
        let out = to_ipv4(&sent_raw(&ask, 128)).unwrap();
        assert_eq!((out[9], out[V4]), (ICMP, 8));
        assert_eq!(checksum(&[&out[V4..]]), [0, 0]);
        let mut answer = back(&out);
        answer[V4] = 0;
        let came = to_ipv6(&answer).unwrap();
        assert_eq!((came[6], came[V6]), (ICMP_V6, 129));
        assert!(is_right(&came, ICMP_V6, V6, &came[8..V6]));
        assert_eq!(to_ipv4(&sent_raw(&ask, 135)), None);
    }

    /// The same with another type.
    fn sent_raw(packet: &[u8], typ: u8) -> Vec<u8> {
        let mut packet = packet.to_vec();
        packet[V6] = typ;
        packet
    }

    #[test]
    fn what_is_for_others_or_makes_no_sense_does_not_get_through() {
        let right = sent(UDP, &[7; 12]);
        let out = back(&to_ipv4(&right).unwrap());
        for at in 0..right.len() {
            assert_eq!(to_ipv4(&right[..at]), None);
        }
        for at in 0..out.len() {
            assert_eq!(to_ipv6(&out[..at]), None);
        }
        for at in [8, 24] {
            let mut other = right.clone();
            other[at] ^= 1;
            assert_eq!(to_ipv4(&other), None);
        }
        let mut piece = out.clone();
        piece[6] = 0x20;
        assert_eq!(to_ipv6(&piece), None);
        let mut other = out;
        other[19] ^= 1;
        assert_eq!(to_ipv6(&other), None);
    }
}
