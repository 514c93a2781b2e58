//! The media plane as the control plane sees it: start it, make peers, hear of their states.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use ferrite_protocol::SessionId;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub use crate::media::net::sockets::PortError;
pub use crate::media::transport::dtls::DtlsState as DtlsTransportState;
pub use crate::media::transport::ice::IceState as IceConnectionState;

use crate::congestion::Sink;
use crate::interface::InterfaceRule;
use crate::media::Behaviour;
use crate::media::ceilings::Ceilings;
use crate::media::event::PeerEvent;
use crate::media::handle::{PeerHandle, new_credentials};
use crate::media::id::PeerId;
use crate::media::net::candidates::{Interfaces, host_candidates, offered, translated_candidates};
use crate::media::net::dtls::association::DtlsError;
use crate::media::net::dtls::server::DtlsServer;
use crate::media::net::guest::Guest;
use crate::media::net::relayed::account::TurnServer;
use crate::media::net::relayed::allocation::Granted;
use crate::media::net::relayed::permissions::Admission;
use crate::media::net::sockets::{
    Opened, Port, TRIES, open, open_beside, probe, warn_of_a_small_buffer,
};
use crate::media::net::tls::Secured;
use crate::media::peer::{Peer, PeerConfig};
use crate::media::rtp::clock::Clock;
use crate::media::sdp::Local;
use crate::media::shard::allocated::{HOST, Hosting};
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::mailbox::Mail;
use crate::media::shard::resident::Resident;
use crate::media::shard::sealed::Sealed;
use crate::media::shard::shards::Shards;
use crate::media::shard::thread::Prepared;
use crate::media::transport::dtls::Identity;
use crate::random;
use crate::tls::Certificates;

/// The largest data channel message taken, in bytes.
pub const MAX_MESSAGE_SIZE: u32 = 262_144;

/// How long the shards have to say what they hold.
const COUNT_TIME: Duration = Duration::from_millis(100);

/// How long the shards have to close their peers.
const SHUTDOWN_TIME: Duration = Duration::from_secs(1);

/// How long each of them waits for what the others' peers say at their end.
const FAREWELL: Duration = Duration::from_millis(700);

/// What the media plane has to know before it starts.
#[derive(Clone, Debug, Default)]
pub struct MediaConfig {
    /// The port, UDP and TCP. 0 takes any that is free.
    pub port: u16,
    /// The addresses to receive at, one of a family at most; every one if there are none.
    pub listen: Vec<IpAddr>,
    /// Addresses that a 1:1 NAT maps to this machine.
    pub external_ips: Vec<IpAddr>,
    /// Addresses of which nobody is sure that one does.
    pub unsure_ips: Vec<IpAddr>,
    /// Which interfaces' addresses peers are told.
    pub interfaces: Vec<InterfaceRule>,
    /// How much members of rooms may send and be sent.
    pub ceilings: Ceilings,
    /// Worker threads. 0 means one per core.
    pub shards: usize,
    /// Whom a TURN server is asked to let in, where an allocation at one is to be had.
    pub relayed: Option<Admission>,
    /// Where the guests' clients may come by DTLS, if they may.
    pub dtls: Option<DtlsPort>,
}

/// A UDP port for DTLS.
#[derive(Clone, Debug)]
pub struct DtlsPort {
    /// The port, which is free.
    pub port: Port,
    /// The certificate that is shown there.
    pub certificates: Arc<Certificates>,
}

impl DtlsPort {
    /// As each of so many shards has it.
    fn open(&self, shards: usize) -> Result<Vec<Sealed>, MediaError> {
        let (port, key) = (self.port.number, rand::random());
        let bind = |source| MediaError::BindDtls { port, source };
        let opened = open_beside(&self.port, shards).map_err(bind)?;
        let sealed = opened.into_iter().map(|sockets| {
            let server = DtlsServer::new(Instant::now(), self.certificates.clone(), &key)?;
            Ok(Sealed::new(port, sockets, server))
        });
        sealed.collect()
    }
}

