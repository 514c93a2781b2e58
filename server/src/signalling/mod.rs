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
//! | `rate` | how much is too much |

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

mod greeting;
mod peer;
mod rate;
mod resumption;
mod session;
mod socket;
mod task;

use resumption::Resumable;
use socket::Socket;

/// A frame up to the first limit is answered, one up to the second is read to be refused in good
/// order, and a longer one is not read at all.
const READ_LIMIT: usize = 2 * MAX_MESSAGE_BYTES;

/// WebSockets beyond the session limit: to say that it is reached, and for clients that resume.
const SPARE_PLACES: usize = 256;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Signalling {
    config: Arc<Config>,
    media: MediaPlane,
    rooms: Arc<Rooms>,
    resumable: Resumable,
    places: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    abandoned: CancellationToken,
}

/// A client at the door.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where it comes from.
    pub(crate) remote: IpAddr,
    /// A proxy says that it passed the request on.
    pub(crate) forwarded: bool,
    /// Kept for as long as the WebSocket is there.
    pub(crate) place: OwnedSemaphorePermit,
}

impl Arrival {
    /// The client is on this machine: it can reach loopback addresses.
    fn is_local(&self) -> bool {
        self.remote.to_canonical().is_loopback() && !self.forwarded
    }
}

impl Signalling {
    pub(crate) fn new(config: Arc<Config>, media: MediaPlane) -> Self {
        Self {
            rooms: Arc::new(Rooms::new(config.max_participants)),
            places: Arc::new(Semaphore::new(config.max_sessions + SPARE_PLACES)),
            sessions: Arc::new(Semaphore::new(config.max_sessions)),
            config,
            media,
            resumable: Resumable::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// A place for one more WebSocket. None while shutting down.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        if self.is_stopping() {
            return None;
        }
        self.places.clone().try_acquire_owned().ok()
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
        let signalling = self.clone();
        upgrade
            .protocols([SUBPROTOCOL])
            .max_message_size(READ_LIMIT)
            .max_frame_size(READ_LIMIT)
            // It is allocated at once, and 128 kB by default.
            .read_buffer_size(8 * 1024)
            .write_buffer_size(16 * 1024)
            .max_write_buffer_size(MAX_SERVER_MESSAGE_BYTES)
            .on_upgrade(async move |websocket| {
                let loopback = arrival.is_local();
                tracing::debug!(remote = %arrival.remote, loopback, "a client connected");
                let socket = Socket::new(websocket, &signalling.config, arrival.place);
                let task = greeting::run(signalling.clone(), socket, loopback);
                signalling.spawn(task);
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
        self.tasks.spawn(async move {
            abandoned.run_until_cancelled(task).await;
        });
    }
}
