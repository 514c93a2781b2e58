//! How a shard is told things: a bounded channel and a way to wake the shard from its sockets.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use bytes::BytesMut;
use mio::Waker;
use tokio::sync::oneshot;

use super::directory::{Busy, PeerId};
use super::holdings::MediaHoldings;
use super::ice::{Credentials, FourTuple};
use super::resident::Resident;
use super::sdp::Session;

/// Commands waiting in one shard's mailbox. A full one refuses: offers fail with a clear error,
/// datagrams that landed on another shard are lost like any other.
pub const CAPACITY: usize = 4096;

/// What a shard is told.
pub enum Command {
    /// A peer's session changed.
    SetSession {
        /// The peer.
        id: PeerId,
        /// What was agreed.
        session: Box<Session>,
        /// The credentials of a new ICE generation.
        restart: Option<Credentials>,
    },
    /// Close a peer.
    Close {
        /// The peer.
        id: PeerId,
    },
    /// Take a peer in: its packets land here.
    Adopt {
        /// The peer.
        resident: Box<Resident>,
        /// The paths known to be its own.
        paths: Vec<FourTuple>,
    },
    /// A datagram for one of your peers landed on another shard.
    Landed {
        /// That shard.
        on: usize,
        /// Its path.
        path: FourTuple,
        /// Its bytes.
        datagram: Vec<u8>,
    },
    /// Send a datagram over one of your TCP connections.
    Relay {
        /// The connection's path.
        path: FourTuple,
        /// The datagram.
        data: BytesMut,
    },
    /// Say what you hold.
    Count(oneshot::Sender<MediaHoldings>),
    /// Close every peer and end.
    Shutdown,
}

impl Command {
    /// Carries a command out on a peer. Returns whether the peer stays.
    pub fn apply(self, now: Instant, resident: &mut Resident) -> bool {
        match self {
            Self::SetSession {
                session, restart, ..
            } => resident.peer.set_session(now, *session, restart),
            Self::Close { .. } => resident.peer.close(now),
            Self::Adopt { .. }
            | Self::Landed { .. }
            | Self::Relay { .. }
            | Self::Count(_)
            | Self::Shutdown => {}
        }
        resident.drive(now);
        !resident.peer.is_finished()
    }
}

/// The way to a shard.
pub struct Mailbox {
    sender: SyncSender<Command>,
    waker: Waker,
}

impl Mailbox {
    /// Leaves a command and wakes the shard.
    pub fn send(&self, command: Command) -> Result<(), Busy> {
        match self.sender.try_send(command) {
            Ok(()) => {
                // Fails only when the shard is gone, which then needs no waking.
                let _ = self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(Busy),
            // The media plane has shut down.
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

/// Makes a mailbox for the shard that `waker` wakes.
pub fn new(waker: Waker) -> (Mailbox, Receiver<Command>) {
    let (sender, receiver) = sync_channel(CAPACITY);
    (Mailbox { sender, waker }, receiver)
}
