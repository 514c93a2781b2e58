//! The STUN and TURN servers that browsers are told of beside ours: those of the settings, and those that their provider
//! names. Each URL is asked as a browser would: for an address, or for a relay and a packet by it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ferrite_protocol::IceServer;
use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::line::Line;
use super::relaying::{Given, User, come_by};
use crate::asking::{Failure, PATIENCE, connect, over_stream, over_udp};
use crate::external::relayed::{Over, TURNS_PORT, has_route, turn_host};
use crate::external::{STUN_PORT, host_and_port};
use crate::tls::trusting;

/// What a server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Our address, after so long.
    Address(Duration),
    /// A relay.
    Relay(Given),
}

/// Why it gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Over DTLS, which browsers do not speak with such servers.
    Unasked,
    /// Its name leads nowhere.
    Nowhere(String),
    /// Nobody says in time where its name leads.
    Unsaid,
    /// This machine trusts nobody who could vouch for it.
    NoTrust,
    /// Its certificate is for others: for these, as far as it says.
    Name(Vec<String>),
    /// Its certificate is not good any more, or not yet.
    Expired,
    /// Nobody who is trusted vouches for it.
    Issuer,
    /// What is spoken there failed.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A URL that was asked. One without anything that it is asked over is one over DTLS.
pub(super) struct Tried<'u> {
    pub(super) url: &'u str,
    pub(super) over: Option<Over>,
    pub(super) found: Result<Answer, Trouble>,
}

/// Asks all of them at once.
pub(super) async fn ask(servers: &[IceServer]) -> Vec<Tried<'_>> {
    let urls = || (servers.iter()).flat_map(|it| it.urls.iter().map(move |url| (url, it)));
    let needs_tls = |url: &str| Place::read(url).is_some_and(|place| place.over == Over::Tls);
    let trusted = match urls().any(|(url, _)| needs_tls(url)) {
        true => trusting().await,
        false => None,
    };
    let tried = urls().map(async |(url, server)| {
        let place = Place::read(url);
        let user = User {
            name: server.username.clone().unwrap_or_default(),
            password: server.credential.clone().unwrap_or_default(),
        };
        let found = match &place {
            Some(place) => place.ask(&user, trusted.as_ref()).await,
            None => Err(Trouble::Unasked),
        };
        let over = place.map(|place| place.over);
        Tried { url, over, found }
    });
    join_all(tried).await
}

/// A URL (RFC 7064 §3.1, RFC 7065 §3.1).
struct Place {
    is_turn: bool,
    over: Over,
    host: String,
    port: u16,
}

impl Place {
    fn read(url: &str) -> Option<Self> {
        let of = |is_turn, over, (host, port)| Self {
            is_turn,
            over,
            host,
            port,
        };
        if let Some((over, host, port)) = turn_host(url) {
            return Some(of(true, over, (host, port)));
        }
        let (scheme, rest) = url.split_once(':')?;
        match scheme {
            "stun" => Some(of(false, Over::Udp, host_and_port(rest, STUN_PORT)?)),
            "stuns" => Some(of(false, Over::Tls, host_and_port(rest, TURNS_PORT)?)),
            _ => None,
        }
    }

    async fn ask(
        &self,
        user: &User,
        trusted: Option<&Arc<ClientConfig>>,
    ) -> Result<Answer, Trouble> {
        let at = self.locate().await?;
        let line = match (self.over, self.is_turn) {
            (Over::Udp, false) => return Ok(Answer::Address(over_udp(at).await?)),
            (Over::Udp, true) => Line::datagrams(at).await?,
            (Over::Tcp, _) => Line::stream(connect(at).await?),
            (Over::Tls, is_turn) => {
                let mut stream = self.shake_hands(at, trusted).await?;
                if !is_turn {
                    return Ok(Answer::Address(over_stream(&mut stream).await?));
                }
                Line::stream(stream)
            }
        };
        let given = come_by(line, at.is_ipv6(), user).await?;
        Ok(Answer::Relay(given))
    }

    /// An address to which a way leads, and of IPv4 before one of IPv6, as the server asks for its own relay.
    async fn locate(&self) -> Result<SocketAddr, Trouble> {
        let looking = timeout(PATIENCE, lookup_host((&*self.host, self.port))).await;
        let found = looking.map_err(|_| Trouble::Unsaid)?;
        let found = found.map_err(|error| Trouble::Nowhere(error.to_string()))?;
        let best = found.min_by_key(|at| (!has_route(*at), at.is_ipv6()));
        best.ok_or_else(|| Trouble::Nowhere("it has no address".to_owned()))
    }

    async fn shake_hands(
        &self,
        at: SocketAddr,
        trusted: Option<&Arc<ClientConfig>>,
    ) -> Result<TlsStream<TcpStream>, Trouble> {
        let trusted = trusted.ok_or(Trouble::NoTrust)?;
        let name = ServerName::try_from(self.host.clone());
        let name = name.map_err(|error| Trouble::Nowhere(error.to_string()))?;
        let stream = connect(at).await?;
        let shaking = TlsConnector::from(trusted.clone()).connect(name, stream);
        let shaken = timeout(PATIENCE, shaking).await;
        let shaken = shaken.map_err(|_| Failure::Silent)?;
        shaken.map_err(|error| refused(&error).unwrap_or_else(|| Failure::from(error).into()))
    }
}

/// What is wrong with the certificate, if that is it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's enum, which may grow"
)]
fn refused(error: &io::Error) -> Option<Trouble> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(why) = error else {
        return None;
    };
    Some(match why {
        CertificateError::NotValidForName => Trouble::Name(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            Trouble::Name(presented.iter().map(|name| bare(name)).collect())
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Trouble::Expired,
        // Of one who has the name of somebody who is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Trouble::Issuer,
        other => Failure::Broken(format!("its certificate is not taken: {other}")).into(),
    })
}

/// A name without the sort of name, in which the library wraps it.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_are_told_bare() {
        assert_eq!(bare(r#"DnsName("a.example")"#), "a.example");
        assert_eq!(bare("IpAddress(192.0.2.1)"), "192.0.2.1");
    }

    #[test]
    fn urls_are_read_as_browsers_read_them() {
        let read = |url| {
            let place = Place::read(url)?;
            Some((place.is_turn, place.over, place.host, place.port))
        };
        for (url, expected) in [
            ("stun:a", Some((false, Over::Udp, "a", 3478))),
            ("stun:a:80", Some((false, Over::Udp, "a", 80))),
            ("stuns:a", Some((false, Over::Tls, "a", 5349))),
            ("turn:[::1]:80", Some((true, Over::Udp, "::1", 80))),
            ("turn:a?transport=tcp", Some((true, Over::Tcp, "a", 3478))),
            (
                "turns:a:443?transport=tcp",
                Some((true, Over::Tls, "a", 443)),
            ),
            ("turns:a?transport=udp", None),
        ] {
            let expected =
                expected.map(|(turn, over, host, port)| (turn, over, host.to_owned(), port));
            assert_eq!(read(url), expected, "{url}");
        }
    }
}
