//! The addresses that a NAT gives this machine: those of the settings, and with `--external-ip auto` those that STUN
//! servers see, asked before the media plane starts, from its own port. Which of them are believed, `finder` says.
//!
//! Nobody is asked whom the settings do not name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use ferrite_protocol::IceServer;
use futures_util::future::join_all;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use self::finder::{Finder, Found};
use crate::asking::{PATIENCE, WAITS, binding};
use crate::config::Config;
use crate::media::net::candidates::Interfaces;
use crate::media::net::framing::MAX_FRAME;
use crate::media::net::sockets::{Port, PortError, open_plain, probe};

mod finder;
pub(crate) mod relayed;

/// Where STUN is spoken unless it is said (RFC 7064 §3.2).
pub(crate) const STUN_PORT: u16 = 3478;

/// What a NAT gives this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct External {
    /// Said by the settings, or proved.
    pub(crate) sure: Vec<IpAddr>,
    /// Not proved: for when nothing else is any good.
    pub(crate) unsure: Vec<IpAddr>,
    /// How many STUN servers answered.
    pub(crate) answered: usize,
    /// The media port, if it is chosen by now.
    pub(crate) port: u16,
}

impl External {
    /// All of them.
    pub(crate) fn all(&self) -> Vec<IpAddr> {
        self.sure.iter().chain(&self.unsure).copied().collect()
    }
}

/// Reads the settings, and asks these servers if they want that. `None` if nobody is named whom to ask.
pub(crate) async fn find(
    config: &Config,
    servers: &[IceServer],
) -> Result<Option<External>, PortError> {
    let mut external = External {
        sure: config.media.literal_ips(),
        unsure: Vec::new(),
        answered: 0,
        port: config.media.port,
    };
    if !config.media.asks_for_its_address() {
        return Ok(Some(external));
    }
    let hosts = stun_hosts(servers);
    if hosts.is_empty() {
        return Ok(without_asking(config, external));
    }
    let port = probe(config.media.port, &config.media.listen)?;
    external.port = port.number;
    let found = ask(&port, &hosts).await;
    let is_new = |ip: &IpAddr| !config.media.literal_ips().contains(ip);
    for found in found {
        tell(&found);
        external.answered += found.answered;
        external
            .sure
            .extend(found.proved.into_iter().filter(is_new));
        external
            .unsure
            .extend(found.unproved.into_iter().filter(is_new));
    }
    Ok(Some(external))
}

/// A provider that is down keeps no server from starting.
fn without_asking(config: &Config, external: External) -> Option<External> {
    config.turn.provider.as_ref()?;
    tracing::warn!("--external-ip auto: nobody is asked, as the provider names no server yet");
    Some(external)
}

fn tell(found: &Found) {
    for address in &found.proved {
        tracing::info!(%address, "--external-ip auto: this is what a NAT makes of this machine");
    }
    for address in &found.unproved {
        tracing::warn!(
            %address,
            "--external-ip auto: a STUN server sees this machine there, but what is sent there from here does not \
             arrive: it is offered after all others. Open the media port, or give the address itself if it is right"
        );
    }
    for server in &found.silent {
        tracing::warn!(%server, "--external-ip auto: this STUN server does not answer");
    }
}

/// Asks at each address that the port is open at.
async fn ask(port: &Port, hosts: &[(String, u16)]) -> Vec<Found> {
    let own = Interfaces::default().addresses(Instant::now());
    let servers = resolve(hosts).await;
    let asking = port.addresses.iter().map(|at| {
        let at = SocketAddr::new(*at, port.number);
        let servers = servers
            .iter()
            .filter(move |it| it.is_ipv4() == at.is_ipv4());
        ask_at(at, servers.copied().collect(), &own)
    });
    let found = join_all(asking).await.into_iter();
    found
        .filter_map(|found| match found {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%error, "--external-ip auto: nobody can be asked");
                None
            }
        })
        .collect()
}

async fn resolve(hosts: &[(String, u16)]) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for (host, port) in hosts {
        match timeout(PATIENCE, lookup_host((&**host, *port))).await {
            Ok(Ok(found)) => servers.extend(found),
            Ok(Err(error)) => {
                tracing::warn!(%error, host, "--external-ip auto: there is no such STUN server")
            }
            Err(_) => tracing::warn!(
                host,
                "--external-ip auto: nobody says where this STUN server is"
            ),
        }
    }
    servers
}

async fn ask_at(at: SocketAddr, servers: Vec<SocketAddr>, own: &[IpAddr]) -> io::Result<Found> {
    let mut finder = Finder::new(&servers, binding);
    if servers.is_empty() {
        return Ok(finder.found());
    }
    let media = UdpSocket::from_std(open_plain(at)?)?;
    for wait in WAITS {
        send(&media, finder.asks()).await;
        if hear(&media, &mut finder, wait, |finder| {
            finder.asks().next().is_none()
        })
        .await
        {
            break;
        }
    }
    finder.suppose(own, at.port(), binding);
    let other = UdpSocket::from_std(open_plain(any(at))?)?;
    for wait in WAITS {
        send(&other, finder.pings()).await;
        if hear(&media, &mut finder, wait, |finder| {
            finder.pings().next().is_none()
        })
        .await
        {
            break;
        }
    }
    Ok(finder.found())
}

fn any(at: SocketAddr) -> SocketAddr {
    match at {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// What the system does not let out is as lost as what is lost on its way.
async fn send(socket: &UdpSocket, datagrams: impl Iterator<Item = (SocketAddr, &[u8])>) {
    for (to, datagram) in datagrams {
        let _ = socket.send_to(datagram, to).await;
    }
}

/// Hears what comes, until it is enough or the time is up. Returns whether it is enough.
async fn hear(
    socket: &UdpSocket,
    finder: &mut Finder,
    wait: Duration,
    is_enough: impl Fn(&Finder) -> bool,
) -> bool {
    let mut buffer = [0; MAX_FRAME];
    let hearing = async {
        while !is_enough(finder) {
            if let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                finder.hear(from, &buffer[..len]);
            }
        }
    };
    timeout(wait, hearing).await.is_ok()
}

/// Those of the ICE servers that answer STUN over UDP (RFC 7064, RFC 7065).
fn stun_hosts(servers: &[IceServer]) -> Vec<(String, u16)> {
    let urls = servers.iter().flat_map(|server| &server.urls);
    urls.filter_map(|url| stun_host(url)).collect()
}

fn stun_host(url: &str) -> Option<(String, u16)> {
    let rest = url
        .strip_prefix("stun:")
        .or_else(|| url.strip_prefix("turn:"))?;
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.contains("transport=tcp") {
        return None;
    }
    host_and_port(host, STUN_PORT)
}

pub(crate) fn host_and_port(text: &str, unless_said: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        // IPv6.
        Some(host) => {
            let (host, rest) = host.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(unless_said), str::parse).ok()?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_answer_over_udp_are_asked() {
        for (url, expected) in [
            ("stun:stun.example", Some(("stun.example", 3478))),
            ("stun:stun.example:80", Some(("stun.example", 80))),
            (
                "turn:[2001:db8::1]:80?transport=udp",
                Some(("2001:db8::1", 80)),
            ),
            ("stun:[2001:db8::1]", Some(("2001:db8::1", 3478))),
            ("turn:turn.example?transport=tcp", None),
            ("turns:turn.example", None),
            ("stuns:stun.example", None),
            ("stun::80", None),
            ("stun:a:b", None),
            ("stun:[::1", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(stun_host(url), expected, "{url}");
        }
    }
}
