//! The settings of relays (TURN). No refusal shows a secret.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ferrite_protocol::IceServer;
use ipnet::IpNet;

use super::declare::settings;
use super::ice_servers::{IceServers, IceServersFile, ProviderUrl};
use super::limits::is_none_or_enough;
use super::value::{Single, Value, seconds, within};

settings! {
    /// Relays.
    pub struct Turn {
        /// A secret shared with whoever gives out time-limited TURN credentials, as coturn's
        /// use-auth-secret. Others on this machine can see a command line: better use the variable, or
        /// --turn-shared-secret-file
        pub shared_secret: Secrets = Secrets::default(), "turn-shared-secret", "SECRET";

        /// A file with further such secrets, one in each line
        pub shared_secret_file: SecretsFile = SecretsFile::default(), "turn-shared-secret-file", "FILE";

        /// A port for TURN over TLS (TCP) and DTLS (UDP), at the addresses of --media-listen; 0 takes any that is
        /// free. It needs a certificate, as HTTPS does; where there is one, --listen takes TURN over TLS, too
        pub turns_port: Option<u16> = None, "turns-port", "PORT";

        /// A secretKey of the REST API that makes, lists and counts TURN credentials; without any there is no
        /// such API. Others on this machine can see a command line: better use the variable, or
        /// --turn-api-key-file
        pub api_key: Secrets = Secrets::default(), "turn-api-key", "SECRET", Secrets::are_long;

        /// A file with further such keys, one in each line
        pub api_key_file: SecretsFile = SecretsFile::default(), "turn-api-key-file", "FILE", |file| file.0.are_long();

        /// How long the relay credentials that a session is told open relays; it is told others when half of that is
        /// over. Relays that are open go on
        // Credentials end at whole seconds.
        pub credential_time: Duration = seconds(3600), "turn-credential-time", "TIME", within(seconds(2), seconds(24 * 3600));

        /// The ports of relays to peers, UDP and TCP; relays to this server itself open none
        pub relay_ports: PortRange = PortRange::default(), "relay-ports", "FROM-TO";

        /// A UDP port at which all relays of datagrams to peers are, instead of each at one of --relay-ports; 0 takes any
        /// that is free. No two of them reach the same address and port of a peer at a time
        pub relay_port_shared: Option<u16> = None, "relay-port-shared", "PORT";

        /// Whether relays may carry streams, too (RFC 6062): `off`, or `on`, where whoever has credentials that lead to
        /// peers can have TCP connections made from this machine
        pub tcp_relays: TcpRelays = TcpRelays::Off, "turn-tcp-relays", "off|on";

        /// What all relays of one credential together carry, in kbit/s each way; 0 sets no limit
        pub bandwidth: u32 = 0, "turn-bandwidth", "KBITS", is_none_or_enough;

        /// Networks that relays may reach though they are not public, such as 10.1.0.0/16
        pub allow: Vec<IpNet> = Vec::new(), "turn-allow", "NETWORK";

        /// Networks that relays may not reach, whatever is allowed
        pub deny: Vec<IpNet> = Vec::new(), "turn-deny", "NETWORK";

        /// Two addresses of this machine, both IPv4 or both IPv6, by which clients find out how their NAT behaves
        /// (RFC 5780); without them they cannot. Media has to be received at both: leave --media-listen out
        pub nat_discovery: Vec<IpAddr> = Vec::new(), "nat-discovery", "IP", are_two_of_a_family;

        /// The second UDP port that this takes, at both of them; 0 takes any that is free
        pub nat_discovery_port: u16 = 3479, "nat-discovery-port", "PORT";

        /// Whether clients that cannot reach this machine are offered a relayed address of its own at one of the TURN
        /// servers of --ice-servers: `never`, `always`, or `auto`, where --external-ip auto finds no address that
        /// is proved
        pub relayed_candidate: RelayedCandidate = RelayedCandidate::Auto, "relayed-candidate", "never|auto|always";

        /// Further STUN and TURN servers for browsers, as a provider hands them out: JSON, an object with
        /// urls, username and credential, or an array of such; in the file, tables
        pub others: IceServers = IceServers::default(), "ice-servers", "JSON";

        /// A file with further such servers, as JSON
        pub others_file: IceServersFile = IceServersFile::default(), "ice-servers-file", "FILE";

        /// A URL at which a provider hands further such servers out, which this server fetches by itself. Others on this
        /// machine can see a command line: where the URL has a key in it, better use the variable
        pub provider: Option<ProviderUrl> = None, "ice-servers-url", "URL";

        /// The key for that, where it is asked for as `Authorization: Bearer`. Better use the variable, or
        /// --ice-servers-key-file
        pub provider_key: Secrets = Secrets::default(), "ice-servers-key", "SECRET", Secrets::is_one;

        /// A file with that key
        pub provider_key_file: SecretsFile = SecretsFile::default(), "ice-servers-key-file", "FILE", |file| file.0.is_one();

        /// How often they are fetched: less than the time for which the provider's credentials are good
        pub provider_every: Duration = seconds(600), "ice-servers-every", "TIME", within(seconds(1), seconds(24 * 3600));
    }
}

impl Turn {
    /// The servers of both.
    #[must_use]
    pub fn ice_servers(&self) -> Vec<IceServer> {
        let file = self.others_file.servers();
        self.others.servers().chain(file).cloned().collect()
    }

    /// The key of the provider, if it has one that is not in its URL.
    #[must_use]
    pub fn provider_key(&self) -> Option<String> {
        let file = self.provider_key_file.0.0.iter();
        self.provider_key.0.iter().chain(file).next().cloned()
    }

