//! One peer connection as the control plane sees it: offers, plans, and its end.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use ferrite_protocol::IceCandidate;
use tokio::sync::watch;

pub use crate::media::sdp::SdpError;
pub use crate::media::shard::shards::Busy;

use crate::media::id::PeerId;
use crate::media::net::candidates::relayed_candidate;
use crate::media::net::relayed::allocation::Granted;
use crate::media::plan::{Agreement, Plan, Revision};
use crate::media::sdp::{self, Agreed, Local};
use crate::media::shard::allocated::HOST;
use crate::media::shard::command::Command;
use crate::media::shard::mailbox::Mail;
use crate::media::shard::resident::Resident;
use crate::media::shard::shards::Shards;
use crate::media::transport::ice::Credentials;
use crate::random;

/// Addresses taken of one message of a client's. Which of them are of use, and how many it may have, is for others to say.
const MAX_NAMED_AT_ONCE: usize = 32;

/// One peer connection. Dropping it closes it.
pub struct PeerHandle {
    id: PeerId,
    shards: Shards,
    relayed: watch::Receiver<Option<Granted>>,
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
    pub agreed: Arc<Agreed>,
    /// Whether there was room to say what the sections are for; if not, [`PeerHandle::set_plan`] is to be
    /// tried again.
    pub has_plan: bool,
}

struct Negotiation {
    local: Local,
    /// How many of its candidates do not change: the first.
    hosts: usize,
    agreed: Option<Arc<Agreed>>,
    /// How many agreements there were.
    agreements: u64,
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
    /// The handle of a peer that waits for its first offer.
    pub(super) fn new(
        resident: Resident,
        local: Local,
        shards: Shards,
        relayed: watch::Receiver<Option<Granted>>,
    ) -> Self {
        Self {
            id: resident.id,
            shards,
            relayed,
            negotiation: Mutex::new(Negotiation {
                hosts: local.candidates.len(),
                local,
                agreed: None,
                agreements: 0,
                plans: 0,
                newborn: Some(Box::new(resident)),
            }),
        }
    }

    /// Whether an offer is of another peer connection than the offers before. Then so must be ours.
    pub fn is_replaced_by(&self, offer: &str) -> bool {
        let negotiation = self.negotiation();
        let previous = negotiation.agreed.as_deref();
        previous.is_some_and(|previous| sdp::begins_anew(offer, previous))
    }

    /// Offer in, answer out. `streams` says by mid which MediaStream is sent on a section where the offer
    /// names none; `plan`, from what was agreed, what the sections are for. It is asked when the offer
    /// cannot be refused any more.
    pub fn offer(
        &self,
        offer: &str,
        streams: &HashMap<String, String>,
        plan: impl FnOnce(&Arc<Agreed>) -> Arc<Plan>,
    ) -> Result<Answered, SdpError> {
        let negotiation = &mut *self.negotiation();
        let previous = negotiation.agreed.as_deref();
        let mut local = negotiation.local.clone();
        local.candidates.truncate(negotiation.hosts);
        local.candidates.extend(self.relayed_attribute());
        local.streams.clone_from(streams);
        let mut random = rand::random;
        let mut answer = sdp::answer(offer, &local, previous, &mut random)?;
        // RFC 8839 §4.4.3.1.1: new credentials ask for an ICE restart, answered with new ones.
        let restart = previous
            .is_some_and(|previous| previous.ice_ufrag != answer.agreed.ice_ufrag)
            .then(new_credentials);
        if let Some(credentials) = &restart {
            credentials.ufrag.clone_into(&mut local.ice_ufrag);
            credentials.pwd.clone_into(&mut local.ice_pwd);
            answer = sdp::answer(offer, &local, previous, &mut random)?;
        }
        let agreed = Arc::new(answer.agreed);
        let agreement = Agreement {
            number: negotiation.agreements + 1,
            agreed: agreed.clone(),
            local: Credentials {
                ufrag: local.ice_ufrag.clone(),
                pwd: local.ice_pwd.clone(),
            },
        };
        self.agree(negotiation, agreement, restart.is_some())
            .map_err(|Busy| SdpError("the server is too busy; try again".to_owned()))?;
        negotiation.agreements += 1;
        negotiation.local = local;
        negotiation.agreed = Some(agreed.clone());
        let has_plan = self.plan(negotiation, plan(&agreed)).is_ok();
        self.let_out(negotiation);
        Ok(Answered {
            sdp: answer.sdp,
            agreed,
            has_plan,
        })
    }

