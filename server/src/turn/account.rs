//! What a user of relays may do, and whether it still may: one for all of its relays, on whatever shard they are.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bandwidth::Allowance;
use super::meter::{Meter, Payer};

/// Where a user's relays lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this server's media port alone.
    Ourselves,
    /// To peers, too.
    Peers,
    /// To this address alone, whoever may be reached else: for the server's own test.
    Only(IpAddr),
}

/// A user's rights, and whether they are still its.
#[derive(Debug)]
pub struct Account {
    /// Where its relays lead.
    pub reach: Reach,
    /// The second at which its relays end.
    pub expires: Option<u64>,
    /// Where the bytes that it relays are counted; the server's own test has none.
    pub meter: Option<Arc<Meter>>,
    /// What it may relay, if there is a limit.
    pub allowance: Option<Arc<Allowance>>,
    revoked: AtomicBool,
}

impl Account {
    pub(super) fn new(
        reach: Reach,
        expires: Option<u64>,
        meter: Option<Arc<Meter>>,
        allowance: Option<Arc<Allowance>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            reach,
            expires,
            meter,
            allowance,
            revoked: AtomicBool::new(false),
        })
    }

    /// Whether it is a stored credential's.
    pub fn is_stored(&self) -> bool {
        let payer = self.meter.as_ref().map(|meter| meter.payer());
        matches!(payer, Some(Payer::Stored(_)))
    }

    pub(super) fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
    }

    /// Whether its relays have to end.
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }
}

/// What is shown to nobody by mistake.
#[derive(Clone)]
pub(super) struct Password(pub(super) String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
