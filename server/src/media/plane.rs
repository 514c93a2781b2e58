//! The media plane as the control plane sees it: start it, make peers, hear of their states.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use ferrite_protocol::{IceCandidate, SessionId};
use rand::Rng;
use rand::distr::Alphanumeric;
use thiserror::Error;
use tokio::sync::mpsc;

pub use crate::media::net::sockets::PortError;
pub use crate::media::sdp::SdpError;
pub use crate::media::shard::shards::Busy;
pub use crate::media::transport::dtls::DtlsState as DtlsTransportState;
pub use crate::media::transport::ice::IceState as IceConnectionState;

use crate::media::Behaviour;
use crate::media::event::PeerEvent;
use crate::media::id::PeerId;
use crate::media::net::candidates::{Interfaces, host_candidates};
use crate::media::net::sockets::{
    Port, open_listeners, open_sockets, probe, warn_of_a_small_buffer,
};
use crate::media::peer::{Peer, PeerConfig};
use crate::media::plan::{Plan, Revision};
use crate::media::rtp::clock::Clock;
use crate::media::sdp::{self, Local, Session};
use crate::media::shard::command::Command;
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::mailbox::Mail;
use crate::media::shard::resident::Resident;
use crate::media::shard::shards::Shards;
use crate::media::shard::thread::Prepared;
use crate::media::transport::dtls::{DtlsError, Identity};
use crate::media::transport::ice::Credentials;

/// The largest data channel message taken, in bytes.
pub const MAX_MESSAGE_SIZE: u32 = 262_144;

/// How long the shards have to say what they hold.
const COUNT_TIME: Duration = Duration::from_millis(100);

/// How long the shards have to close their peers.
const SHUTDOWN_TIME: Duration = Duration::from_secs(1);

