//! Whether clients are to be offered a relayed address of this machine's, and at which TURN servers it is had: those of
//! the settings, over UDP, TCP or TLS. Where their names lead is asked again when none of them gives one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::IceServer;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{External, STUN_PORT, host_and_port};
use crate::asking::PATIENCE;
use crate::config::{Config, RelayedCandidate};
use crate::media::MediaPlane;
use crate::media::net::candidates::Interfaces;
use crate::media::net::relayed::account::{Link, Secure, TurnServer};
use crate::media::net::relayed::client::MAX_SERVERS;
use crate::media::net::relayed::permissions::Admission;
use crate::network::is_private;
use crate::tls::trusting;

/// Where TURN is spoken over TLS unless it is said (RFC 7065 §3.2).
pub(crate) const TURNS_PORT: u16 = 5349;

/// After how long without a relayed address names are looked up again.
const AGAIN: Duration = Duration::from_secs(60);

/// At first, where nobody said where any of them is, and then ever later.
const SOON: Duration = Duration::from_secs(10);

/// What a TURN server is spoken to over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
    Tls,
}

/// A TURN server, as the settings name it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Named {
    over: Over,
    host: String,
    port: u16,
    username: String,
    credential: String,
}

/// There is no TURN server to ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoServer;

/// The servers to ask, if a relayed address is wanted.
pub(crate) fn wanted(
    config: &Config,
    servers: &[IceServer],
    external: &External,
) -> Result<Option<Vec<Named>>, NoServer> {
    let servers = named(servers);
    // A provider that is down may name some later.
    let has_none = servers.is_empty() && config.turn.provider.is_none();
    match config.turn.relayed_candidate {
        RelayedCandidate::Never => return Ok(None),
        RelayedCandidate::Always if has_none => return Err(NoServer),
        RelayedCandidate::Always => {}
        RelayedCandidate::Auto if !config.media.asks_for_its_address() || has_none => {
            return Ok(None);
        }
        RelayedCandidate::Auto => {
            let rules = config.media.interfaces.clone();
            let own = Interfaces::new(rules, config.media.listen.clone()).told(Instant::now());
            if let Some(address) = reachable(&external.sure, &own) {
                tracing::info!(%address, "no relayed address is asked for: clients reach this machine there");
                return Ok(None);
            }
        }
    }
    Ok(Some(servers))
}

/// An address at which everybody may reach this machine. Of IPv4, which nearly all clients have.
fn reachable(sure: &[IpAddr], own: &[IpAddr]) -> Option<IpAddr> {
    let mut all = sure.iter().chain(own);
    all.find(|ip| ip.is_ipv4() && !is_private(**ip)).copied()
}

/// Whom such a server is asked to let in: whom relays of this server's may reach, too.
pub(crate) fn admission(config: &Config) -> Admission {
    Admission {
        allow: config.turn.allow.clone(),
        deny: config.turn.deny.clone(),
    }
}

fn named(servers: &[IceServer]) -> Vec<Named> {
    let named = servers.iter().flat_map(|server| {
        server.urls.iter().filter_map(|url| {
            let (over, host, port) = turn_host(url)?;
            Some(Named {
                over,
                host,
                port,
                username: server.username.clone()?,
                credential: server.credential.clone()?,
            })
        })
    });
    named.collect()
}

/// RFC 7065 §3.1. Over DTLS nobody is asked.
pub(crate) fn turn_host(url: &str) -> Option<(Over, String, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (over, port) = match (scheme, query) {
        ("turn", "" | "transport=udp") => (Over::Udp, STUN_PORT),
        ("turn", "transport=tcp") => (Over::Tcp, STUN_PORT),
        ("turns", "" | "transport=tcp") => (Over::Tls, TURNS_PORT),
        _ => return None,
    };
    let (host, port) = host_and_port(host, port)?;
    Some((over, host, port))
}

/// Where servers were found last, by name.
type Found = HashMap<(String, u16), Vec<SocketAddr>>;

/// Tells the media plane where the servers are, until `stop`.
pub(crate) async fn look_after(
    others: watch::Receiver<Vec<IceServer>>,
    media: MediaPlane,
    stop: CancellationToken,
) {
    let _ = stop.run_until_cancelled(tell(others, &media)).await;
}

async fn tell(mut others: watch::Receiver<Vec<IceServer>>, media: &MediaPlane) {
    let mut granted = media.granted();
    let mut found = Found::new();
    let mut soon = SOON;
    loop {
        let named = named(&others.borrow_and_update());
        let servers = locate(&named, &mut found).await;
        let pause = if servers.is_empty() { soon } else { AGAIN };
        soon = (2 * soon).min(AGAIN);
        media.set_turn_servers(servers);
        loop {
            tokio::select! {
                // The plane's end ends this, too.
                gone = granted.wait_for(Option::is_none) => if gone.is_err() { return },
                // What is granted stays; the next is asked for as a provider says now.
                Ok(()) = others.changed() => break,
            }
            let again = timeout(pause, granted.wait_for(Option::is_some));
            tokio::select! {
                again = again => if again.is_err() { break },
                // What a provider said before may be good no more.
                Ok(()) = others.changed() => break,
            }
        }
    }
}