    /// The secrets of both.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let file = self.shared_secret_file.0.0.iter();
        self.shared_secret.0.iter().chain(file).cloned().collect()
    }

    /// The keys of both.
    #[must_use]
    pub fn api_keys(&self) -> Vec<String> {
        let file = self.api_key_file.0.0.iter();
        self.api_key.0.iter().chain(file).cloned().collect()
    }
}

#[expect(clippy::ptr_arg, reason = "a rule is given the value as it is")]
fn are_two_of_a_family(ips: &Vec<IpAddr>) -> Result<(), String> {
    match ips[..] {
        [] => Ok(()),
        [a, b]
            if a != b
                && a.is_ipv4() == b.is_ipv4()
                && ![a, b].iter().any(IpAddr::is_unspecified) =>
        {
            Ok(())
        }
        _ => Err("give two addresses of this machine, both IPv4 or both IPv6".to_owned()),
    }
}

/// When there is a relayed address of this machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayedCandidate {
    /// Not at all.
    Never,
    /// Where this machine is to find out its address, and finds none that leads here.
    Auto,
    /// In any case.
    Always,
}

impl Single for RelayedCandidate {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            _ => Err("give never, auto or always".to_owned()),
        }
    }

    fn show(&self) -> String {
        let name = match self {
            Self::Never => "never",
            Self::Auto => "auto",
            Self::Always => "always",
        };
        name.to_owned()
    }
}

/// Whether there are relays of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpRelays {
    /// None.
    Off,
    /// For whoever may reach peers.
    On,
}

impl Single for TcpRelays {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            _ => Err("give off or on".to_owned()),
        }
    }

    fn show(&self) -> String {
        let name = match self {
            Self::Off => "off",
            Self::On => "on",
        };
        name.to_owned()
    }
}

/// Ports, from the first to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange(pub RangeInclusive<u16>);

/// The dynamic ones (RFC 6335 §6), as RFC 8656 §7.2 wants it.
impl Default for PortRange {
    fn default() -> Self {
        Self(49_152..=65_535)
    }
}

impl Single for PortRange {
    fn parse(text: &str) -> Result<Self, String> {
        const HINT: &str = "give the first and the last port, such as 49152-65535";
        let (from, to) = text.split_once('-').ok_or(HINT)?;
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let range = port(from).zip(port(to)).filter(|(from, to)| from <= to);
        let (from, to) = range.ok_or(HINT)?;
        Ok(Self(from..=to))
    }

    fn show(&self) -> String {
        format!("{}-{}", self.0.start(), self.0.end())
    }
}

/// Secrets of a flag or a variable.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// A key of the REST API opens all that it keeps, and anybody may guess.
const MIN_API_KEY_BYTES: usize = 16;

impl Secrets {
    fn is_one(&self) -> Result<(), String> {
        match self.0.len() {
            0 | 1 => Ok(()),
            several => Err(format!("{several} keys: give one")),
        }
    }

    fn are_long(&self) -> Result<(), String> {
        match self
            .0
            .iter()
            .all(|secret| secret.len() >= MIN_API_KEY_BYTES)
        {
            true => Ok(()),
            false => Err(format!(
                "a key is too short: give at least {MIN_API_KEY_BYTES} bytes, such as those of `openssl rand -hex 32`"
            )),
        }
    }
}

impl Value for Secrets {
    const SEVERAL: bool = true;

    fn read(texts: &[&str]) -> Result<Self, String> {
        let written = texts.iter().flat_map(|text| text.split(','));
        some(written)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// Secrets of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretsFile(Secrets);

impl Value for SecretsFile {
    fn read(texts: &[&str]) -> Result<Self, String> {
        let [path] = texts else {
            return Err(format!("{} values: give one", texts.len()));
        };
        // Its name is not shown: it may be a secret by mistake.
        let unreadable = |error| format!("the file cannot be read: {error}");
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let lines = text.lines().map(str::trim);
        some(lines.filter(|line| !line.starts_with('#'))).map(Self)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// A server that was to have a secret must not come up without.
fn some<'a>(written: impl Iterator<Item = &'a str>) -> Result<Secrets, String> {
    let written = written.map(str::trim).filter(|text| !text.is_empty());
    let secrets: Vec<_> = written.map(str::to_owned).collect();
    match secrets.is_empty() {
        true => Err("there is no secret".to_owned()),
        false => Ok(Secrets(secrets)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_first_and_a_last_port() {
        let read = |text| PortRange::parse(text).map(|range| range.0);
        assert_eq!(read("50000-50010"), Ok(50_000..=50_010));
        assert_eq!(read("5 - 5"), Ok(5..=5));
        for wrong in ["", "5", "6-5", "0-5", "5-65536", "-5", "5-", "a-b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Single::show(&PortRange::default()), "49152-65535");
    }

    #[test]
    fn a_nat_is_found_out_about_by_two_addresses() {
        let read = |text: &str| {
            let ips = Vec::<IpAddr>::read(&[text]).unwrap();
            are_two_of_a_family(&ips).is_ok()
        };
        assert!(read("") && read("192.0.2.1,192.0.2.2") && read("2001:db8::1,2001:db8::2"));
        for wrong in [
            "192.0.2.1",
            "192.0.2.1,192.0.2.1",
            "192.0.2.1,2001:db8::1",
            "192.0.2.1,0.0.0.0",
            "192.0.2.1,192.0.2.2,192.0.2.3",
        ] {
            assert!(!read(wrong), "{wrong}");
        }
    }
}