/// What the media plane has to know before it starts.
#[derive(Clone, Debug, Default)]
pub struct MediaConfig {
    /// The port, UDP and TCP. 0 takes any that is free.
    pub port: u16,
    /// The addresses to receive at, one of a family at most; every one if there are none.
    pub listen: Vec<IpAddr>,
    /// Addresses that a 1:1 NAT maps to this machine.
    pub external_ips: Vec<IpAddr>,
    /// Worker threads. 0 means one per core.
    pub shards: usize,
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
    interfaces: Interfaces,
    identity: Identity,
    clock: Clock,
    shards: Shards,
    next_id: AtomicU64,
    dropped: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl MediaPlane {
    /// Opens the sockets and starts the workers.
    pub fn start(config: MediaConfig) -> Result<Self, MediaError> {
        let identity = Identity::generate()?;
        let shards = match config.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            shards => shards,
        };
        let port = probe(config.port, &config.listen)?;
        let number = port.number;
        let bind = |source| MediaError::Bind {
            port: number,
            source,
        };
        let (mut prepared, mut mailboxes) = (Vec::new(), Vec::new());
        for _ in 0..shards {
            let sockets = open_sockets(&port).map_err(bind)?;
            let listeners = open_listeners(&port).map_err(bind)?;
            // Each has the same.
            if prepared.is_empty() {
                sockets.first().map(warn_of_a_small_buffer);
            }
            let (shard, mailbox) = Prepared::new(sockets, listeners, number).map_err(bind)?;
            prepared.push(shard);
            mailboxes.push(mailbox);
        }
        let shards = Shards::new(mailboxes);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for (index, shard) in prepared.into_iter().enumerate() {
            let (shards, dropped) = (shards.clone(), dropped.clone());
            let thread = std::thread::Builder::new()
                .name(format!("shard-{index}"))
                .spawn(move || shard.run(index, shards, dropped))
                .map_err(MediaError::Thread)?;
            threads.push(thread);
        }
        Ok(Self(Arc::new(Inner {
            port,
            external_ips: config.external_ips,
            interfaces: Interfaces::default(),
            identity,
            clock: Clock::new(Instant::now(), SystemTime::now()),
            shards,
            next_id: AtomicU64::new(1),
            dropped,
            threads: Mutex::new(threads),
        })))
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.0.port.number
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
        // A candidate is a bound socket.
        let mut addresses = inner.external_ips.clone();
        addresses.retain(|address| inner.port.has_family_of(*address));
        let own = inner.interfaces.addresses(Instant::now()).into_iter();
        addresses.extend(own.filter(|own| inner.port.receives_at(*own)));
        let candidates = host_candidates(&addresses, inner.port.number, options.loopback);
        let local = Local {
            ice_ufrag: credentials.ufrag.clone(),
            ice_pwd: credentials.pwd.clone(),
            fingerprint: inner.identity.fingerprint,
            candidates,
            // RFC 9429 §5.2.1: 63 random bits.
            session_id: rand::random::<u64>() >> 1,
            max_message_size: MAX_MESSAGE_SIZE,
            cname: random_text(16),
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
        let peer = Peer::new(Instant::now(), config);
        let resident = Resident::new(id, options.session, peer, options.behaviour);
        let receiver = inner.shards.listeners.listen(id);
        let handle = PeerHandle {
            id,
            shards: inner.shards.clone(),
            negotiation: Mutex::new(Negotiation {
                local,
                session: None,
                plans: 0,
                newborn: Some(Box::new(resident)),
            }),
        };
        (handle, receiver)
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

    /// Closes every peer and joins the workers.
    pub async fn shutdown(&self) {
        let inner = self.0.clone();
        let (done, ended) = tokio::sync::oneshot::channel();
        // A thread of its own, because it waits; but no longer than `SHUTDOWN_TIME`.
        std::thread::spawn(move || {
            inner.shut_down();
            let _ = done.send(());
        });
        let _ = ended.await;
    }
}

impl Inner {
    fn shut_down(&self) {
        let deadline = Instant::now() + SHUTDOWN_TIME;
        let mut untold: Vec<_> = (0..self.shards.len()).collect();
        wait_until(deadline, || {
            // A full mailbox is being emptied, or its shard hangs. No other shard waits for that.
            untold.retain(|shard| self.shards.send(*shard, Mail::Shutdown).is_err());
            untold.is_empty()
        });
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        wait_until(deadline, || threads.iter().all(JoinHandle::is_finished));
        for thread in threads.drain(..) {
            if !thread.is_finished() {
                tracing::error!("a shard does not answer; it is left behind");
            } else if thread.join().is_err() {
                tracing::error!("a shard had panicked");
            }
        }
        // Whoever was on its way to a shard that has ended is no more.
        self.shards.listeners.clear();
    }
}

/// Asks every millisecond whether something is so, until it is or the time is up.
fn wait_until(deadline: Instant, mut is_so: impl FnMut() -> bool) {
    while !is_so() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// One peer connection. Dropping it closes it.
pub struct PeerHandle {
    id: PeerId,
    shards: Shards,
    negotiation: Mutex<Negotiation>,
}

impl fmt::Debug for PeerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerHandle")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An answer, and what was agreed with it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub sdp: String,
    /// What was agreed.
    pub session: Arc<Session>,
}

struct Negotiation {
    local: Local,
    session: Option<Arc<Session>>,
    /// How many plans there were.
    plans: u64,
    /// The peer, until its first offer. Before that nobody can call it.
    newborn: Option<Box<Resident>>,
}

impl Negotiation {
    fn revision(&mut self, plan: Arc<Plan>) -> Revision {
        self.plans += 1;
        let number = self.plans;
        Revision { number, plan }
    }
}

impl PeerHandle {
    /// Whether an offer is of another peer connection than the offers before. Then so must be ours.
    pub fn is_replaced_by(&self, offer: &str) -> bool {
        let negotiation = self.negotiation();
        let previous = negotiation.session.as_deref();
        previous.is_some_and(|previous| sdp::begins_anew(offer, previous))
    }

    /// Offer in, answer out. `streams` says by mid which MediaStream is sent on a section where the offer
    /// names none; `plan`, from what was agreed, what the sections are for.
    pub fn offer(
        &self,
        offer: &str,
        streams: &HashMap<String, String>,
        plan: impl FnOnce(&Session) -> Arc<Plan>,
    ) -> Result<Answered, SdpError> {
        let negotiation = &mut *self.negotiation();
        let previous = negotiation.session.as_deref();
        let mut local = negotiation.local.clone();
        local.streams.clone_from(streams);
        let mut random = rand::random;
        let mut answer = sdp::answer(offer, &local, previous, &mut random)?;
        // RFC 8839 §4.4.3.1.1: new credentials ask for an ICE restart, answered with new ones.
        let restart = previous
            .is_some_and(|previous| previous.ice_ufrag != answer.session.ice_ufrag)
            .then(new_credentials);
        if let Some(credentials) = &restart {
            credentials.ufrag.clone_into(&mut local.ice_ufrag);
            credentials.pwd.clone_into(&mut local.ice_pwd);
            answer = sdp::answer(offer, &local, previous, &mut random)?;
        }
        let session = Arc::new(answer.session);
        let plan = negotiation.revision(plan(&session));
        let newborn = &mut negotiation.newborn;
        self.agree(newborn, session.clone(), restart, plan)
            .map_err(|Busy| SdpError("the server is too busy; try again".to_owned()))?;
        negotiation.local = local;
        negotiation.session = Some(session.clone());
        let sdp = answer.sdp;
        Ok(Answered { sdp, session })
    }

    /// Says what the sections are for from now on, whole.
    pub fn set_plan(&self, plan: Arc<Plan>) -> Result<(), Busy> {
        let negotiation = &mut *self.negotiation();
        let plan = negotiation.revision(plan);
        if let Some(resident) = &mut negotiation.newborn {
            resident.set_plan(plan);
            return Ok(());
        }
        let id = self.id;
        match self.shards.directory.plan(id, plan) {
            Ok(()) => Ok(()),
            Err(plan) => self.command(Command::SetPlan { id, plan }),
        }
    }

    /// Tells the peer what was agreed. `restart` are the credentials of a new ICE generation.
    fn agree(
        &self,
        newborn: &mut Option<Box<Resident>>,
        session: Arc<Session>,
        restart: Option<Credentials>,
        plan: Revision,
    ) -> Result<(), Busy> {
        if let Some(mut resident) = newborn.take() {
            resident.peer.set_session(Instant::now(), session, None);
            resident.set_plan(plan);
            self.shards.directory.insert(resident);
            return Ok(());
        }
        let ufrag = (restart.as_ref()).map(|credentials| credentials.ufrag.clone());
        let id = self.id;
        self.give_home()?;
        self.command(Command::SetSession {
            id,
            session,
            restart,
            plan,
        })?;
        // Not before: names that no shard was told of must not displace those in use. Nor is it late:
        // the other end learns the new name from the answer.
        if let Some(ufrag) = ufrag {
            self.shards.directory.register(&ufrag, id);
        }
        Ok(())
    }

    /// A peer that waits for its first check is given to a shard, which can be told things: any, it
    /// moves where its packets land.
    fn give_home(&self) -> Result<(), Busy> {
        let home = self.id.0 as usize % self.shards.len().max(1);
        let Some(resident) = self.shards.directory.claim(self.id, home) else {
            return Ok(());
        };
        let paths = Vec::new();
        let refused = (self.shards).command(home, Command::Adopt { resident, paths });
        if let Err(Command::Adopt { resident, .. }) = refused {
            self.shards.directory.put_back(resident);
            return Err(Busy);
        }
        Ok(())
    }

    /// The server's candidates, to be sent after the first answer.
    pub fn candidates(&self) -> Vec<IceCandidate> {
        let local = &self.negotiation().local;
        to_init(&local.candidates, &local.ice_ufrag)
    }

    fn negotiation(&self) -> MutexGuard<'_, Negotiation> {
        // Every change is whole: a panic elsewhere leaves nothing half done.
        (self.negotiation.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the peer.
    pub fn close(&self) {
        let newborn = self.negotiation().newborn.take();
        let waiting = newborn.or_else(|| self.shards.directory.remove_waiting(self.id));
        if waiting.is_some() {
            return self.shards.listeners.forget(self.id);
        }
        // A full mailbox is no harm: the shard notices when the session drops its receiver.
        let _ = self.command(Command::Close { id: self.id });
    }

    fn command(&self, command: Command) -> Result<(), Busy> {
        self.shards.command_peer(self.id, command)
    }
}

impl Drop for PeerHandle {
    fn drop(&mut self) {
        self.close();
    }
}

fn to_init(candidates: &[String], ufrag: &str) -> Vec<IceCandidate> {
    let init = |candidate: &String| IceCandidate {
        candidate: candidate.clone(),
        sdp_mid: None,
        // Everything is bundled, and the first section stands for all (RFC 9143 §7.1.3).
        sdp_m_line_index: Some(0),
        username_fragment: Some(ufrag.to_owned()),
    };
    candidates.iter().map(init).collect()
}

/// RFC 8839 §5.4 asks for at least 24 and 128 random bits; a letter or digit has almost six.
fn new_credentials() -> Credentials {
    Credentials {
        ufrag: random_text(8),
        pwd: random_text(24),
    }
}

fn random_text(len: usize) -> String {
    let letters = rand::rng().sample_iter(Alphanumeric);
    letters.take(len).map(char::from).collect()
}
