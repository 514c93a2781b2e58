//! Which of this machine's interfaces clients are told of: those that the settings name, or all but the bridges of
//! containers and virtual machines, which nobody else reaches. Pure: names and addresses in, addresses out.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Linux's names are shorter (IFNAMSIZ).
const MAX_NAME: usize = 15;

/// What bridges of Docker, Podman, libvirt, LXC and Kubernetes are called.
const BRIDGES: [&str; 7] = [
    "docker", "podman", "virbr", "lxcbr", "lxdbr", "cni", "flannel",
];

/// Docker's own networks are called after their number.
const NUMBERED: &str = "br-";

/// Interfaces to tell clients of, or to leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRule {
    leaves_out: bool,
    which: Which,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    /// Of this name.
    Named(String),
    /// Whose name begins so.
    Beginning(String),
    /// With an address in this network.
    Within(IpNet),
}

impl InterfaceRule {
    fn is_about(&self, name: &str, address: IpAddr) -> bool {
        match &self.which {
            Which::Named(known) => name == known,
            Which::Beginning(start) => name.starts_with(start.as_str()),
            Which::Within(network) => network.contains(&address),
        }
    }
}

/// `eth0`, `wg*`, `10.0.0.0/8`; what is left out has an exclamation mark before it.
impl FromStr for InterfaceRule {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HINT: &str = "give an interface such as eth0, several such as wg*, or a network such as 10.0.0.0/8, \
            and ! before what to leave out";
        let (leaves_out, what) = match text.strip_prefix('!') {
            Some(what) => (true, what),
            None => (false, text),
        };
        let network = what.parse().ok();
        let address = || Some(IpNet::from(what.parse::<IpAddr>().ok()?));
        let which = match (network.or_else(address), what.strip_suffix('*')) {
            (Some(network), _) => Which::Within(network),
            (None, Some(start)) if is_name(start) => Which::Beginning(start.to_owned()),
            (None, None) if is_name(what) => Which::Named(what.to_owned()),
            (None, Some(_) | None) => return Err(HINT),
        };
        Ok(Self { leaves_out, which })
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_graphic() && !b"/*!:,".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_part)
}

impl fmt::Display for InterfaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.leaves_out { "!" } else { "" };
        match &self.which {
            Which::Named(name) => write!(f, "{mark}{name}"),
            Which::Beginning(start) => write!(f, "{mark}{start}*"),
            Which::Within(network) => write!(f, "{mark}{network}"),
        }
    }
}

/// The addresses that clients are told of. Loopback's are for those on this machine, whatever else is chosen; what is
/// `listened` at by its address is chosen by that.
pub(crate) fn choose<'i>(
    rules: &[InterfaceRule],
    listened: &[IpAddr],
    interfaces: impl Iterator<Item = (&'i str, IpAddr)> + Clone,
) -> Vec<IpAddr> {
    let about = |leaves_out: bool, name: &str, address: IpAddr| {
        let mut rules = rules
            .iter()
            .filter(move |rule| rule.leaves_out == leaves_out);
        rules.any(|rule| rule.is_about(name, address))
    };
    let names_some = rules.iter().any(|rule| !rule.leaves_out);
    let left = interfaces.filter(|(name, address)| !about(true, name, *address));
    let is_chosen = |(name, address): &(&str, IpAddr)| match names_some {
        true => address.is_loopback() || about(false, name, *address),
        false => !is_bridge(name) || listened.contains(address),
    };
    let chosen: Vec<_> = left
        .clone()
        .filter(is_chosen)
        .map(|(_, address)| address)
        .collect();
    // Where there is nothing but bridges, those have to do.
    match names_some || chosen.iter().any(|address| !address.is_loopback()) {
        true => chosen,
        false => left.map(|(_, address)| address).collect(),
    }
}

fn is_bridge(name: &str) -> bool {
    let number = name.strip_prefix(NUMBERED);
    let is_numbered =
        |number: &str| number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    BRIDGES.iter().any(|bridge| name.starts_with(bridge)) || number.is_some_and(is_numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 6] = [
        ("lo", "127.0.0.1"),
        ("eth0", "192.0.2.1"),
        ("wg0", "10.8.0.1"),
        ("docker0", "172.17.0.1"),
        ("br-0123456789ab", "172.18.0.1"),
        ("br-lan", "192.168.1.1"),
    ];

    fn chosen(rules: &[&str]) -> Vec<&'static str> {
        let rules: Vec<_> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let all = ALL
            .iter()
            .map(|(name, address)| (*name, address.parse().unwrap()));
        let chosen = choose(&rules, &[], all);
        let is_chosen = |address: &str| chosen.contains(&address.parse().unwrap());
        let names = ALL.iter().filter(|(_, address)| is_chosen(address));
        names.map(|(name, _)| *name).collect()
    }

    #[test]
    fn bridges_are_left_out_unless_they_are_named() {
        assert_eq!(chosen(&[]), ["lo", "eth0", "wg0", "br-lan"]);
        assert_eq!(chosen(&["docker0"]), ["lo", "docker0"]);
        assert_eq!(chosen(&["br-*"]), ["lo", "br-0123456789ab", "br-lan"]);
        let bridge = [("docker0", "172.17.0.1".parse().unwrap())];
        assert_eq!(choose(&[], &[], bridge.into_iter()).len(), 1);
    }

    #[test]
    fn a_bridge_that_is_listened_at_is_told() {
        let at = "172.17.0.1".parse().unwrap();
        let all = ALL.map(|(name, address)| (name, address.parse().unwrap()));
        assert!(choose(&[], &[at], all.into_iter()).contains(&at));
        assert!(!choose(&[], &[], all.into_iter()).contains(&at));
    }

    #[test]
    fn interfaces_are_chosen_and_left_out_by_name_and_network() {
        assert_eq!(chosen(&["!wg*"]), ["lo", "eth0", "br-lan"]);
        assert_eq!(chosen(&["!10.0.0.0/8", "!br-lan"]), ["lo", "eth0"]);
        assert_eq!(chosen(&["192.0.2.0/24", "wg0"]), ["lo", "eth0", "wg0"]);
        assert_eq!(chosen(&["eth0", "wg0", "!10.8.0.1"]), ["lo", "eth0"]);
        assert_eq!(chosen(&["eth0", "!lo"]), ["eth0"]);
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in ["eth0", "wg*", "!docker0", "!10.0.0.0/8", "2001:db8::/32"] {
            assert_eq!(text.parse::<InterfaceRule>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "!",
            "*",
            "a/b",
            "!!eth0",
            "a*b",
            "10.0.0.0/33",
            "sixteen-letters-",
        ] {
            assert!(text.parse::<InterfaceRule>().is_err(), "{text}");
        }
    }
}
