//! Whose something is at a port that relays share: one relay's, and no later one's that has its number.

use std::net::IpAddr;

/// One relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenant {
    /// Like no other, and never nothing.
    pub(super) id: u64,
    pub(super) shard: usize,
    /// What its shard knows it by.
    pub(super) number: u16,
}

/// Who pays for what it has there, by places in the table.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) user: Box<str>,
    /// How many of either the user may have.
    pub(super) most: usize,
    pub(super) source: IpAddr,
}
