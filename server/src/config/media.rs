//! The settings of the media plane.

use std::net::IpAddr;

use super::declare::settings;
use super::value::within;

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
        /// containers)
        pub external_ips: Vec<IpAddr> = Vec::new(), "external-ip", "IP", are_reachable;

        /// Threads for media; 0 means one per core
        pub shards: usize = 0, "shards", "COUNT", within(0, MAX_SHARDS);
    }
}

#[expect(clippy::ptr_arg, reason = "a rule is given the value as it is")]
fn are_reachable(ips: &Vec<IpAddr>) -> Result<(), String> {
    match ips.iter().find(|ip| ip.is_unspecified()) {
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
