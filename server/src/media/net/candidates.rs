//! The server's candidates (RFC 8445 §5.1.1): every address of this machine, or the ones a
//! 1:1 NAT gives it, and one at a TURN server; and whether what the other end sends is a candidate at all.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::interface::{InterfaceRule, choose};
use crate::media::net::sockets::Port;
use crate::network::is_private;

/// The candidate attributes (RFC 8839 §5.1), UDP and passive TCP (RFC 6544), best first. `loopback` says that the other end runs on
/// this machine, so that loopback addresses reach it, too. Of the addresses, those of `last` may be nobody's.
pub fn host_candidates(
    addresses: &[IpAddr],
    last: &[IpAddr],
    port: u16,
    loopback: bool,
) -> Vec<String> {
    let addresses = usable(addresses, last, loopback);
    let count = addresses.len() as u32;
    let attributes = |transport: &'static str, type_preference: u32, suffix: &'static str| {
        let addresses = addresses.iter().enumerate();
        addresses.map(move |(at, address)| {
            // RFC 8445 §5.1.2.1 for component 1.
            let local_preference = 65_535 - at as u32;
            let priority = (type_preference << 24) | (local_preference << 8) | 255;
            let foundation = at as u32 + if transport == "tcp" { count } else { 0 };
            format!(
                "candidate:{foundation} 1 {transport} {priority} {address} {port} typ host{suffix}"
            )
        })
    };
    // TCP after all UDP (RFC 6544 §4.2): what is lost there holds up what follows.
    let udp = attributes("udp", 126, "");
    udp.chain(attributes("tcp", 90, " tcptype passive"))
        .collect()
}

/// The candidate attribute of a relayed address, of the least priority there is (RFC 8445 §5.1.2.1). Where the TURN server
/// sees this one is nobody's business (RFC 8839 §5.1): who knew could send there in the server's name.
pub fn relayed_candidate(relayed: SocketAddr) -> String {
    let priority = (65_535 << 8) | 255;
    let (ip, port) = (relayed.ip(), relayed.port());
    let related = if ip.is_ipv6() { "::" } else { "0.0.0.0" };
    format!("candidate:relay 1 udp {priority} {ip} {port} typ relay raddr {related} rport 9")
}

/// The candidates (`hosts`) as whoever has IPv6 alone reaches them behind a translator with the well-known prefix
/// (RFC 6146, RFC 6052): a browser makes none of these of an address by itself. There are none where one of IPv6 is
/// among them, nor of addresses that only their own network reaches (RFC 6052 §3.1). As a pair's priority is above all the lesser
/// of its two candidates' (RFC 8445 §6.1.2.3), theirs is below that of any candidate of a client's that needs no relay: who
/// has both families comes straight.
pub fn translated_candidates(hosts: &[String]) -> Vec<String> {
    let of_six = |host: &String| address(host).is_some_and(|at| is_global_six(at.ip()));
    if hosts.iter().any(of_six) {
        return Vec::new();
    }
    let translated = hosts.iter().filter_map(|host| {
        let mut fields: Vec<_> = host.split(' ').collect();
        let [foundation, _, transport, priority, ip, ..] = fields.as_mut_slice() else {
            return None;
        };
        let IpAddr::V4(own) = ip.parse().ok()? else {
            return None;
        };
        let own = Some(own).filter(|own| !is_private((*own).into()))?;
        let [a, b, c, d] = own.octets().map(u16::from);
        let six = Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
        let type_preference = u32::from(*transport == "udp");
        let own_preference = priority.parse::<u32>().ok()? & 0x00FF_FFFF;
        let lower = (type_preference << 24) + own_preference.checked_sub(LESS)?;
        let (other, lower, six) = (
            format!("{foundation}six"),
            lower.to_string(),
            six.to_string(),
        );
        (*foundation, *priority, *ip) = (&*other, &*lower, &*six);
        Some(fields.join(" "))
    });
    translated.collect()
}

/// A local preference of a thousand less (RFC 8445 §5.1.2.1): no relayed candidate's priority is among theirs.
const LESS: u32 = 1000 << 8;

/// Whether it is one of IPv6 that others reach.
fn is_global_six(address: IpAddr) -> bool {
    address.is_ipv6() && !is_private(address)
}

/// The addresses of a description's candidates, as far as they are no names.
pub fn addresses_in(sdp: &str) -> impl Iterator<Item = IpAddr> {
    let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    candidates.filter_map(|line| Some(address(line)?.ip()))
}

/// Where the port is offered: what a NAT makes of this machine, and its own addresses as far as something arrives
/// there. A candidate is a bound socket.
pub fn offered(port: &Port, external: &[IpAddr], own: &[IpAddr]) -> Vec<IpAddr> {
    let external = external.iter().filter(|at| port.has_family_of(**at));
    let own = own.iter().filter(|own| port.receives_at(**own));
    external.chain(own).copied().collect()
}

