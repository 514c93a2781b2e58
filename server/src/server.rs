//! The whole server as one value: started once, stopped once, in order.

mod ports;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::IceServer;
use futures_util::future::OptionFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Limits, MadeCertificate, TcpRelays};
use crate::external::{self, External, relayed};
use crate::http::serve::{Ports, serve};
use crate::http::{self, App, TurnApi};
use crate::ledger::{DataError, Ledger};
use crate::media::ceilings::Ceilings;
use crate::media::net::candidates::Interfaces;
use crate::media::net::relayed::permissions::Admission;
use crate::media::net::sockets::Port;
use crate::media::plane::DtlsPort;
use crate::media::{MediaConfig, MediaError, MediaPlane};
use crate::provider::{self, Follower};
use crate::room::Rooms;
use crate::signalling::Signalling;
use crate::tls::{Tls, TlsError};
use crate::traces::Traces;
use crate::turn::access::Access;
use crate::turn::bandwidth::Bandwidth;
use crate::turn::credentials::{Credentials, SharedSecret};
use crate::turn::start::{TurnConfig, TurnServers, Turns};
use crate::webhook;

pub use self::ports::StartError;

use self::ports::{listen, listen_for_turns, open_second_port, open_shared_port};

/// How long clients have to hear that the server goes away. With the rest of a shutdown it stays
/// within two seconds.
const FAREWELL: Duration = Duration::from_millis(1000);

/// A running server.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    external: External,
    addr: SocketAddr,
    security: Security,
    turns_port: Option<u16>,
    media: MediaPlane,
    turn: Arc<TurnServers>,
    signalling: Arc<Signalling>,
    ledger: Option<Arc<Ledger>>,
    traces: Option<Arc<Traces>>,
    http: JoinHandle<()>,
    stop_http: CancellationToken,
}

/// How HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// As it is.
    None,
    /// Over TLS, with a certificate of the settings.
    Certificate,
    /// Over TLS, with a certificate that was made at the start.
    SelfSigned {
        /// Its SHA-256, as browsers show it.
        sha256: String,
        /// Its addresses, which are this machine's.
        addresses: Vec<IpAddr>,
    },
}

