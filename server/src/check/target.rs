//! The server that is tested: where it says it is, and who may have a relay of it for a moment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;

use super::dtls::over_dtls;
use super::relaying::{User, relay};
use super::report::Row;
use super::sealed::shake_hands;
use super::{front, verdicts};
use crate::asking;
use crate::clock::unix_time;
use crate::config::Config;
use crate::media::net::candidates::{Interfaces, offered, usable};
use crate::media::net::sockets::Port;
use crate::server::{Security, Server};
use crate::turn::access::Access;
use crate::turn::account::Reach;
use crate::turn::credentials::{Issued, SharedSecret, time_limited};

/// How long credentials for the test are good.
const SECONDS: u64 = 60;

/// A server, and where it is.
pub struct Target {
    http: SocketAddr,
    has_tls: bool,
    /// Where media is offered.
    media: Vec<SocketAddr>,
    /// Those of them that a NAT gives.
    external: Vec<IpAddr>,
    turns: Vec<SocketAddr>,
    /// Where it is spoken over DTLS, too.
    dtls: Vec<SocketAddr>,
    relay: Relaying,
}

/// How a relay is had.
struct Relaying {
    at: SocketAddr,
    user: Option<User>,
    /// Where a peer may be.
    peer: Option<IpAddr>,
    /// Ends what it was used for.
    _issued: Option<Issued>,
}

impl Target {
    /// One of this process.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        let config = server.config();
        let port = port(config, server.media_port());
        let at = SocketAddr::new(near(&port.addresses), port.number);
        let issued = server.credentials().issue_for(Reach::Only(at.ip()));
        let login = issued.until(unix_time() + SECONDS);
        let user = User {
            name: login.username,
            password: login.password,
        };
        let relay = Relaying {
            at,
            user: Some(user),
            peer: Some(at.ip()),
            _issued: Some(issued),
        };
        let has_tls = *server.security() != Security::None;
        let (media, turns) = (server.media_addresses(), server.turns_port());
        let external = server.external().all();
        Self::new(
            external,
            server.addr(),
            has_tls,
            (port.number, media),
            turns,
            relay,
        )
    }

    /// One that runs elsewhere, with these settings.
    pub(super) fn running(config: &Config) -> Self {
        let port = port(config, config.media.port);
        let own = Interfaces::new(config.media.interfaces.clone(), port.addresses.clone())
            .told(Instant::now());
        let external = config.media.literal_ips();
        let media = offered(&port, &external, &own);
        let access = Access {
            allow: config.turn.allow.clone(),
            deny: config.turn.deny.clone(),
        };
        let peer = near(&port.addresses);
        let relay = Relaying {
            at: SocketAddr::new(peer, port.number),
            user: config.turn.secrets().into_iter().next().map(user_of),
            peer: Some(peer).filter(|peer| access.allows(*peer)),
            _issued: None,
        };
        let has_tls = config.tls.cert.is_some() || config.tls.made.is_some();
        let turns = config.turn.turns_port.filter(|port| *port != 0);
        Self::new(
            external,
            config.http.listen,
            has_tls,
            (port.number, media),
            turns,
            relay,
        )
    }

    fn new(
        external: Vec<IpAddr>,
        http: SocketAddr,
        has_tls: bool,
        (port, addresses): (u16, Vec<IpAddr>),
        turns: Option<u16>,
        relay: Relaying,
    ) -> Self {
        let addresses = told(&addresses, &external);
        let at = |port| addresses.iter().map(move |ip| SocketAddr::new(*ip, port));
        let http = SocketAddr::new(near(&[http.ip()]), http.port());
        let sealed = match turns {
            Some(port) => at(port).collect(),
            None => vec![http],
        };
        Self {
            http,
            has_tls,
            media: at(port).collect(),
            external,
            dtls: match turns {
                Some(_) if has_tls => sealed.clone(),
                Some(_) | None => Vec::new(),
            },
            turns: if has_tls { sealed } else { Vec::new() },
            relay,
        }
    }

    /// Asks for all of it, at once.
    pub async fn test(&self) -> Vec<Row> {
        let is_external = |at: &SocketAddr| self.external.contains(&at.ip());
        let udp = self
            .media
            .iter()
            .map(async |at| verdicts::udp(*at, is_external(at), &asking::over_udp(*at).await));
        let tcp = self
            .media
            .iter()
            .map(async |at| verdicts::tcp(*at, is_external(at), &asking::over_tcp(*at).await));
        let turns = self.turns.iter().map(|at| self.turns(*at));
        let dtls = self
            .dtls
            .iter()
            .map(async |at| verdicts::dtls(*at, is_external(at), &over_dtls(*at).await));
        let (front, udp, tcp, turns, dtls, relay) = tokio::join!(
            self.front(),
            join_all(udp),
            join_all(tcp),
            join_all(turns),
            join_all(dtls),
            self.relay()
        );
        let mut rows = front;
        rows.extend(udp);
        rows.extend(tcp);
        rows.extend(turns);
        rows.extend(dtls);
        if self.turns.is_empty() {
            rows.push(verdicts::no_turns());
        }
        rows.extend(relay);
        rows
    }

    /// The front door, and the certificate that is shown there.
    async fn front(&self) -> Vec<Row> {
        let at = self.http;
        if !self.has_tls {
            let answered = front::knock(at).await;
            return vec![verdicts::http(at, &answered), verdicts::no_tls()];
        }
        match shake_hands(at).await {
            Ok((stream, shown)) => {
                let answered = front::knock_on(stream, at).await;
                let reached: Vec<_> = self.media.iter().map(SocketAddr::ip).collect();
                let now = unix(SystemTime::now());
                vec![
                    verdicts::http(at, &answered),
                    verdicts::certificate(at, &shown, now, &reached),
                ]
            }
            Err(failure) => vec![verdicts::no_handshake("tls", at, false, &failure)],
        }
    }

    async fn turns(&self, at: SocketAddr) -> Row {
        let is_external = self.external.contains(&at.ip());
        match shake_hands(at).await {
            Ok((mut stream, _)) => {
                let answered = asking::over_stream(&mut stream).await;
                verdicts::turns(at, is_external, &answered)
            }
            Err(failure) => verdicts::no_handshake("turns", at, is_external, &failure),
        }
    }

    async fn relay(&self) -> Vec<Row> {
        let Relaying { at, user, peer, .. } = &self.relay;
        match user {
            Some(user) => verdicts::relayed(*at, &relay(*at, user, *peer).await),
            None => verdicts::no_user(),
        }
    }
}

