//! Puts the servers of all shards together from what they share.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use super::access::Access;
use super::credentials::{Credentials, SharedSecret};
use super::guest::{Addresses, TurnGuest};
use super::nonce::Nonces;
use super::ports::Ports;
use super::server::Shared;
use crate::media::net::candidates::Interfaces;
use crate::media::net::guest::Guest;
use crate::media::net::sockets::Port;

/// What relays are told from outside.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// Who gives time-limited credentials out.
    pub secrets: Vec<SharedSecret>,
    /// The relays' ports.
    pub relay_ports: RangeInclusive<u16>,
    /// Whom they may reach.
    pub access: Access,
    /// What a 1:1 NAT makes of this machine's addresses.
    pub external_ips: Vec<IpAddr>,
}

/// The servers.
pub struct TurnServers {
    config: TurnConfig,
    credentials: Arc<Credentials>,
    made: OnceLock<(Arc<Shared>, Arc<Addresses>)>,
}

impl TurnServers {
    /// None yet.
    pub fn new(config: TurnConfig) -> Self {
        Self {
            credentials: Arc::new(Credentials::new(config.secrets.clone())),
            config,
            made: OnceLock::new(),
        }
    }

    /// Who may have a relay.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// A shard's.
    pub fn guest(&self, port: &Port, shard: usize) -> Box<dyn Guest> {
        let (shared, addresses) = self.made.get_or_init(|| self.share(port));
        Box::new(TurnGuest::new(shared.clone(), addresses.clone(), shard))
    }

    fn share(&self, port: &Port) -> (Arc<Shared>, Arc<Addresses>) {
        let addresses = Addresses {
            port: port.clone(),
            external: self.config.external_ips.clone(),
            interfaces: Interfaces::default(),
        };
        let shared = Shared::new(
            self.config.access.clone(),
            self.credentials.clone(),
            Ports::new(self.config.relay_ports.clone()),
            Nonces::new(&rand::random()),
            port.number,
        );
        (Arc::new(shared), Arc::new(addresses))
    }
}
