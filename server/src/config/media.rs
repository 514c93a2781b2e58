//! The settings of the media plane.

use std::net::IpAddr;
use std::path::PathBuf;

use super::declare::settings;
use super::value::{Single, within};
use crate::interface::InterfaceRule;

/// More than any machine has cores.
const MAX_SHARDS: usize = 1024;

settings! {
    /// The media plane.
    pub struct Media {
        /// The one port for all media, UDP and TCP; 0 takes any that is free
        pub port: u16 = 3478, "media-port", "PORT";

        /// The addresses to receive media at, one IPv4 and one IPv6 address at most; without any, media is
        /// received at every address of this machine, whatever --listen says
        pub listen: Vec<IpAddr> = Vec::new(), "media-listen", "IP", are_one_of_a_family;

        /// The address clients reach this machine at, where a 1:1 NAT hides it (cloud machines,
        /// containers); `auto` asks the STUN servers of --ice-servers for it at the start
        pub external_ips: Vec<ExternalIp> = Vec::new(), "external-ip", "IP", are_reachable;

        /// The interfaces whose addresses clients are told, by name (eth0, wg*) or network (10.0.0.0/8), and
        /// after a `!` those whose addresses they are not; without any to tell of, all but bridges of containers
        pub interfaces: Vec<InterfaceRule> = Vec::new(), "interface", "NAME";

        /// Threads for media; 0 means one per core
        pub shards: usize = 0, "shards", "COUNT", within(0, MAX_SHARDS);

        /// A directory for traces of congestion control, a file for each peer connection, for `ferrite replay`;
        /// made if it is not there. Without it none are written
        pub traces: Option<PathBuf> = None, "trace", "DIRECTORY";

        /// The rooms whose traces are written; without any, those of all
        pub traced_rooms: Vec<String> = Vec::new(), "trace-room", "NAME";
    }
}

impl Media {
    /// Those that are given.
    #[must_use]
    pub fn literal_ips(&self) -> Vec<IpAddr> {
        self.external_ips
            .iter()
            .filter_map(ExternalIp::literal)
            .collect()
    }

    /// Whether others are to be asked for.
    #[must_use]
    pub fn asks_for_its_address(&self) -> bool {
        self.external_ips.contains(&ExternalIp::Auto)
    }
}

/// An address that clients reach this machine at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalIp {
    /// This one.
    Literal(IpAddr),
    /// Whichever STUN servers see.
    Auto,
}

impl ExternalIp {
    fn literal(&self) -> Option<IpAddr> {
        match self {
            Self::Literal(ip) => Some(*ip),
            Self::Auto => None,
        }
    }
}

impl From<IpAddr> for ExternalIp {
    fn from(ip: IpAddr) -> Self {
        Self::Literal(ip)
    }
}

impl Single for ExternalIp {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => IpAddr::parse(text)
                .map(Self::Literal)
                .map_err(|hint| format!("{hint}, or auto")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Literal(ip) => Single::show(ip),
            Self::Auto => "auto".to_owned(),
        }
    }
}

impl Single for InterfaceRule {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(str::to_owned)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[expect(clippy::ptr_arg, reason = "a rule is given the value as it is")]
fn are_reachable(ips: &Vec<ExternalIp>) -> Result<(), String> {
    let mut literal = ips.iter().filter_map(ExternalIp::literal);
    match literal.find(IpAddr::is_unspecified) {
        Some(ip) => Err(format!(
            "{ip} is no address a client can reach; give the public one"
        )),
        None => Ok(()),
    }
}

/// A shard finds the socket to send on by the family.
#[expect(clippy::ptr_arg, reason = "a rule is given the value as it is")]
fn are_one_of_a_family(ips: &Vec<IpAddr>) -> Result<(), String> {
    let of_family = |ipv4| ips.iter().filter(|ip| ip.is_ipv4() == ipv4).count();
    match of_family(true) > 1 || of_family(false) > 1 {
        true => Err("give one IPv4 and one IPv6 address at most".to_owned()),
        false => Ok(()),
    }
}