/// The addresses that clients on other machines are told; where there is none, those that clients on this one are.
fn told(addresses: &[IpAddr], external: &[IpAddr]) -> Vec<IpAddr> {
    let mut told = usable(addresses, &[], true);
    let is_away = |address: &IpAddr| !address.is_loopback() || external.contains(address);
    if told.iter().any(is_away) {
        told.retain(is_away);
    }
    told
}

/// Where the media port is open, as the settings have it.
fn port(config: &Config, number: u16) -> Port {
    let mut addresses = config.media.listen.clone();
    if addresses.is_empty() {
        addresses = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    }
    Port { number, addresses }
}

/// Where somebody on this machine reaches what listens at one of these.
fn near(listen: &[IpAddr]) -> IpAddr {
    match listen.first() {
        Some(IpAddr::V4(ip)) if !ip.is_unspecified() => (*ip).into(),
        Some(IpAddr::V6(ip)) if !ip.is_unspecified() => (*ip).into(),
        Some(IpAddr::V4(_)) | None => Ipv4Addr::LOCALHOST.into(),
        Some(IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Whoever shares a secret with the server makes credentials.
fn user_of(secret: String) -> User {
    let name = format!("{}:ferrite-check", unix(SystemTime::now()) + SECONDS);
    User {
        password: time_limited(&SharedSecret(secret), &name),
        name,
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_others_are_told_is_asked_and_loopback_only_where_nothing_else_is() {
        let all = ips(&["127.0.0.1", "::1", "192.0.2.1", "fe80::1", "2001:db8::1"]);
        assert_eq!(told(&all, &[]), ips(&["2001:db8::1", "192.0.2.1"]));
        let here = ips(&["127.0.0.1", "::1"]);
        assert_eq!(told(&here, &[]), ips(&["::1", "127.0.0.1"]));
        // Somebody wants it to be told.
        assert_eq!(told(&here, &ips(&["127.0.0.1"])), ips(&["127.0.0.1"]));
    }

    #[test]
    fn what_listens_everywhere_is_near() {
        assert_eq!(near(&ips(&["0.0.0.0", "::"])), ips(&["127.0.0.1"])[0]);
        assert_eq!(near(&ips(&["::"])), ips(&["::1"])[0]);
        assert_eq!(near(&ips(&["192.0.2.1"])), ips(&["192.0.2.1"])[0]);
    }
}