    /// Says what the sections are for from now on, whole.
    pub fn set_plan(&self, plan: Arc<Plan>) -> Result<(), Busy> {
        self.plan(&mut self.negotiation(), plan)
    }

    /// Has the peer sent reliable messages of its room. What there is no room for comes back.
    pub fn send(&self, messages: Vec<Bytes>) -> Result<(), Vec<Bytes>> {
        let id = self.id;
        let Some(shard) = self.shards.directory.shard_of(id) else {
            return Ok(());
        };
        let refused = self.shards.command(shard, Command::Send { id, messages });
        if let Err(Command::Send { messages, .. }) = refused {
            return Err(messages);
        }
        Ok(())
    }

    /// Says that what the peer sent last was heard.
    pub fn heard(&self) -> Result<(), Busy> {
        self.command(Command::Heard { id: self.id })
    }

    /// Has the peer tell its session why it is not connected. One that nothing was heard of goes to a shard
    /// for it, as it would with its first check.
    pub fn testify(&self) -> Result<(), Busy> {
        self.give_home()?;
        self.command(Command::Testify { id: self.id })
    }

    fn plan(&self, negotiation: &mut Negotiation, plan: Arc<Plan>) -> Result<(), Busy> {
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

    /// Tells the peer what was agreed, and whether that begins a new ICE generation.
    fn agree(
        &self,
        negotiation: &mut Negotiation,
        agreement: Agreement,
        restarts: bool,
    ) -> Result<(), Busy> {
        if let Some(resident) = &mut negotiation.newborn {
            resident.agree(Instant::now(), agreement);
            return Ok(());
        }
        let ufrag = restarts.then(|| agreement.local.ufrag.clone());
        let id = self.id;
        self.give_home()?;
        self.command(Command::Agree { id, agreement })?;
        // Not before: names that no shard was told of must not displace those in use. Nor is it late:
        // the other end learns the new name from the answer.
        if let Some(ufrag) = ufrag {
            self.shards.directory.register(&ufrag, id);
        }
        Ok(())
    }

    /// From now on the peer can be called.
    fn let_out(&self, negotiation: &mut Negotiation) {
        if let Some(resident) = negotiation.newborn.take() {
            self.shards.directory.insert(resident);
        }
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

    /// That of them which may change: the relayed one, if there is one now.
    pub fn relayed_candidate(&self) -> Option<IceCandidate> {
        let relayed: Vec<_> = self.relayed_attribute().into_iter().collect();
        to_init(&relayed, &self.negotiation().local.ice_ufrag).pop()
    }

    fn relayed_attribute(&self) -> Option<String> {
        let granted = (*self.relayed.borrow())?;
        Some(relayed_candidate(granted.relayed))
    }

    /// Whether further candidates may follow.
    pub fn trickles(&self) -> bool {
        self.negotiation().local.trickles
    }

    /// The client, whose WebSocket comes from there, says that it is at these addresses: they are let in where the server is
    /// relayed. What a full mailbox does not take, checks by another way make up for.
    pub fn permit(&self, client: IpAddr, named: impl Iterator<Item = IpAddr>) {
        if !self.trickles() {
            return;
        }
        let (id, named) = (self.id, distinct(named));
        let mail = Mail::Permit { id, client, named };
        let _ = self.shards.send(HOST, mail);
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

/// Each section of a description names the same addresses.
fn distinct(named: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for address in named {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        if addresses.len() == MAX_NAMED_AT_ONCE {
            break;
        }
    }
    addresses
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
pub(super) fn new_credentials() -> Credentials {
    Credentials {
        ufrag: random::text(8),
        pwd: random::text(24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_section_names_is_taken_once_and_of_many_addresses_some() {
        let ip = |at: u8| IpAddr::from([192, 0, 2, at]);
        let sections = (0..40).map(|at| ip(at % 3));
        assert_eq!(distinct(sections), [ip(0), ip(1), ip(2)]);
        assert_eq!(distinct((0..200).map(ip)).len(), MAX_NAMED_AT_ONCE);
    }
}