/// Where they are, as far as anybody knows. Where nobody says where one is it is where it was: a network that fails takes its names along.
async fn locate(named: &[Named], found: &mut Found) -> Vec<TurnServer> {
    let trusted = match named.iter().any(|server| server.over == Over::Tls) {
        true => trusting().await,
        false => None,
    };
    found.retain(|(host, port), _| named.iter().any(|it| it.host == *host && it.port == *port));
    let mut servers = Vec::new();
    for server in named {
        let known = found.entry((server.host.clone(), server.port)).or_default();
        let name = (&*server.host, server.port);
        match timeout(PATIENCE, lookup_host(name)).await {
            Ok(Ok(addresses)) => *known = addresses.collect(),
            Ok(Err(error)) => {
                tracing::warn!(%error, host = server.host, "--relayed-candidate: there is no such TURN server");
            }
            Err(_) => tracing::warn!(
                host = server.host,
                "--relayed-candidate: nobody says where this TURN server is"
            ),
        }
        servers.extend(server.at(known.iter().copied(), trusted.as_ref()));
    }
    in_order(servers, has_route)
}

/// Each server's IPv4 address before any IPv6 one, which is no other server; and none to which no way leads, unless none
/// does. No more than are asked.
fn in_order(
    mut servers: Vec<TurnServer>,
    has_route: impl Fn(SocketAddr) -> bool,
) -> Vec<TurnServer> {
    if servers.iter().any(|server| has_route(server.address)) {
        servers.retain(|server| has_route(server.address));
    }
    servers.sort_by_key(|server| server.address.is_ipv6());
    for left_out in servers.iter().skip(MAX_SERVERS) {
        tracing::warn!(
            server = left_out.name,
            "--relayed-candidate: this TURN server is not asked: it is one of too many"
        );
    }
    servers.truncate(MAX_SERVERS);
    servers
}

/// Whether the system knows a way there. Nothing is sent.
pub(crate) fn has_route(server: SocketAddr) -> bool {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0));
    socket.is_ok_and(|socket| socket.connect(server).is_ok())
}

impl Named {
    /// At the first address of each family, IPv4 first.
    fn at(
        &self,
        found: impl Iterator<Item = SocketAddr>,
        trusted: Option<&Arc<ClientConfig>>,
    ) -> Vec<TurnServer> {
        let Some(link) = self.link(trusted) else {
            tracing::warn!(
                host = self.host,
                "--relayed-candidate: this TURN server is not asked over TLS: this machine trusts nobody who could \
                 vouch for it"
            );
            return Vec::new();
        };
        let mut addresses: Vec<_> = found.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup_by_key(|address| address.is_ipv6());
        let server = |address| TurnServer {
            name: format!("{}:{}", self.host, self.port),
            address,
            link: link.clone(),
            username: self.username.clone(),
            credential: self.credential.clone(),
        };
        addresses.into_iter().map(server).collect()
    }

