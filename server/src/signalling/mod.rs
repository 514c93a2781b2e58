//! Signalling: one task per client, from its WebSocket to its seat and its peer.
//!
//! | file | what it owns |
//! |---|---|
//! | `socket` | bytes to messages, limits, pings, the closing handshake |
//! | `greeting` | the first message: a new session, or an earlier one that goes on |
//! | `session` | what a client asked for and is told: the rules |
//! | `task` | the session's task: waits for whatever comes next, and sends |
//! | `peer` | the session's peer connection |
//! | `resumption` | who may resume which session |
//! | `rate` | how often is too often |

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use ferrite_protocol::SUBPROTOCOL;
use ferrite_protocol::limits::{MAX_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::media::MediaPlane;
use crate::room::Rooms;
use crate::shares::{Share, Shares};

mod greeting;
mod peer;
mod rate;
mod resumption;
mod session;
mod socket;
mod task;

use resumption::Resumable;
#[cfg(test)]
pub(crate) use session::OFFERS;
#[cfg(test)]
pub(crate) use socket::BURST_SECONDS;
use socket::Socket;

/// A frame up to the first limit is answered, one up to the second is read to be refused in good
/// order, and a longer one is not read at all.
pub(crate) const READ_LIMIT: usize = 2 * MAX_MESSAGE_BYTES;

/// WebSockets beyond the session limit: to say that it is reached, and for clients that resume.
pub(crate) const SPARE_PLACES: usize = 256;

/// WebSockets of one address for each session it may have: one that broke unnoticed, and the one its
/// client comes back on.
pub(crate) const WEBSOCKETS_PER_SESSION: usize = 2;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Signalling {
    config: Arc<Config>,
    media: MediaPlane,
    rooms: Arc<Rooms>,
    resumable: Resumable,
    places: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    places_by_address: Shares,
    sessions_by_address: Shares,
    tasks: TaskTracker,
    stopping: CancellationToken,
    abandoned: CancellationToken,
}

/// Where a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// Its address.
    pub(crate) address: IpAddr,
    /// It is on this machine: it can reach loopback addresses.
    pub(crate) loopback: bool,
}

/// How many of everything signalling holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) websockets: usize,
    /// Those that wait for their client included.
    pub(crate) sessions: usize,
    /// Those that can be resumed.
    pub(crate) resumable: usize,
    /// Addresses that have a share of the places.
    pub(crate) addresses: usize,
    pub(crate) rooms: usize,
}

/// A client at the door.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where it is.
    pub(crate) caller: Caller,
    /// Kept for as long as the WebSocket is there.
    pub(crate) place: Place,
}

/// A WebSocket's place, among all and among those of its address.
#[derive(Debug)]
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: Share,
}

/// What has no place for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The server.
    Server,
    /// What one address may have of it.
    Address,
}

impl Signalling {
    pub(crate) fn new(config: Arc<Config>, media: MediaPlane) -> Self {
        let limits = &config.limits;
        let places_by_address = WEBSOCKETS_PER_SESSION.saturating_mul(limits.sessions_per_address);
        Self {
            rooms: Arc::new(Rooms::new(limits.participants)),
            places: Arc::new(Semaphore::new(limits.sessions + SPARE_PLACES)),
            sessions: Arc::new(Semaphore::new(limits.sessions)),
            places_by_address: Shares::new(places_by_address),
            sessions_by_address: Shares::new(limits.sessions_per_address),
            config,
            media,
            resumable: Resumable::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// What is held at this moment.
    pub(crate) fn holdings(&self) -> Holdings {
        let websockets = self.config.limits.sessions + SPARE_PLACES;
        Holdings {
            websockets: websockets - self.places.available_permits(),
            sessions: self.config.limits.sessions - self.sessions.available_permits(),
            resumable: self.resumable.len(),
            addresses: self.places_by_address.len() + self.sessions_by_address.len(),
            rooms: self.rooms.len(),
        }
    }

    /// A place for one more WebSocket. None while shutting down.
    pub(crate) fn place(&self, client: IpAddr) -> Result<Place, Full> {
        if self.is_stopping() {
            return Err(Full::Server);
        }
        let of_address = self.places_by_address.take(client).ok_or(Full::Address)?;
        let of_all = self.places.clone().try_acquire_owned();
        Ok(Place {
            _of_all: of_all.map_err(|_| Full::Server)?,
            _of_address: of_address,
        })
    }

    /// A place for one more session of an address.
    fn session_place(&self, client: IpAddr) -> Result<Place, Full> {
        let of_address = self.sessions_by_address.take(client).ok_or(Full::Address)?;
        let of_all = self.sessions.clone().try_acquire_owned();
        Ok(Place {
            _of_all: of_all.map_err(|_| Full::Server)?,
            _of_address: of_address,
        })
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Makes a WebSocket of the request and gives it a task of its own.
    pub(crate) fn upgrade(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        arrival: Arrival,
    ) -> Response {
        let (signalling, caller) = (self.clone(), arrival.caller);
        self.open(upgrade, arrival, move |socket| {
            greeting::run(signalling, socket, caller)
        })
    }

    /// Makes a WebSocket of the request of a page that may not use this server, to tell it so.
    pub(crate) fn turn_away(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        arrival: Arrival,
    ) -> Response {
        self.open(upgrade, arrival, greeting::refuse_origin)
    }

    fn open<T: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        arrival: Arrival,
        serve: impl FnOnce(Box<Socket>) -> T + Send + 'static,
    ) -> Response {
        let signalling = self.clone();
        upgrade
            .protocols([SUBPROTOCOL])
            .max_message_size(READ_LIMIT)
            .max_frame_size(READ_LIMIT)
            // It is allocated at once, and 128 kB by default. Longer frames are read in pieces.
            .read_buffer_size(2 * 1024)
            .write_buffer_size(16 * 1024)
            .max_write_buffer_size(MAX_SERVER_MESSAGE_BYTES)
            .on_upgrade(async move |websocket| {
                tracing::debug!(caller = ?arrival.caller, "a client connected");
                // Boxed: each future it passes through would have room for it.
                let socket = Box::new(Socket::new(websocket, &signalling.config, arrival.place));
                signalling.spawn(serve(socket));
            })
    }

    /// Tells every client that the server goes away, and waits until they know, but not longer
    /// than given. Peers close with their sessions.
    pub(crate) async fn shutdown(&self, patience: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                clients = self.tasks.len(),
                "not every client was told in time"
            );
            self.abandoned.cancel();
            self.tasks.wait().await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abandoned = self.abandoned.clone();
        // Where it stays: each future that takes another by value has room for it twice.
        let task = Box::pin(task);
        self.tasks.spawn(async move {
            abandoned.run_until_cancelled(task).await;
        });
    }
}
