//! The lines to the sessions that hear of peers. They are no part of a peer, which moves between
//! shards and is plain data; they stay here, where the shards' threads find them by name. States are
//! rare, so that one lock for all of them is no matter.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::media::event::PeerEvent;
use crate::media::id::PeerId;

/// Events waiting for a session that is slow. After that the newest state waits alone.
const EVENTS: usize = 16;

/// The lines.
#[derive(Default)]
pub struct Listeners(Mutex<HashMap<PeerId, mpsc::Sender<PeerEvent>>>);

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, mpsc::Sender<PeerEvent>>> {
        // Every change is one insertion or removal: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody hear of a peer.
    pub fn listen(&self, id: PeerId) -> mpsc::Receiver<PeerEvent> {
        let (events, receiver) = mpsc::channel(EVENTS);
        self.lock().insert(id, events);
        receiver
    }

    /// Tells a peer's session something. What it has no room for comes back.
    pub fn tell(&self, id: PeerId, event: PeerEvent) -> Result<(), PeerEvent> {
        let Some(events) = self.lock().get(&id).cloned() else {
            return Ok(());
        };
        match events.try_send(event) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(event)) => Err(event),
        }
    }

    /// Whether the session is still there.
    pub fn listens(&self, id: PeerId) -> bool {
        (self.lock().get(&id)).is_some_and(|events| !events.is_closed())
    }

    /// Ends a line: the session hears no more.
    pub fn forget(&self, id: PeerId) {
        // It wakes the session, so not under the lock.
        let ended = self.lock().remove(&id);
        drop(ended);
    }

    /// Ends all lines.
    pub fn clear(&self) {
        let ended = std::mem::take(&mut *self.lock());
        drop(ended);
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
