//! All shards as each of them and the control plane sees them: which has which peer, the way to each,
//! and who hears of the peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// How many have closed their peers for good.
    parted: Arc<AtomicUsize>,
}

impl Shards {
    /// Shards with these mailboxes, and no peers.
    pub fn new(mailboxes: Vec<Mailbox>) -> Self {
        Self {
            directory: Arc::default(),
            listeners: Arc::default(),
            mailboxes: mailboxes.into(),
            parted: Arc::default(),
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
                | Mail::TurnServers(_)
                | Mail::Permit { .. }
                | Mail::Count(_)
                | Mail::Shutdown,
            ) => Ok(()),
        }
    }

    /// Those that have parted wait for nobody any more.
    pub fn release(&self) {
        self.count(self.len());
    }

    fn count(&self, more: usize) {
        // Whoever sees this sees what was sent before.
        let before = self.parted.fetch_add(more, Ordering::AcqRel);
        if before < self.len() && self.have_parted() {
            // Their loops look how many have.
            self.mailboxes.iter().for_each(Mailbox::wake);
        }
    }

    /// Whether all have.
    pub fn have_parted(&self) -> bool {
        self.parted.load(Ordering::Acquire) >= self.len()
    }

    /// Tells the shard that has a peer something. Where the peer is gone, nobody has to know.
    pub fn command_peer(&self, id: PeerId, command: Command) -> Result<(), Busy> {
        match self.directory.shard_of(id) {
            Some(shard) => self.command(shard, command).map_err(|_| Busy),
            None => Ok(()),
        }
    }
}

/// A shard's word that it has closed its peers, and sent the others what these had to say. It counts once, and at the
/// latest when the shard is gone, whichever way.
pub struct Farewell(Option<Shards>);

impl Farewell {
    /// Of one of these.
    pub fn new(shards: &Shards) -> Self {
        Self(Some(shards.clone()))
    }

    /// Says it.
    pub fn say(&mut self) {
        if let Some(shards) = self.0.take() {
            shards.count(1);
        }
    }

    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        self.0.is_none()
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.say();
    }
}