/// Why the media plane did not start.
#[derive(Debug, Error)]
pub enum MediaError {
    /// The port cannot be had.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The threads' sockets cannot be had.
    #[error("the media threads cannot open port {port}: {source}")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// Those at DTLS's port cannot be had.
    #[error("the media threads cannot open UDP port {port}: {source}")]
    BindDtls {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error("a media thread cannot be started: {0}")]
    Thread(io::Error),
    /// The DTLS certificate could not be made.
    #[error("the DTLS certificate cannot be made: {0}")]
    Certificate(#[from] DtlsError),
}

/// What the media plane has to know of a peer before its first offer.
pub struct PeerOptions {
    /// The session the peer belongs to, for the log.
    pub session: SessionId,
    /// The page came from this machine: loopback addresses are candidates too.
    pub loopback: bool,
    /// What answers its media and data.
    pub behaviour: Box<dyn Behaviour>,
    /// Where a trace of its congestion control goes, where somebody wants one.
    pub trace: Option<Box<dyn Sink>>,
}

/// The media plane.
#[derive(Clone)]
pub struct MediaPlane(Arc<Inner>);

impl fmt::Debug for MediaPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaPlane")
            .field("port", &self.0.port.number)
            .finish_non_exhaustive()
    }
}

struct Inner {
    port: Port,
    external_ips: Vec<IpAddr>,
    unsure_ips: Vec<IpAddr>,
    interfaces: Interfaces,
    ceilings: Ceilings,
    identity: Identity,
    clock: Clock,
    shards: Shards,
    next_id: AtomicU64,
    next_shard: AtomicUsize,
    dropped: Arc<AtomicU64>,
    granted: Arc<watch::Sender<Option<Granted>>>,
    /// There may be an allocation at a TURN server.
    is_relayed: bool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl MediaPlane {
    /// Opens the sockets and starts the workers.
    pub fn start(config: MediaConfig) -> Result<Self, MediaError> {
        Self::start_with(config, |_, _| None)
    }

    /// The same with a guest for each shard, which is made when the port is known.
    pub fn start_with(
        config: MediaConfig,
        invite: impl FnMut(&Port, usize) -> Option<Box<dyn Guest>>,
    ) -> Result<Self, MediaError> {
        let (plane, prepared) = Self::prepare(config, invite)?;
        plane.attend(prepared)?;
        Ok(plane)
    }

    /// Opens the sockets. What is sent to the shards waits in their mailboxes.
    pub(crate) fn prepare(
        config: MediaConfig,
        mut invite: impl FnMut(&Port, usize) -> Option<Box<dyn Guest>>,
    ) -> Result<(Self, Vec<Prepared>), MediaError> {
        let identity = Identity::generate()?;
        let shards = match config.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            shards => shards,
        };
        let (port, opened) =
            find_and_open(config.port, shards, || probe(config.port, &config.listen))?;
        let number = port.number;
        // Each has the same.
        let sockets = opened.iter().flat_map(|shard| &shard.sockets);
        sockets.take(1).for_each(warn_of_a_small_buffer);
        let bind = |source| MediaError::Bind {
            port: number,
            source,
        };
        let dropped = Arc::new(AtomicU64::new(0));
        let sealed = config.dtls.map(|dtls| dtls.open(shards)).transpose()?;
        let mut sealed = sealed.into_iter().flatten();
        let granted = Arc::new(watch::Sender::new(None));
        let is_relayed = config.relayed.is_some();
        let mut hosting = config.relayed.map(|admission| Hosting {
            listen: config.listen.clone(),
            admission,
            granted: granted.clone(),
        });
        let (mut prepared, mut mailboxes) = (Vec::new(), Vec::new());
        for (index, opened) in opened.into_iter().enumerate() {
            let (mut shard, mailbox) = Prepared::new(opened, number).map_err(bind)?;
            if let Some(guest) = invite(&port, index) {
                shard.host(guest, dropped.clone()).map_err(bind)?;
            }
            if index == HOST
                && let Some(hosting) = hosting.take()
            {
                shard.allocate(hosting);
            }
            if let Some(sealed) = sealed.next() {
                shard.seal(sealed).map_err(bind)?;
            }
            prepared.push(shard);
            mailboxes.push(mailbox);
        }
        let plane = Self(Arc::new(Inner {
            interfaces: Interfaces::new(config.interfaces, port.addresses.clone()),
            port,
            external_ips: [&config.external_ips[..], &config.unsure_ips].concat(),
            unsure_ips: config.unsure_ips,
            ceilings: config.ceilings,
            identity,
            clock: Clock::new(Instant::now(), SystemTime::now()),
            shards: Shards::new(mailboxes),
            next_id: AtomicU64::new(1),
            next_shard: AtomicUsize::new(0),
            dropped,
            granted,
            is_relayed,
            threads: Mutex::default(),
        }));
        Ok((plane, prepared))
    }

