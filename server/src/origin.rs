//! Which web pages may open a session: the server's own, and those the configuration names.
//!
//! Browsers send an `Origin` with every WebSocket (RFC 6455 §10.2) and let any page open one to
//! any server, so this is what keeps a stranger's page from speaking for its visitor. Programs
//! that are no browsers send none, and could send any: they are let in.

use std::fmt;
use std::str::FromStr;

/// A web origin (RFC 6454): scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One entry of the configuration's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Every page, wherever it comes from.
    Any,
    /// The pages of one origin.
    One(Origin),
}

impl FromStr for Origin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, authority) = text.split_once("://").ok_or(())?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(()),
        };
        let (host, port) = host_and_port(authority, scheme.default_port()).ok_or(())?;
        Ok(Self { scheme, host, port })
    }
}

impl FromStr for AllowedOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "*" => Ok(Self::Any),
            origin => origin.parse().map(Self::One).map_err(|()| hint(origin)),
        }
    }
}

/// What to write instead.
fn hint(text: &str) -> &'static str {
    // As it is copied from a browser.
    match text.strip_suffix('/').map(str::parse::<Origin>) {
        Some(Ok(_)) => "remove the slash at the end",
        Some(Err(())) | None => "give an origin such as https://app.example.com, without a path",
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(Origin { scheme, host, port }) => {
                write!(f, "{}://{host}:{port}", scheme.name())
            }
        }
    }
}

/// Whether a page may open a session: its `Origin`, and the `Host` it asked for.
#[must_use]
pub fn may_connect(origin: Option<&str>, host: Option<&str>, allowed: &[AllowedOrigin]) -> bool {
    let Some(origin) = origin else {
        return true;
    };
    if allowed.contains(&AllowedOrigin::Any) {
        return true;
    }
    // `null`, and the schemes of browser extensions, are nobody's origin.
    let Ok(origin) = origin.parse::<Origin>() else {
        return false;
    };
    let own = host.is_some_and(|host| origin.is_served_at(host));
    own || allowed.contains(&AllowedOrigin::One(origin))
}

impl Origin {
    /// The scheme is not compared: a proxy in front of the server may add the TLS.
    fn is_served_at(&self, host: &str) -> bool {
        host_and_port(host, self.scheme.default_port())
            .is_some_and(|(host, port)| host == self.host && port == self.port)
    }
}

/// Splits `host[:port]`, where the host may be an IPv6 address in brackets.
fn host_and_port(authority: &str, default_port: u16) -> Option<(String, u16)> {
    let end_of_host = authority.find(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end_of_host..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(end_of_host + colon);
            (host, port[1..].parse().ok()?)
        }
        None => (authority, default_port),
    };
    is_host(host).then(|| (host.to_ascii_lowercase(), port))
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(plain),
    }
}

/// Whether a `Host` header is a host and maybe a port, and nothing that could break out of where
/// it is put.
#[must_use]
pub fn is_sane_host(host: &str) -> bool {
    host_and_port(host, 0).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &[&str]) -> Vec<AllowedOrigin> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_page_of_this_server_may_connect() {
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("http://LocalHost:8080", "localhost:8080"),
            ("https://call.example", "call.example"),
            ("https://call.example", "call.example:443"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]"),
        ] {
            assert!(may_connect(Some(origin), Some(host), &[]), "{origin}");
        }
    }

    #[test]
    fn a_page_of_another_server_may_not() {
        for (origin, host) in [
            ("http://evil.example", "localhost:8080"),
            ("http://localhost:8081", "localhost:8080"),
            ("http://localhost", "localhost:8080"),
            ("https://call.example", "call.example:80"),
            ("https://call.example.evil.example", "call.example"),
            ("https://call.example/", "call.example"),
            ("https://user@call.example", "call.example"),
            ("null", "call.example"),
            ("", "call.example"),
            ("chrome-extension://call.example", "call.example"),
        ] {
            assert!(!may_connect(Some(origin), Some(host), &[]), "{origin}");
        }
        assert!(!may_connect(Some("http://a.example"), None, &[]));
    }

    #[test]
    fn the_list_lets_others_in() {
        let list = allowed(&["https://app.example", "http://b.example:81"]);
        let may = |origin| may_connect(Some(origin), Some("call.example"), &list);
        assert!(may("https://app.example"));
        assert!(may("https://app.example:443"));
        assert!(may("http://b.example:81"));
        assert!(may("https://call.example"));
        assert!(!may("http://app.example"));
        assert!(!may("http://b.example"));
    }

    #[test]
    fn a_star_lets_everybody_in() {
        let list = allowed(&["*"]);
        assert!(may_connect(Some("https://app.example"), None, &list));
        assert!(may_connect(Some("null"), None, &list));
    }

    #[test]
    fn a_program_without_an_origin_may_connect() {
        assert!(may_connect(None, Some("call.example"), &[]));
    }

    #[test]
    fn a_list_entry_is_an_origin() {
        for (text, hint) in [
            ("app.example", "such as"),
            ("https://app.example/path", "without a path"),
            ("https://app.example/path/", "without a path"),
            ("https://app.example/", "remove the slash"),
            ("ftp://a", "such as"),
            ("", "such as"),
        ] {
            let refused = text.parse::<AllowedOrigin>().unwrap_err();
            assert!(refused.contains(hint), "{text}: {refused}");
        }
    }
}