/// Those that somebody can reach, best first; `last` and `loopback` as above.
pub fn usable(addresses: &[IpAddr], last: &[IpAddr], loopback: bool) -> Vec<IpAddr> {
    let is_one = |address: &&IpAddr| is_usable(address) && (loopback || !address.is_loopback());
    let mut addresses: Vec<_> = addresses.iter().filter(is_one).copied().collect();
    // RFC 8421 §4: IPv6 first where there is both; loopback last of all.
    let rank = |it: &IpAddr| (it.is_loopback(), last.contains(it), it.is_ipv4());
    addresses.sort_by_key(rank);
    addresses.dedup();
    addresses
}

/// Link-local addresses need a zone that another machine cannot know; the rest are no one's.
fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
    }
}

/// The addresses of this machine's interfaces, and which of them clients are told. To ask the kernel takes a tenth
/// of what a peer costs to connect, so that peers which come together share an answer.
#[derive(Debug, Default)]
pub struct Interfaces {
    rules: Vec<InterfaceRule>,
    listened: Vec<IpAddr>,
    known: Mutex<Option<(Instant, Known)>>,
}

#[derive(Clone, Debug)]
struct Known {
    all: Vec<IpAddr>,
    told: Vec<IpAddr>,
}

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

impl Interfaces {
    /// With these, or without these, of a port that is open at these addresses.
    pub fn new(rules: Vec<InterfaceRule>, listened: Vec<IpAddr>) -> Self {
        Self {
            rules,
            listened,
            known: Mutex::default(),
        }
    }

    /// Every address.
    pub fn addresses(&self, now: Instant) -> Vec<IpAddr> {
        self.known(now, |known| known.all.clone())
    }

    /// Those that clients are told.
    pub fn told(&self, now: Instant) -> Vec<IpAddr> {
        self.known(now, |known| known.told.clone())
    }

    fn known<T>(&self, now: Instant, pick: impl FnOnce(&Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((asked, fresh)) if now < *asked + FRESH => pick(fresh),
            _ => pick(&known.insert((now, self.ask())).1),
        }
    }

    fn ask(&self) -> Known {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "the interfaces' addresses cannot be read; set --external-ip");
            Vec::new()
        });
        let all = || interfaces.iter().map(|it| (it.name.as_str(), it.ip()));
        Known {
            all: all().map(|(_, address)| address).collect(),
            told: choose(&self.rules, &self.listened, all()),
        }
    }
}

/// Whether a text is a candidate attribute:
/// `candidate:foundation component transport priority address port typ type …`
pub fn is_candidate(text: &str) -> bool {
    parse(text).is_some()
}

/// The address that a candidate attribute gives.
pub fn address(text: &str) -> Option<SocketAddr> {
    let mut fields = text.split(' ').skip(4);
    let address = fields.next()?.parse().ok()?;
    let port = fields.next()?.parse().ok()?;
    Some(SocketAddr::new(address, port))
}