impl Server {
    /// Opens the ports and starts serving.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let (others, external) = Others::find(&config).await?;
        let (tls, security) = secure(&config, &external)?;
        let (listener, addr) = listen(config.http.listen).await?;
        let (turns_listeners, turns_port) = listen_for_turns(&config, tls.is_some())?;
        let turns = tls.as_ref().map(|tls| Turns {
            port: turns_port.as_ref().map_or(addr.port(), |port| port.number),
            at: turns_port.is_none().then(|| addr.ip()),
            certificates: tls.certificates.clone(),
        });
        let dtls = dtls_port(tls.as_ref(), turns_port.clone());
        let turn_config = turn_config(&config, &external, turns, others.known.clone())?;
        let turn = Arc::new(TurnServers::new(turn_config));
        let ledger = open_ledger(&config, &turn)?;
        let traces = open_traces(&config)?;
        let admission = others.give_an_address.then(|| relayed::admission(&config));
        let media_config = media_config(&config, &external, dtls, admission);
        let media =
            MediaPlane::start_with(media_config, |port, shard| Some(turn.guest(port, shard)))?;
        let signalling = Arc::new(Signalling::new(
            config.clone(),
            media.clone(),
            turn.clone(),
            traces.clone(),
        ));
        let stop_http = CancellationToken::new();
        let keys = config.turn.api_keys();
        let with_keys = ledger.clone().filter(|_| !keys.is_empty());
        let turn_api = with_keys.map(|ledger| TurnApi::new(&keys, ledger, turn.clone()));
        let app = App::new(config.clone(), signalling.clone());
        let router = http::router(app, turn_api);
        let ports = Ports {
            listen: listener,
            turns: turns_listeners,
            tls: tls.as_ref().map(|tls| tls.config.clone().into()),
        };
        let (stop, served) = (stop_http.clone(), config.clone());
        let serving = serve(ports, router, media.clone(), served, stop);
        let others = others.look_after(media.clone(), stop_http.clone());
        let http = look_after(serving, others, tls, ledger.clone(), &stop_http);
        Ok(Self {
            config,
            external,
            addr,
            security,
            turns_port: turns_port.map(|port| port.number),
            media,
            turn,
            signalling,
            ledger,
            traces,
            http,
            stop_http,
        })
    }

    /// The address HTTP is served at, with the port that was chosen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL: `http` or `https`, and [`Self::addr`].
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match self.security {
            Security::None => "http",
            Security::Certificate | Security::SelfSigned { .. } => "https",
        };
        format!("{scheme}://{}", self.addr)
    }

    /// Whether that is HTTPS, and with what certificate.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// All rooms: to see who is in them, to remove or mute somebody, and to end one. It can be kept and
    /// used anywhere.
    #[must_use]
    pub fn rooms(&self) -> &Arc<Rooms> {
        self.signalling.rooms()
    }

    /// The UDP port of all media.
    #[must_use]
    pub fn media_port(&self) -> u16 {
        self.media.port()
    }

    /// The port of TURN over TLS and DTLS, where it has one of its own.
    #[must_use]
    pub fn turns_port(&self) -> Option<u16> {
        self.turns_port
    }

    /// What it was started with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What a NAT makes of this machine's addresses.
    pub(crate) fn external(&self) -> &External {
        &self.external
    }

    /// The addresses at which media is offered.
    pub(crate) fn media_addresses(&self) -> Vec<IpAddr> {
        self.media.addresses()
    }

    /// Who may have a relay.
    pub(crate) fn credentials(&self) -> &Arc<Credentials> {
        self.turn.credentials()
    }

    /// Logs how many of everything the server holds, and what it lost.
    pub async fn log_holdings(&self) {
        let (held, media) = (self.signalling.holdings(), self.media.holdings().await);
        let (unowned, unclaimed) = self.turn.astray();
        tracing::info!(
            websockets = held.websockets,
            sessions = held.sessions,
            resumable = held.resumable,
            addresses = held.addresses,
            rooms = held.rooms,
            peers = media.peers,
            ufrags = media.ufrags,
            listeners = media.listeners,
            housed = media.housed,
            paths = media.paths,
            timers = media.timers,
            tracks = media.tracks,
            connections = media.connections,
            relays = media.relays,
            waited = media.waited,
            longest_wait_ms = media.longest_wait.as_millis() as u64,
            tasks = Handle::current().metrics().num_alive_tasks(),
            "holding"
        );
        // Datagrams that the kernel did not take, its buffers full or a path gone; media that did not cross to
        // another thread, which was busy; bytes that were more than a credential may relay; and datagrams at the
        // port that relays share that were nobody's, and that none of them may send.
        tracing::info!(
            unsent = self.media.dropped(),
            uncrossed = media.uncrossed,
            held_back = self.turn.held_back(),
            unowned,
            unclaimed,
            "since the start"
        );
    }

    /// Tells clients, closes peers, and lets go of the ports.
    pub async fn shutdown(self) {
        self.log_holdings().await;
        // HTTP goes on for a moment, so that `/readyz` can say why new clients are refused.
        self.signalling.shutdown(FAREWELL).await;
        self.stop_http.cancel();
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP task failed");
        }
        self.media.shutdown().await;
        if let Some(traces) = &self.traces {
            traces.close().await;
        }
        // What the last relays carried is known now.
        if let Some(ledger) = &self.ledger {
            ledger.close().await;
        }
    }
}

/// Other STUN and TURN servers.
struct Others {
    known: watch::Receiver<Vec<IceServer>>,
    /// Who asks a provider for more of them.
    follower: Option<Follower>,
    /// One of them is to give this server a relayed address.
    give_an_address: bool,
}

impl Others {
    /// With what they say of where this machine is.
    async fn find(config: &Config) -> Result<(Self, External), StartError> {
        let (known, follower) = provider::others(config).await;
        let servers = known.borrow().clone();
        let found = external::find(config, &servers).await;
        let external = found.map_err(MediaError::Port)?;
        let external = external.ok_or(StartError::NobodyToAsk)?;
        let relaying = relayed::wanted(config, &servers, &external);
        let relaying = relaying.map_err(|relayed::NoServer| StartError::NobodyToRelay)?;
        let others = Self {
            known,
            follower,
            give_an_address: relaying.is_some(),
        };
        Ok((others, external))
    }

    /// Asks for more of them, and tells the media plane where they are, until `stop`.
    async fn look_after(self, media: MediaPlane, stop: CancellationToken) {
        let asking = self.follower.map(|follower| follower.run(stop.clone()));
        let known = self.known;
        let relaying = self
            .give_an_address
            .then(|| relayed::look_after(known, media, stop));
        tokio::join!(OptionFuture::from(asking), OptionFuture::from(relaying));
    }
}