    /// Starts the workers.
    pub(crate) fn attend(&self, prepared: Vec<Prepared>) -> Result<(), MediaError> {
        for (index, shard) in prepared.into_iter().enumerate() {
            let (shards, dropped) = (self.0.shards.clone(), self.0.dropped.clone());
            let thread = std::thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || shard.run(index, shards, dropped))
                .map_err(MediaError::Thread)?;
            let mut threads = self
                .0
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            threads.push(thread);
        }
        Ok(())
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.0.port.number
    }

    /// The addresses that peers are told, as far as they can reach them.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let own = self.0.interfaces.told(Instant::now());
        offered(&self.0.port, &self.0.external_ips, &own)
    }

    /// The allocation there is at a TURN server.
    pub fn granted(&self) -> watch::Receiver<Option<Granted>> {
        self.0.granted.subscribe()
    }

    /// Has an allocation at one of these TURN servers from now on. Returns whether there was room to say so.
    pub fn set_turn_servers(&self, servers: Vec<TurnServer>) -> bool {
        let mail = Mail::TurnServers(servers);
        self.0.shards.send(HOST, mail).is_ok()
    }

    /// The number of peers that have made an offer.
    pub fn peers(&self) -> usize {
        self.0.shards.directory.len()
    }

    /// Datagrams the kernel did not take.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Makes a peer, which waits for its first offer.
    pub fn create_peer(&self, options: PeerOptions) -> (PeerHandle, mpsc::Receiver<PeerEvent>) {
        let inner = &self.0;
        let id = PeerId(inner.next_id.fetch_add(1, Ordering::Relaxed));
        let credentials = new_credentials();
        let addresses = self.addresses();
        let mut candidates = host_candidates(
            &addresses,
            &inner.unsure_ips,
            inner.port.number,
            options.loopback,
        );
        candidates.extend(translated_candidates(&candidates));
        let local = Local {
            ice_ufrag: credentials.ufrag.clone(),
            ice_pwd: credentials.pwd.clone(),
            fingerprint: inner.identity.fingerprint,
            candidates,
            trickles: inner.is_relayed,
            // RFC 9429 §5.2.1: 63 random bits.
            session_id: rand::random::<u64>() >> 1,
            max_message_size: MAX_MESSAGE_SIZE,
            cname: random::text(16),
            streams: HashMap::new(),
        };
        let config = PeerConfig {
            identity: inner.identity.clone(),
            local: credentials.clone(),
            clock: inner.clock,
            seed: rand::random(),
            cname: local.cname.clone(),
            max_message_size: MAX_MESSAGE_SIZE,
        };
        let mut peer = Peer::new(Instant::now(), config);
        if let Some(sink) = options.trace {
            peer.trace(sink);
        }
        let mut resident = Resident::new(id, options.session, peer, options.behaviour);
        resident.ceilings = inner.ceilings;
        let receiver = inner.shards.listeners.listen(id);
        let handle = PeerHandle::new(resident, local, inner.shards.clone(), self.granted());
        (handle, receiver)
    }

    /// Takes a connection over that carries STUN and TURN in TLS, for the guest of one of the shards. One that is too
    /// busy has it closed.
    pub fn adopt(&self, secured: Secured) {
        let next = self.0.next_shard.fetch_add(1, Ordering::Relaxed);
        let shard = next % self.0.shards.len().max(1);
        let _ = self.0.shards.send(shard, Mail::Connection(secured));
    }

    /// What is held at this moment. A shard too busy to say is left out.
    pub async fn holdings(&self) -> MediaGauges {
        let shards = &self.0.shards;
        let asked = (0..shards.len()).map(|shard| {
            let (answer, counted) = tokio::sync::oneshot::channel();
            // Full: the answer is dropped with the command.
            let _ = shards.send(shard, Mail::Count(answer));
            (shard, counted)
        });
        let asked: Vec<_> = asked.collect();
        let deadline = tokio::time::Instant::now() + COUNT_TIME;
        let mut sum = shards.gauges();
        for (shard, counted) in asked {
            match tokio::time::timeout_at(deadline, counted).await {
                Ok(Ok(held)) => sum += held,
                _ => tracing::warn!(shard, "a shard does not say what it holds"),
            }
        }
        sum
    }

    /// Closes every peer and joins the workers. Returns how many did not answer in time and are left behind.
    pub async fn shutdown(&self) -> usize {
        let inner = self.0.clone();
        let (done, ended) = tokio::sync::oneshot::channel();
        // A thread of its own, because it waits; but no longer than `SHUTDOWN_TIME`.
        std::thread::spawn(move || {
            let _ = done.send(inner.shut_down());
        });
        ended.await.unwrap_or_default()
    }
}

