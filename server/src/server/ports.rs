//! The ports that the settings name: opens those that are the server's own, and says of everything that is in the way of a
//! start what to do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use socket2::Type;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::ledger::DataError;
use crate::media::net::sockets::{Port, TRIES, open_listener, try_bind_kind};
use crate::media::{MediaError, PortError};
use crate::tls::TlsError;
use crate::turn::second_port::SecondPort;
use crate::turn::shared_port::SharedPort;

/// Why the server did not start. Each is one line that says what to do.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port is taken.
    #[error("{flag}: {what} port {port} is in use; stop what uses it, or choose another port")]
    InUse {
        /// The setting that asks for it.
        flag: &'static str,
        /// `TCP` or `UDP`.
        what: &'static str,
        /// The port asked for.
        port: u16,
    },
    /// An address is another machine's.
    #[error("{flag}: this machine has no address {addr}; 0.0.0.0 stands for all it has")]
    NotOurs {
        /// The setting that asks for it.
        flag: &'static str,
        /// The address asked for.
        addr: IpAddr,
    },
    /// An address cannot be had for another reason.
    #[error("{flag}: {addr} cannot be opened: {source}")]
    Listen {
        /// The setting that asks for it.
        flag: &'static str,
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No STUN server is known that could say where this machine is.
    #[error(
        "--external-ip: auto asks STUN servers; name one, such as --ice-servers '{{\"urls\": \"stun:HOST:3478\"}}'"
    )]
    NobodyToAsk,
    /// No TURN server is known that could give a relayed address.
    #[error(
        "--relayed-candidate: always asks a TURN server; name one, such as --ice-servers '{{\"urls\": \
         \"turn:HOST:3478\", \"username\": \"NAME\", \"credential\": \"PASSWORD\"}}'"
    )]
    NobodyToRelay,
    /// Clients cannot find out about their NATs at two addresses where media is received at one.
    #[error(
        "--nat-discovery: media has to be received at both addresses; leave --media-listen out"
    )]
    NotAtBoth,
    /// What clients find out about their NATs by has the port of TURN over DTLS.
    #[error(
        "--nat-discovery-port: UDP port {0} is that of --turns-port, too; choose another for either"
    )]
    NotForBoth(u16),
    /// TLS cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The media plane did not start.
    #[error("{}", advice(.0))]
    Media(#[from] MediaError),
    /// Traces cannot be written.
    #[error("--trace: {} cannot be used: {source}", .directory.display())]
    Traces {
        /// The directory asked for.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("--data: {0}")]
    Data(#[from] DataError),
}

/// The port that all relays of datagrams share, if they do.
pub(super) fn open_shared_port(config: &Config) -> Result<Option<SharedPort>, StartError> {
    const FLAG: &str = "--relay-port-shared";
    let Some(port) = config.turn.relay_port_shared else {
        return Ok(None);
    };
    let opened = SharedPort::open(&config.media.listen, port);
    opened.map(Some).map_err(|(addr, source)| {
        if source.kind() != io::ErrorKind::AddrInUse {
            return refusal(FLAG, addr, source);
        }
        StartError::InUse {
            flag: FLAG,
            what: "UDP",
            port,
        }
    })
}

/// The second port of NAT behaviour discovery, if there is to be any.
pub(super) fn open_second_port(config: &Config) -> Result<Option<SecondPort>, StartError> {
    let &[first, second] = &config.turn.nat_discovery[..] else {
        return Ok(None);
    };
    let mut limited = config.media.listen.iter();
    if limited.any(|at| at.is_ipv4() == first.is_ipv4() && !at.is_unspecified()) {
        return Err(StartError::NotAtBoth);
    }
    let opened = SecondPort::open([first, second], config.turn.nat_discovery_port);
    let refused = |(addr, source): (SocketAddr, io::Error)| match source.kind()
        == io::ErrorKind::AddrNotAvailable
    {
        true => refusal("--nat-discovery", addr, source),
        false => StartError::Listen {
            flag: "--nat-discovery-port",
            addr,
            source,
        },
    };
    opened.map(Some).map_err(refused)
}

/// That of HTTP.
pub(super) async fn listen(asked: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(asked).await;
    bound(listener).map_err(|source| refusal("--listen", asked, source))
}

/// The listeners of `--turns-port`, and where its UDP port is free, too.
pub(super) fn listen_for_turns(
    config: &Config,
    has_tls: bool,
) -> Result<(Vec<TcpListener>, Option<Port>), StartError> {
    let Some(port) = config.turn.turns_port else {
        return Ok((Vec::new(), None));
    };
    if !has_tls {
        return Err(TlsError::Needed.into());
    }
    let has_another = !config.turn.nat_discovery.is_empty();
    if has_another && port != 0 && port == config.turn.nat_discovery_port {
        return Err(StartError::NotForBoth(port));
    }
    for _ in 1..TRIES {
        match listen_for_turns_at(port, config) {
            // Free for some, but not for all: any other will do as well.
            Err(StartError::InUse { .. }) if port == 0 => {}
            listening => return listening,
        }
    }
    listen_for_turns_at(port, config)
}

fn listen_for_turns_at(
    mut number: u16,
    config: &Config,
) -> Result<(Vec<TcpListener>, Option<Port>), StartError> {
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    let mut listen = |ip| {
        let asked = SocketAddr::new(ip, number);
        let listener = open_listener(asked).and_then(TcpListener::from_std);
        let (listener, addr) =
            bound(listener).map_err(|source| refusal("--turns-port", asked, source))?;
        try_bind_kind("UDP", addr, Type::DGRAM).map_err(|error| match error {
            PortError::InUse { what, port } => StartError::InUse {
                flag: "--turns-port",
                what,
                port,
            },
            PortError::Bind { source, .. } => refusal("--turns-port", addr, source),
        })?;
        number = addr.port();
        listeners.push(listener);
        addresses.push(ip);
        Ok(())
    };
    config
        .media
        .listen
        .iter()
        .copied()
        .try_for_each(&mut listen)?;
    if config.media.listen.is_empty() {
        listen(Ipv4Addr::UNSPECIFIED.into())?;
        match listen(Ipv6Addr::UNSPECIFIED.into()) {
            Ok(()) => {}
            Err(taken @ StartError::InUse { .. }) => return Err(taken),
            Err(error) => tracing::debug!(%error, "no IPv6"),
        }
    }
    Ok((listeners, Some(Port { number, addresses })))
}

fn bound(listener: io::Result<TcpListener>) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = listener?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// What the media plane says, and which setting helps.
fn advice(error: &MediaError) -> String {
    match error {
        MediaError::Port(PortError::InUse { .. }) => {
            format!("--media-port: {error}; choose another port, or 0 for any that is free")
        }
        MediaError::Port(PortError::Bind { source, .. })
            if source.kind() == io::ErrorKind::AddrNotAvailable =>
        {
            format!("--media-listen: {error}")
        }
        MediaError::Port(PortError::Bind { .. }) => format!("--media-port: {error}"),
        // Every thread has sockets of its own on the port.
        MediaError::Bind { .. } => format!("--shards: {error}"),
        MediaError::BindDtls { .. } => format!("--turns-port: {error}"),
        MediaError::Thread(_) => format!("--shards: {error}"),
        MediaError::Certificate(_) => error.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "std's enum, which may grow")]
fn refusal(flag: &'static str, asked: SocketAddr, source: io::Error) -> StartError {
    let (addr, port) = (asked.ip(), asked.port());
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::InUse {
            flag,
            what: "TCP",
            port,
        },
        io::ErrorKind::AddrNotAvailable => StartError::NotOurs { flag, addr },
        _ => StartError::Listen {
            flag,
            addr: asked,
            source,
        },
    }
}