fn secure(config: &Config, external: &External) -> Result<(Option<Tls>, Security), TlsError> {
    let mut addresses = Interfaces::default().addresses(Instant::now());
    addresses.extend(external.all());
    let tls = Tls::set_up(&config.tls, &addresses)?;
    let security = match (&tls, config.tls.made) {
        (None, _) => Security::None,
        (Some(_), None) => Security::Certificate,
        (Some(tls), Some(MadeCertificate::SelfSigned)) => Security::SelfSigned {
            sha256: tls.certificates.fingerprint(),
            addresses,
        },
    };
    Ok((tls, security))
}

/// The port for DTLS, if there is one, with the certificate of HTTPS.
fn dtls_port(tls: Option<&Tls>, port: Option<Port>) -> Option<DtlsPort> {
    let (tls, port) = tls.zip(port)?;
    Some(DtlsPort {
        port,
        certificates: tls.certificates.clone(),
    })
}

/// Serves HTTP, looks after other servers, follows its certificate, and tells webhooks, until `stop`.
fn look_after(
    serving: impl Future<Output = ()> + Send + 'static,
    others: impl Future<Output = ()> + Send + 'static,
    tls: Option<Tls>,
    ledger: Option<Arc<Ledger>>,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let following = OptionFuture::from(tls.map(|tls| tls.follow(stop.clone())));
    let telling = OptionFuture::from(ledger.map(|ledger| webhook::tell(ledger, stop.clone())));
    tokio::spawn(async { _ = tokio::join!(serving, others, following, telling) })
}

/// Stored credentials, if there may be any.
fn open_ledger(config: &Config, turn: &TurnServers) -> Result<Option<Arc<Ledger>>, DataError> {
    let directory = config.data.directory.as_deref();
    let has_keys = !config.turn.api_keys().is_empty();
    if !has_keys && directory.is_none() {
        return Ok(None);
    }
    if directory.is_none() {
        tracing::warn!(
            "TURN credentials that are made by --turn-api-key, and what they relay, are forgotten when the server \
             stops: give --data a directory to keep them"
        );
    }
    let stored = turn.credentials().stored().clone();
    Ok(Some(Arc::new(Ledger::open(directory, stored)?)))
}

/// Traces, if anybody wants any.
fn open_traces(config: &Config) -> Result<Option<Arc<Traces>>, StartError> {
    let Some(directory) = &config.media.traces else {
        return Ok(None);
    };
    let rooms = config.media.traced_rooms.clone();
    match Traces::start(directory, rooms) {
        Ok(traces) => Ok(Some(Arc::new(traces))),
        Err(source) => Err(StartError::Traces {
            directory: directory.clone(),
            source,
        }),
    }
}

fn media_config(
    config: &Config,
    external: &External,
    dtls: Option<DtlsPort>,
    relayed: Option<Admission>,
) -> MediaConfig {
    MediaConfig {
        port: external.port,
        listen: config.media.listen.clone(),
        external_ips: external.sure.clone(),
        unsure_ips: external.unsure.clone(),
        interfaces: config.media.interfaces.clone(),
        ceilings: ceilings(&config.limits),
        shards: config.media.shards,
        relayed,
        dtls,
    }
}

fn ceilings(limits: &Limits) -> Ceilings {
    let bits = |kbits: u32| (kbits > 0).then(|| 1000 * u64::from(kbits));
    Ceilings {
        upload: bits(limits.upload),
        download: bits(limits.download),
        room: bits(limits.room_upload),
    }
}

fn turn_config(
    config: &Config,
    external: &External,
    turns: Option<Turns>,
    others: watch::Receiver<Vec<IceServer>>,
) -> Result<TurnConfig, StartError> {
    Ok(TurnConfig {
        secrets: config
            .turn
            .secrets()
            .into_iter()
            .map(SharedSecret)
            .collect(),
        relay_ports: config.turn.relay_ports.0.clone(),
        shared_port: open_shared_port(config)?,
        tcp_relays: config.turn.tcp_relays == TcpRelays::On,
        bandwidth: Bandwidth::kilobits(config.turn.bandwidth),
        access: Access {
            allow: config.turn.allow.clone(),
            deny: config.turn.deny.clone(),
        },
        external_ips: external.all(),
        interfaces: config.media.interfaces.clone(),
        turns,
        others,
        second_port: open_second_port(config)?,
    })
}
