//! All shards as each of them and the control plane sees them: which has which peer, the way to each,
//! and who hears of the peers.

use std::sync::Arc;

use crate::media::id::PeerId;
use crate::media::shard::command::Command;
use crate::media::shard::directory::Directory;
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::listeners::Listeners;
use crate::media::shard::mailbox::{Mail, Mailbox};

/// A shard's mailbox is full. The sender tries again, or gives up.
#[derive(Debug)]
pub struct Busy;

/// The shards.
#[derive(Clone)]
pub struct Shards {
    /// Which has which peer.
    pub directory: Arc<Directory>,
    /// The lines to the peers' sessions.
    pub listeners: Arc<Listeners>,
    mailboxes: Arc<[Mailbox]>,
}

impl Shards {
    /// Shards with these mailboxes, and no peers.
    pub fn new(mailboxes: Vec<Mailbox>) -> Self {
        Self {
            directory: Arc::default(),
            listeners: Arc::default(),
            mailboxes: mailboxes.into(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.mailboxes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.mailboxes.is_empty()
    }

    /// What all share.
    pub fn gauges(&self) -> MediaGauges {
        MediaGauges {
            listeners: self.listeners.len(),
            ..self.directory.gauges()
        }
    }

    /// Leaves something in a shard's mailbox. What there is no room for comes back.
    pub fn send(&self, shard: usize, mail: Mail) -> Result<(), Mail> {
        let mailbox = self.mailboxes.get(shard);
        mailbox.map_or(Ok(()), |mailbox| mailbox.send(mail))
    }

    /// The same with a command for its core.
    pub fn command(&self, shard: usize, command: Command) -> Result<(), Command> {
        match self.send(shard, Mail::Command(command)) {
            Err(Mail::Command(command)) => Err(command),
            Ok(())
            | Err(
                Mail::Relay { .. }
                | Mail::Guest { .. }
                | Mail::Connection(_)
                | Mail::Count(_)
                | Mail::Shutdown,
            ) => Ok(()),
        }
    }

    /// Tells the shard that has a peer something. Where the peer is gone, nobody has to know.
    pub fn command_peer(&self, id: PeerId, command: Command) -> Result<(), Busy> {
        match self.directory.shard_of(id) {
            Some(shard) => self.command(shard, command).map_err(|_| Busy),
            None => Ok(()),
        }
    }
}
