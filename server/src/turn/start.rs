//! Puts the servers of all shards together from what they share.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use ferrite_protocol::IceServer;
use tokio::sync::watch;

use super::access::Access;
use super::bandwidth::Bandwidth;
use super::credentials::{Credentials, Login, SharedSecret};
use super::guest::{Addresses, TurnGuest};
use super::live::LivePage;
use super::nonce::Nonces;
use super::ports::Ports;
use super::second_port::SecondPort;
use super::server::Shared;
use super::shared_port::SharedPort;
use super::streams::HeldStreams;
use crate::interface::InterfaceRule;
use crate::media::net::candidates::Interfaces;
use crate::media::net::guest::Guest;
use crate::media::net::sockets::Port;
use crate::tls::Certificates;

/// What relays are told from outside.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// Who gives time-limited credentials out.
    pub secrets: Vec<SharedSecret>,
    /// The relays' ports.
    pub relay_ports: RangeInclusive<u16>,
    /// The one that all relays of datagrams share, if they do.
    pub shared_port: Option<SharedPort>,
    /// Whether there are relays of TCP, too.
    pub tcp_relays: bool,
    /// How much the relays of one credential carry, if that is limited.
    pub bandwidth: Option<Bandwidth>,
    /// Whom they may reach.
    pub access: Access,
    /// What a 1:1 NAT makes of this machine's addresses.
    pub external_ips: Vec<IpAddr>,
    /// Which interfaces' addresses clients are told.
    pub interfaces: Vec<InterfaceRule>,
    /// Where TURN is spoken over TLS, if it is.
    pub turns: Option<Turns>,
    /// Other servers that clients may use; a provider may name others later.
    pub others: watch::Receiver<Vec<IceServer>>,
    /// By what clients find out about their NATs, if they can.
    pub second_port: Option<SecondPort>,
}

/// Where TURN is spoken over TLS.
#[derive(Clone, Debug)]
pub struct Turns {
    /// The TCP port.
    pub port: u16,
    /// The address that it is open at; `None` is wherever the media port is.
    pub at: Option<IpAddr>,
    /// The certificate, whose name clients look for.
    pub certificates: Arc<Certificates>,
}

/// The servers.
pub struct TurnServers {
    config: TurnConfig,
    credentials: Arc<Credentials>,
    /// Connections between relays and their peers.
    held: Arc<HeldStreams>,
    made: OnceLock<(Arc<Shared>, Arc<Addresses>)>,
}

impl fmt::Debug for TurnServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnServers").finish_non_exhaustive()
    }
}

impl TurnServers {
    /// None yet.
    pub fn new(config: TurnConfig) -> Self {
        Self {
            credentials: Arc::new(Credentials::within(
                config.secrets.clone(),
                config.bandwidth,
            )),
            config,
            held: Arc::new(HeldStreams::new()),
            made: OnceLock::new(),
        }
    }

    /// Who may have a relay.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// What a client that calls this server puts into `RTCConfiguration.iceServers`: relays of this server's, and
    /// other servers. `loopback` says that it is on this machine.
    ///
    /// Relays over UDP are not among them. Who gets there gets to the same port without one. And Chromium sends both
    /// from one socket, and gives what comes back from a relay's address to the relay alone: checks of the direct
    /// path would have no answers, and calls would go by TCP.
    pub fn ice_servers(&self, login: Login, loopback: bool) -> Vec<IceServer> {
        let ours = IceServer {
            urls: self.urls(loopback, &["tcp"]),
            username: Some(login.username),
            credential: Some(login.password),
        };
        let ours = Some(ours).filter(|ours| !ours.urls.is_empty());
        ours.into_iter()
            .chain(self.config.others.borrow().iter().cloned())
            .collect()
    }

    /// The other servers of [`ice_servers`](Self::ice_servers), and when they change.
    pub fn others(&self) -> watch::Receiver<Vec<IceServer>> {
        self.config.others.clone()
    }

    /// Where relays of this server's are had, for calls with anybody. `loopback` as above.
    pub fn relay_urls(&self, loopback: bool) -> Vec<String> {
        self.urls(loopback, &["udp", "tcp"])
    }

    fn urls(&self, loopback: bool, transports: &[&str]) -> Vec<String> {
        let Some((_, addresses)) = self.made.get() else {
            return Vec::new();
        };
        let turns = self.config.turns.as_ref();
        let turns = turns.map(|turns| {
            let name = turns.certificates.host();
            sealed_urls(turns.port, turns.at, name, addresses, loopback)
        });
        let mut urls = urls(addresses, loopback, transports);
        urls.extend(turns.into_iter().flatten());
        urls
    }

    /// Where it tells a client its address.
    pub fn stun_urls(&self, loopback: bool) -> Vec<String> {
        let made = self.made.get();
        let offered = made.into_iter().flat_map(|(_, addresses)| {
            let port = addresses.port.number;
            let hosts = addresses.offered(loopback);
            hosts.map(move |address| SocketAddr::new(address, port))
        });
        offered.map(|host| format!("stun:{host}")).collect()
    }

    /// So many of the relays there are, that began before the one of a number.
    pub fn live(&self, before: Option<u64>, count: usize) -> LivePage {
        let made = self.made.get();
        let live = made.map(|(shared, _)| shared.live.clone());
        live.unwrap_or_default().page(before, count)
    }

    /// Bytes that relays have not carried since the start, as their users had relayed as much as they may.
    pub fn held_back(&self) -> u64 {
        let made = self.made.get();
        made.map_or(0, |(shared, _)| shared.live.held_back())
    }

