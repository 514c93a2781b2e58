//! Whether the ports of the settings can be had, and if not, whether it is a server like this one that has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::Type;

use super::relaying::is_ferrite;
use crate::config::Config;
use crate::media::net::sockets::{PortError, try_bind_kind};

/// Who has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody.
    Free,
    /// A server like this one.
    Running,
    /// Somebody else.
    Taken,
}

/// What was found.
pub(super) struct Ports {
    pub(super) found: Found,
    pub(super) asked: Vec<Asked>,
}

/// Whether a port can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// It was, for a moment.
    Free,
    /// The system chooses one.
    Any,
    /// Another process has it.
    Taken,
    /// It cannot, for another reason.
    Refused(String),
}

/// A port of the settings.
pub(super) struct Asked {
    /// The setting that asks for it.
    pub(super) flag: &'static str,
    /// What is spoken there.
    pub(super) transport: &'static str,
    pub(super) at: SocketAddr,
    pub(super) bound: Bound,
}

/// Looks.
pub(super) async fn look(config: &Config) -> Ports {
    let asked = ports(config);
    let found = match asked.iter().any(|port| port.bound == Bound::Taken) {
        false => Found::Free,
        true if is_ours(config).await => Found::Running,
        true => Found::Taken,
    };
    Ports { found, asked }
}

/// A port that another program shares with us would be no sign; ours is known by what it says.
async fn is_ours(config: &Config) -> bool {
    let at = everywhere(&config.media.listen)[0];
    let near: IpAddr = match at {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => at,
    };
    config.media.port != 0 && is_ferrite(SocketAddr::new(near, config.media.port)).await
}

fn ports(config: &Config) -> Vec<Asked> {
    let (http, media) = (config.http.listen, config.media.port);
    let everywhere = everywhere(&config.media.listen);
    let mut asked = vec![
        ask("--listen", "TCP", &[http.ip()], http.port()),
        ask("--media-port", "UDP", &everywhere, media),
        ask("--media-port", "TCP", &everywhere, media),
    ];
    let turns = config.turn.turns_port;
    for transport in ["TCP", "UDP"] {
        asked.extend(turns.map(|port| ask("--turns-port", transport, &everywhere, port)));
    }
    asked
}

fn everywhere(listen: &[IpAddr]) -> Vec<IpAddr> {
    match listen.is_empty() {
        true => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        false => listen.to_vec(),
    }
}

/// The worst of all addresses. A machine without IPv6 has none of its ports, and needs none.
fn ask(flag: &'static str, transport: &'static str, at: &[IpAddr], port: u16) -> Asked {
    let tried = at.iter().map(|ip| {
        let at = SocketAddr::new(*ip, port);
        (at, try_bind(transport, at))
    });
    let is_bad = |(at, bound): &(SocketAddr, Bound)| match bound {
        Bound::Free | Bound::Any => false,
        Bound::Taken => true,
        Bound::Refused(_) => at.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let tried: Vec<_> = tried.collect();
    let worst = tried.iter().find(|tried| is_bad(tried)).or(tried.first());
    let any = (SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Bound::Any);
    let (at, bound) = worst.cloned().unwrap_or(any);
    Asked {
        flag,
        transport,
        at,
        bound,
    }
}

fn try_bind(transport: &'static str, at: SocketAddr) -> Bound {
    let kind = match transport {
        "UDP" => Type::DGRAM,
        _ => Type::STREAM,
    };
    match try_bind_kind(transport, at, kind) {
        Ok(_) if at.port() == 0 => Bound::Any,
        Ok(_) => Bound::Free,
        Err(PortError::InUse { .. }) => Bound::Taken,
        Err(PortError::Bind { source, .. }) => Bound::Refused(source.to_string()),
    }
}