fn parse(text: &str) -> Option<()> {
    let text = text.strip_prefix("a=").unwrap_or(text);
    let mut fields = text.strip_prefix("candidate:")?.split(' ');
    fields.next().filter(|foundation| !foundation.is_empty())?;
    fields.next()?.parse::<u16>().ok()?;
    fields.next()?;
    fields.next()?.parse::<u32>().ok()?;
    fields.next()?;
    fields.next()?.parse::<u16>().ok()?;
    (fields.next()? == "typ").then_some(())?;
    fields.next().map(drop)
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
        let away = host_candidates(&all, &[], 3478, false);
        assert_eq!(away.len(), 4);
        assert!(away[0].ends_with(" 2001:db8::1 3478 typ host"), "{away:?}");
        assert!(away[1].ends_with(" 192.0.2.1 3478 typ host"), "{away:?}");
        let here = host_candidates(&all, &[], 3478, true);
        assert!(
            away[3].ends_with(" 192.0.2.1 3478 typ host tcptype passive"),
            "{away:?}"
        );
        assert_eq!(here.len(), 8);
        let priorities: Vec<u32> = here
            .iter()
            .map(|candidate| candidate.split(' ').nth(3).unwrap().parse().unwrap())
            .collect();
        assert!(priorities.is_sorted_by(|a, b| a > b), "{priorities:?}");
    }

    #[test]
    fn a_server_of_ipv4_is_offered_behind_a_translator_too() {
        let hosts = |all: &[&str]| host_candidates(&ips(all), &[], 3478, true);
        let four = hosts(&["203.0.113.7", "10.0.0.1", "127.0.0.1"]);
        let translated = translated_candidates(&four);
        assert_eq!(translated.len(), 2, "{translated:?}");
        assert!(translated[0].ends_with(" 64:ff9b::cb00:7107 3478 typ host"));
        assert!(translated[1].ends_with(" 64:ff9b::cb00:7107 3478 typ host tcptype passive"));
        assert!(translated.iter().all(|it| is_candidate(it)));
        let foundations: Vec<_> = four
            .iter()
            .chain(&translated)
            .map(|it| it.split(' ').next())
            .collect();
        let mut distinct = foundations.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), foundations.len());
        for all in [&["2001:db8::1", "203.0.113.7"][..], &["10.0.0.1"], &[]] {
            assert_eq!(
                translated_candidates(&hosts(all)),
                [] as [String; 0],
                "{all:?}"
            );
        }
        // What nobody else reaches is no IPv6 to speak of.
        assert_eq!(
            translated_candidates(&hosts(&["::1", "203.0.113.7"])).len(),
            2
        );
    }

    #[test]
    fn who_has_both_families_comes_straight_before_by_a_translator() {
        let four = host_candidates(&ips(&["203.0.113.7", "203.0.113.8"]), &[], 3478, false);
        let translated = translated_candidates(&four);
        let priority = |text: &String| text.split(' ').nth(3).unwrap().parse::<u64>().unwrap();
        // RFC 8445 §6.1.2.3; the client is controlling.
        let pair = |client: u64, server: u64| {
            (client.min(server) << 32) + 2 * client.max(server) + u64::from(client > server)
        };
        // The best there may be at an address of IPv6, and the worst of IPv4: a host's, a NAT's, a TCP's.
        let six = (126 << 24) | (65_535 << 8) | 255;
        for four_of_client in [126 << 24, 100 << 24, 90 << 24] {
            for (direct, around) in four
                .iter()
                .flat_map(|it| translated.iter().map(move |to| (it, to)))
            {
                let direct = pair(four_of_client, priority(direct));
                assert!(
                    direct > pair(six, priority(around)),
                    "{four_of_client} {around}"
                );
            }
        }
        // UDP before TCP, and none as another.
        let mut all: Vec<_> = translated.iter().map(priority).collect();
        assert!(all.is_sorted_by(|a, b| a > b), "{all:?}");
        let relayed = relayed_candidate("198.51.100.1:50000".parse().unwrap());
        all.extend(four.iter().chain([&relayed]).map(priority));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_relayed_address_comes_after_all_others() {
        let all = ips(&["192.0.2.1", "2001:db8::1"]);
        let last = host_candidates(&all, &[], 3478, true).pop().unwrap();
        let relayed = relayed_candidate("198.51.100.1:50000".parse().unwrap());
        let expected =
            "candidate:relay 1 udp 16777215 198.51.100.1 50000 typ relay raddr 0.0.0.0 rport 9";
        assert_eq!(relayed, expected);
        let priority = |text: &str| text.split(' ').nth(3).unwrap().parse::<u32>().unwrap();
        assert!(priority(&relayed) < priority(&last), "{last}");
        assert!(is_candidate(&relayed));
        let ipv6 = relayed_candidate("[2001:db8::1]:50000".parse().unwrap());
        assert!(ipv6.ends_with(" raddr :: rport 9") && is_candidate(&ipv6));
    }

    #[test]
    fn the_candidates_of_a_description_are_found_and_names_are_left_out() {
        let sdp = "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=candidate:2 1 udp 1 x.local 9 typ host\r\n\
            a=candidate:3\r\na=candidate:4 1 tcp 1 2001:db8::1 9 typ host tcptype active\r\n";
        let found: Vec<_> = addresses_in(sdp).collect();
        assert_eq!(found, ips(&["192.0.2.1", "2001:db8::1"]));
    }

    #[test]
    fn what_may_be_nobodys_comes_after_the_others() {
        let all = ips(&["203.0.113.7", "192.0.2.1", "2001:db8::1", "127.0.0.1"]);
        let last = ips(&["203.0.113.7"]);
        let expected = ips(&["2001:db8::1", "192.0.2.1", "203.0.113.7", "127.0.0.1"]);
        assert_eq!(usable(&all, &last, true), expected);
        let first = ips(&["2001:db8::1", "203.0.113.7", "192.0.2.1"]);
        assert_eq!(usable(&all, &[], false), first);
    }

    // A client sends as many as it likes, as long as a message may be: none is kept or copied.
    #[test]
    fn a_look_at_a_remote_candidate_allocates_nothing_however_long_it_is() {
        let long = "x ".repeat(30_000);
        for (text, is_one) in [
            (
                format!("candidate:1 1 udp 1 192.0.2.1 9 typ host {long}"),
                true,
            ),
            (format!("candidate:{long}"), false),
            (long, false),
        ] {
            let mut seen = !is_one;
            let cost = allocation_counter::measure(|| seen = is_candidate(&text));
            assert_eq!((seen, cost.count_total), (is_one, 0));
        }
    }
}
