//! How a shard is told things: a bounded channel and a way to wake the shard from its sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use bytes::BytesMut;
use mio::Waker;
use tokio::sync::oneshot;

use crate::media::id::PeerId;
use crate::media::net::path::FourTuple;
use crate::media::sdp::Session;
use crate::media::shard::directory::Busy;
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::resident::Resident;
use crate::media::transport::ice::Credentials;

/// Commands waiting in one shard's mailbox. A full one refuses: offers fail with a clear error,
/// datagrams that landed on another shard are lost like any other.
pub const CAPACITY: usize = 4096;

/// Of those, datagrams from other shards and for them. Whoever floods a shard with datagrams that
/// belong to another leaves room for everybody's offers.
pub const MAX_DATAGRAMS: usize = CAPACITY / 2;

/// What a shard is told.
pub enum Command {
    /// A peer's session changed.
    SetSession {
        /// The peer.
        id: PeerId,
        /// What was agreed.
        session: Arc<Session>,
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
    Count(oneshot::Sender<MediaGauges>),
    /// Close every peer and end.
    Shutdown,
}

impl Command {
    fn is_datagram(&self) -> bool {
        matches!(self, Self::Landed { .. } | Self::Relay { .. })
    }

    /// Carries a command out on a peer. Returns whether the peer stays.
    pub fn apply(self, now: Instant, resident: &mut Resident) -> bool {
        match self {
            Self::SetSession {
                session, restart, ..
            } => resident.peer.set_session(now, session, restart),
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
    datagrams: Arc<AtomicUsize>,
    waker: Waker,
}

impl Mailbox {
    /// Leaves a command and wakes the shard.
    pub fn send(&self, command: Command) -> Result<(), Busy> {
        let is_datagram = command.is_datagram();
        // Two that come at once may both take the last place: that is as good a limit.
        if is_datagram && self.datagrams.load(Ordering::Relaxed) >= MAX_DATAGRAMS {
            return Err(Busy);
        }
        if is_datagram {
            self.datagrams.fetch_add(1, Ordering::Relaxed);
        }
        match self.sender.try_send(command) {
            Ok(()) => {
                // Fails only when the shard is gone, which then needs no waking.
                let _ = self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                self.datagrams
                    .fetch_sub(is_datagram.into(), Ordering::Relaxed);
                Err(Busy)
            }
            // The media plane has shut down.
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

/// Where a shard finds what it is told.
pub struct Inbox {
    receiver: Receiver<Command>,
    datagrams: Arc<AtomicUsize>,
}

impl Inbox {
    /// Takes out what is there, in the order it came.
    pub fn commands(&self) -> impl Iterator<Item = Command> {
        let commands = self.receiver.try_iter().take(CAPACITY);
        commands.inspect(|command| {
            (self.datagrams).fetch_sub(command.is_datagram().into(), Ordering::Relaxed);
        })
    }
}

/// Makes a mailbox for the shard that `waker` wakes.
pub fn new(waker: Waker) -> (Mailbox, Inbox) {
    let (sender, receiver) = sync_channel(CAPACITY);
    let datagrams = Arc::<AtomicUsize>::default();
    let inbox = Inbox {
        receiver,
        datagrams: datagrams.clone(),
    };
    let mailbox = Mailbox {
        sender,
        datagrams,
        waker,
    };
    (mailbox, inbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::path::Transport;

    fn landed() -> Command {
        Command::Landed {
            on: 1,
            path: FourTuple {
                transport: Transport::Udp,
                local: "127.0.0.1:1".parse().unwrap(),
                remote: "127.0.0.1:2".parse().unwrap(),
            },
            datagram: Vec::new(),
        }
    }

    #[test]
    fn a_flood_of_datagrams_leaves_room_for_commands() {
        let poll = mio::Poll::new().unwrap();
        let (mailbox, inbox) = new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        // Again and again: what is taken out makes room.
        for _ in 0..3 {
            let datagrams = (0..CAPACITY).filter(|_| mailbox.send(landed()).is_ok());
            assert_eq!(datagrams.count(), MAX_DATAGRAMS);
            let close = |_: &usize| mailbox.send(Command::Close { id: PeerId(1) }).is_ok();
            assert_eq!(
                (0..CAPACITY).filter(close).count(),
                CAPACITY - MAX_DATAGRAMS
            );
            assert!(mailbox.send(landed()).is_err());
            assert_eq!(inbox.commands().count(), CAPACITY);
        }
    }
}
