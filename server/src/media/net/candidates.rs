//! The server's host candidates (RFC 8445 §5.1.1.1): every address of this machine, or the ones a
//! 1:1 NAT gives it; and whether what the other end sends is a candidate at all.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::interface::{InterfaceRule, choose};
use crate::media::net::sockets::Port;

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