    /// `None` where nobody vouches for anybody.
    fn link(&self, trusted: Option<&Arc<ClientConfig>>) -> Option<Link> {
        match self.over {
            Over::Udp => Some(Link::Udp),
            Over::Tcp => Some(Link::Tcp),
            Over::Tls => Some(Link::Tls(Secure {
                name: ServerName::try_from(self.host.clone()).ok()?,
                config: trusted?.clone(),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ExternalIp;

    fn config(setting: RelayedCandidate, asks: bool, url: &str) -> Config {
        let mut config = Config::default();
        config.turn.relayed_candidate = setting;
        // What the tests run on may have a public address.
        config.media.interfaces = vec!["none0".parse().unwrap()];
        if asks {
            config.media.external_ips = vec![ExternalIp::Auto];
        }
        let json = format!(r#"{{"urls": "{url}", "username": "me", "credential": "secret"}}"#);
        config.turn.others = crate::config::IceServers::of(&json).unwrap();
        config
    }

    fn external(sure: &[&str]) -> External {
        External {
            sure: sure.iter().map(|ip| ip.parse().unwrap()).collect(),
            ..External::default()
        }
    }

    #[test]
    fn a_relayed_address_is_wanted_where_no_other_leads_here_or_in_any_case() {
        use RelayedCandidate::{Always, Auto, Never};
        let hidden = external(&[]);
        let is_wanted = |setting, asks, url: &str, external: &External| {
            let config = config(setting, asks, url);
            let servers = config.turn.ice_servers();
            wanted(&config, &servers, external).map(|servers| servers.is_some())
        };
        let turn = "turn:turn.example";
        assert_eq!(is_wanted(Auto, true, turn, &hidden), Ok(true));
        // Servers that are there for browsers are there for browsers.
        assert_eq!(is_wanted(Auto, false, turn, &hidden), Ok(false));
        let private = external(&["10.0.0.1", "2001:db8::1"]);
        assert_eq!(is_wanted(Auto, true, turn, &private), Ok(true));
        let proved = external(&["203.0.113.7"]);
        assert_eq!(is_wanted(Auto, true, turn, &proved), Ok(false));
        assert_eq!(is_wanted(Always, false, turn, &proved), Ok(true));
        assert_eq!(is_wanted(Never, true, turn, &hidden), Ok(false));
        // Nobody there speaks TURN.
        for url in ["stun:a", "stuns:a", "turns:a?transport=udp"] {
            assert_eq!(is_wanted(Auto, true, url, &hidden), Ok(false), "{url}");
            assert_eq!(is_wanted(Always, true, url, &hidden), Err(NoServer));
        }
    }

    #[test]
    fn a_server_is_asked_over_what_it_is_named_with() {
        let host = |url| turn_host(url).map(|(over, host, port)| (over, format!("{host} {port}")));
        for (url, expected) in [
            ("turn:a", Some((Over::Udp, "a 3478"))),
            ("turn:a:80?transport=tcp", Some((Over::Tcp, "a 80"))),
            ("turns:a", Some((Over::Tls, "a 5349"))),
            (
                "turns:[::1]:443?transport=tcp",
                Some((Over::Tls, "::1 443")),
            ),
            ("turns:a?transport=udp", None),
            ("turn:a?transport=sctp", None),
            ("stun:a", None),
        ] {
            let expected = expected.map(|(over, at)| (over, at.to_owned()));
            assert_eq!(host(url), expected, "{url}");
        }
    }

    #[test]
    fn a_server_is_asked_at_one_address_of_each_family() {
        let named = named(
            &config(RelayedCandidate::Always, false, "turn:turn.example")
                .turn
                .ice_servers(),
        );
        let found = ["[2001:db8::1]:3478", "192.0.2.1:3478", "192.0.2.2:3478"];
        let found = found.map(|address| address.parse().unwrap());
        let servers = named[0].at(found.into_iter(), None);
        let at: Vec<_> = servers.iter().map(|it| it.address.to_string()).collect();
        assert_eq!(at, ["192.0.2.1:3478", "[2001:db8::1]:3478"]);
        let shown = format!("{servers:?}");
        assert!(
            shown.contains("turn.example") && !shown.contains("secret"),
            "{shown}"
        );
    }

    #[test]
    fn another_server_is_asked_before_another_address_of_one() {
        let servers = |addresses: &[&str], has_route: &dyn Fn(SocketAddr) -> bool| {
            let servers = addresses.iter().map(|address| TurnServer {
                name: "turn.example".to_owned(),
                address: address.parse().unwrap(),
                link: Link::Udp,
                username: String::new(),
                credential: String::new(),
            });
            let ordered = in_order(servers.collect(), has_route).into_iter();
            ordered.map(|it| it.address.to_string()).collect::<Vec<_>>()
        };
        let both = ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"];
        let ordered = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"];
        assert_eq!(servers(&both, &|_| true), ordered);
        assert_eq!(servers(&both, &|it| it.is_ipv4()), ordered[..2]);
        assert_eq!(servers(&both, &|_| false), ordered, "the network is away");
        let twelve: Vec<_> = (0..12).map(|at| format!("192.0.2.{at}:1")).collect();
        let twelve: Vec<_> = twelve.iter().map(String::as_str).collect();
        assert_eq!(servers(&twelve, &|_| true), twelve[..MAX_SERVERS]);
    }

    /// RFC 6761 §6.4: there is no such name.
    #[tokio::test]
    async fn a_name_that_leads_nowhere_any_more_leads_where_it_led() {
        let url = "turn:turn.invalid?transport=tcp";
        let named = named(
            &config(RelayedCandidate::Always, false, url)
                .turn
                .ice_servers(),
        );
        let was = "127.0.0.1:3478".parse().unwrap();
        let name = (named[0].host.clone(), named[0].port);
        // Whom nobody names any more is forgotten.
        let gone = ("gone.invalid".to_owned(), 3478);
        let mut found = Found::from([(name.clone(), vec![was]), (gone, vec![was])]);
        let servers = locate(&named, &mut found).await;
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].address, was);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [name]);
    }
}