    /// Datagrams that came to the port that relays share and were nobody's, and those that were not sent from there,
    /// since the start.
    pub fn astray(&self) -> (u64, u64) {
        let made = self.made.get();
        made.map_or((0, 0), |(shared, _)| shared.astray())
    }

    /// A shard's.
    pub fn guest(&self, port: &Port, shard: usize) -> Box<dyn Guest> {
        let (shared, addresses) = self.made.get_or_init(|| self.share(port));
        let second_port = self.config.second_port.clone();
        let guest = TurnGuest::new(shared.clone(), self.held.clone(), addresses.clone(), shard);
        let guest = guest.with_second_port(second_port);
        Box::new(guest.with_shared_port(self.config.shared_port.clone()))
    }

    fn share(&self, port: &Port) -> (Arc<Shared>, Arc<Addresses>) {
        let addresses = Addresses {
            port: port.clone(),
            external: self.config.external_ips.clone(),
            interfaces: Interfaces::new(self.config.interfaces.clone(), port.addresses.clone()),
        };
        let shared = Shared::new(
            self.config.access.clone(),
            self.credentials.clone(),
            Ports::new(self.config.relay_ports.clone()),
            Nonces::new(&rand::random()),
            port.number,
        );
        let second_port = self.config.second_port.as_ref();
        let places = second_port.map(|second| second.places(port.number));
        let shared = shared.discovering(places);
        let shared = shared.carrying_streams(self.config.tcp_relays);
        let shared_port = self.config.shared_port.as_ref();
        let shared = shared.sharing(shared_port.map(SharedPort::number));
        (Arc::new(shared), Arc::new(addresses))
    }
}

/// Where the media port is reached (RFC 7065).
fn urls(addresses: &Addresses, loopback: bool, transports: &[&str]) -> Vec<String> {
    let port = addresses.port.number;
    let offered = addresses.offered(loopback).flat_map(|address| {
        let host = SocketAddr::new(address, port);
        let url = move |transport| format!("turn:{host}?transport={transport}");
        transports.iter().map(url)
    });
    offered.collect()
}

/// Where TURN is reached over TLS: by the certificate's name, which clients compare, and without one by address.
fn sealed_urls(
    port: u16,
    at: Option<IpAddr>,
    name: Option<String>,
    addresses: &Addresses,
    loopback: bool,
) -> Vec<String> {
    if !loopback && at.is_some_and(|at| at.is_loopback()) {
        return Vec::new();
    }
    let hosts: Vec<_> = match (name, at) {
        (Some(name), _) => vec![format!("{name}:{port}")],
        (None, at) => addresses
            .offered_at(at, loopback)
            .map(|address| SocketAddr::new(address, port).to_string())
            .collect(),
    };
    let url = |host| format!("turns:{host}?transport=tcp");
    hosts.into_iter().map(url).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(external: &[&str], listen: &[&str]) -> Addresses {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Addresses {
            port: Port {
                number: 3478,
                addresses: read(listen),
            },
            external: read(external),
            interfaces: Interfaces::default(),
        }
    }

    fn urls_of(external: &[&str], listen: &[&str], loopback: bool) -> Vec<String> {
        urls(&addresses(external, listen), loopback, &["udp", "tcp"])
    }

    #[test]
    fn over_tls_clients_are_told_the_name_they_will_compare_or_the_address() {
        let addresses = addresses(&["203.0.113.7", "2001:db8::7"], &["0.0.0.0", "::"]);
        let told = |at: Option<&str>, name: Option<&str>, loopback| {
            let at = at.map(|at| at.parse().unwrap());
            sealed_urls(5349, at, name.map(str::to_owned), &addresses, loopback)
        };
        let name = Some("call.example");
        let by_name = ["turns:call.example:5349?transport=tcp"];
        assert_eq!(told(None, name, false), by_name);
        assert_eq!(told(Some("192.0.2.1"), name, true), by_name);
        let by_address = [
            "turns:203.0.113.7:5349?transport=tcp",
            "turns:[2001:db8::7]:5349?transport=tcp",
        ];
        assert_eq!(told(None, None, false), by_address);
        assert_eq!(told(Some("::"), None, false), by_address);
        // Open for IPv4 alone.
        assert_eq!(told(Some("0.0.0.0"), None, false), by_address[..1]);
        assert_eq!(told(Some("192.0.2.1"), None, false), by_address[..1]);
        // On this machine what a NAT makes of it is no way.
        let here = ["turns:192.0.2.1:5349?transport=tcp"];
        assert_eq!(told(Some("192.0.2.1"), None, true), here);
        // Nobody else reaches it.
        assert!(told(Some("127.0.0.1"), name, false).is_empty());
        let here = ["turns:127.0.0.1:5349?transport=tcp"];
        assert_eq!(told(Some("127.0.0.1"), None, true), here);
    }

    #[test]
    fn clients_are_told_where_they_reach_the_port() {
        let external = ["203.0.113.7", "2001:db8::7"];
        let both = ["0.0.0.0", "::"];
        let expected = [
            "turn:203.0.113.7:3478?transport=udp",
            "turn:203.0.113.7:3478?transport=tcp",
            "turn:[2001:db8::7]:3478?transport=udp",
            "turn:[2001:db8::7]:3478?transport=tcp",
        ];
        assert_eq!(urls_of(&external, &both, false), expected);
        assert_eq!(urls_of(&external, &["0.0.0.0"], false), expected[..2]);
        assert!(urls_of(&[], &["127.0.0.1"], false).is_empty());
        let here = urls_of(&external, &["127.0.0.1"], true);
        assert_eq!(here[0], "turn:127.0.0.1:3478?transport=udp");
    }
}