impl Inner {
    fn shut_down(&self) -> usize {
        let began = Instant::now();
        let deadline = began + SHUTDOWN_TIME;
        let mut untold: Vec<_> = (0..self.shards.len()).collect();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut have_ended = || {
            // A full mailbox is being emptied, or its shard hangs. Nothing waits for that but the shard itself.
            untold.retain(|shard| self.shards.send(*shard, Mail::Shutdown).is_err());
            threads.iter().all(JoinHandle::is_finished)
        };
        wait_until(began + FAREWELL, &mut have_ended);
        // One that hangs holds none of the others up.
        self.shards.release();
        wait_until(deadline, &mut have_ended);
        let mut left_behind = 0;
        for thread in threads.drain(..) {
            if !thread.is_finished() {
                left_behind += 1;
                tracing::error!("a shard does not answer; it is left behind");
            } else if thread.join().is_err() {
                tracing::error!("a shard had panicked");
            }
        }
        // Whoever was on its way to a shard that has ended is no more.
        self.shards.listeners.clear();
        left_behind
    }
}

/// Asks every millisecond whether something is so, until it is or the time is up.
fn wait_until(deadline: Instant, mut is_so: impl FnMut() -> bool) {
    while !is_so() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Opens the port that is found for every shard. One of port 0 is found anew if it is gone by then:
/// between the two, a connection that goes out from this machine may have taken it.
fn find_and_open(
    asked: u16,
    shards: usize,
    find: impl Fn() -> Result<Port, PortError>,
) -> Result<(Port, Vec<Opened>), MediaError> {
    let mut again = 1..TRIES;
    loop {
        let port = find()?;
        match open(&port, shards) {
            Ok(opened) => return Ok((port, opened)),
            Err(error)
                if asked == 0
                    && error.kind() == io::ErrorKind::AddrInUse
                    && again.next().is_some() => {}
            Err(source) => {
                let port = port.number;
                return Err(MediaError::Bind { port, source });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::net::{Ipv4Addr, TcpListener};

    /// What finds this port first, and then any that is free.
    fn first(taken: u16) -> impl Fn() -> Result<Port, PortError> {
        let is_first = Cell::new(true);
        move || {
            let local = IpAddr::from(Ipv4Addr::LOCALHOST);
            let port = probe(0, &[local])?;
            let number = match is_first.replace(false) {
                true => taken,
                false => port.number,
            };
            Ok(Port { number, ..port })
        }
    }

    #[test]
    fn a_port_that_somebody_takes_before_it_is_opened_is_found_anew() {
        let taker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = taker.local_addr().unwrap().port();
        let (port, opened) = find_and_open(0, 2, first(taken)).ok().unwrap();
        assert_ne!(port.number, taken);
        assert_eq!(opened.len(), 2);
        // One that was asked for is nobody else's to choose.
        let refused = find_and_open(taken, 2, first(taken));
        assert!(matches!(refused, Err(MediaError::Bind { port, .. }) if port == taken));
    }
}
