//! What all sessions share, and how many of them there may be.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::{DisplayValue, display};

use super::askers::Askers;
use super::metered::LONG_FIRST_MESSAGES;
use super::offers::{OffersByAddress, offers_of_address};
use super::place::{Full, Place, Refused};
use super::resumption::Resumable;
use crate::auth::Keys;
use crate::config::{Config, LogAddresses};
use crate::media::MediaPlane;
use crate::network::neighbourhood;
use crate::room::{RoomLimits, Rooms};
use crate::seldom::Seldom;
use crate::shares::Shares;
use crate::traces::Traces;
use crate::turn::start::TurnServers;

/// WebSockets beyond the session limit: to say that it is reached, and for clients that resume.
pub(crate) const SPARE_PLACES: usize = 256;

/// WebSockets of one address for each session it may have: one that broke unnoticed, and the one its
/// client comes back on.
pub(crate) const WEBSOCKETS_PER_SESSION: usize = 2;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Signalling {
    pub(super) config: Arc<Config>,
    pub(super) media: MediaPlane,
    /// Relays for those who cannot reach it otherwise.
    pub(super) turn: Arc<TurnServers>,
    /// Of calls, where somebody wants them.
    pub(super) traces: Option<Arc<Traces>>,
    pub(super) rooms: Arc<Rooms>,
    /// Whose tokens open them.
    pub(super) keys: Keys,
    pub(super) resumable: Resumable,
    places: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    places_by_address: Shares,
    sessions_by_address: Shares,
    pub(super) offers_by_address: OffersByAddress,
    pub(super) askers: Askers,
    /// Places of first messages that are long.
    pub(super) long_first_messages: Arc<Semaphore>,
    refused_for_limits: Seldom,
    refused_for_versions: Seldom,
    tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
    abandoned: CancellationToken,
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

impl Signalling {
    pub(crate) fn new(
        config: Arc<Config>,
        media: MediaPlane,
        turn: Arc<TurnServers>,
        traces: Option<Arc<Traces>>,
    ) -> Self {
        let limits = &config.limits;
        let places_by_address = WEBSOCKETS_PER_SESSION.saturating_mul(limits.sessions_per_address);
        Self {
            rooms: Arc::new(Rooms::new(
                limits.rooms,
                RoomLimits {
                    participants: limits.participants,
                    publications: limits.publications,
                    room_publications: limits.room_publications,
                },
            )),
            keys: config.tokens.all(),
            places: Arc::new(Semaphore::new(limits.sessions + SPARE_PLACES)),
            sessions: Arc::new(Semaphore::new(limits.sessions)),
            places_by_address: Shares::new(places_by_address),
            sessions_by_address: Shares::new(limits.sessions_per_address),
            offers_by_address: OffersByAddress::new(offers_of_address(limits.sessions_per_address)),
            askers: Askers::default(),
            long_first_messages: Arc::new(Semaphore::new(LONG_FIRST_MESSAGES)),
            refused_for_limits: Seldom::default(),
            refused_for_versions: Seldom::default(),
            config,
            media,
            turn,
            traces,
            resumable: Resumable::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
        }
    }

    /// All rooms.
    pub(crate) fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
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

    /// A client's address as far as the log may have it.
    pub(super) fn shown(&self, address: IpAddr) -> Option<DisplayValue<IpAddr>> {
        match self.config.log.addresses {
            LogAddresses::Full => Some(display(address)),
            LogAddresses::Network => Some(display(neighbourhood(address))),
            LogAddresses::None => None,
        }
    }

    /// Says in the log that a client was refused, and counts where that is often.
    pub(crate) fn note_refusal(&self, kind: Refused, address: IpAddr, reason: &str) {
        let line = match kind {
            Refused::Limit => &self.refused_for_limits,
            Refused::Version => &self.refused_for_versions,
        };
        if let Some(left_out) = line.admit(Instant::now()) {
            let address = self.shown(address);
            tracing::info!(address, reason, left_out, "refused a client");
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
    pub(super) fn session_place(&self, client: IpAddr) -> Result<Place, Full> {
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

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abandoned = self.abandoned.clone();
        // Where it stays: each future that takes another by value has room for it twice.
        let task = Box::pin(task);
        self.tasks.spawn(async move {
            abandoned.run_until_cancelled(task).await;
        });
    }
}
