//! Who comes, and whether there is a place.

use std::net::IpAddr;

use tokio::sync::OwnedSemaphorePermit;

use crate::shares::Share;

/// Where a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// Its address.
    pub(crate) address: IpAddr,
    /// It is on this machine: it can reach loopback addresses.
    pub(crate) loopback: bool,
}

/// A WebSocket's place, among all and among those of its address.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) _of_all: OwnedSemaphorePermit,
    pub(super) _of_address: Share,
}

/// What has no place for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The server.
    Server,
    /// What one address may have of it.
    Address,
}

/// Why a client is refused that could have been let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There are too many.
    Limit,
    /// It speaks another version of the protocol.
    Version,
}
