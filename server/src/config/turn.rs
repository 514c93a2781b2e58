//! The settings of relays (TURN). No refusal shows a secret.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ferrite_protocol::IceServer;
use ipnet::IpNet;

use super::declare::settings;
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

        /// The ports of relays to peers, UDP; relays to this server itself open none
        pub relay_ports: PortRange = PortRange::default(), "relay-ports", "FROM-TO";

        /// Networks that relays may reach though they are not public, such as 10.1.0.0/16
        pub allow: Vec<IpNet> = Vec::new(), "turn-allow", "NETWORK";

        /// Networks that relays may not reach, whatever is allowed
        pub deny: Vec<IpNet> = Vec::new(), "turn-deny", "NETWORK";

        /// Two addresses of this machine, both IPv4 or both IPv6, by which clients find out how their NAT behaves
        /// (RFC 5780); without them they cannot. Media has to be received at both: leave --media-listen out
        pub nat_discovery: Vec<IpAddr> = Vec::new(), "nat-discovery", "IP", are_two_of_a_family;

        /// The second UDP port that this takes, at both of them; 0 takes any that is free
        pub nat_discovery_port: u16 = 3479, "nat-discovery-port", "PORT";

        /// Further STUN and TURN servers for browsers, as a provider hands them out: JSON, an object with
        /// urls, username and credential, or an array of such; in the file, tables
        pub others: IceServers = IceServers::default(), "ice-servers", "JSON";

        /// A file with further such servers, as JSON
        pub others_file: IceServersFile = IceServersFile::default(), "ice-servers-file", "FILE";
    }
}

impl Turn {
    /// The servers of both.
    #[must_use]
    pub fn ice_servers(&self) -> Vec<IceServer> {
        let file = self.others_file.0.0.iter();
        self.others.0.iter().chain(file).cloned().collect()
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

/// Servers of a flag, a variable, or tables.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServers(Vec<IceServer>);

impl fmt::Debug for IceServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.0.iter().flat_map(|server| &server.urls);
        f.debug_list().entries(urls).finish()
    }
}

impl Value for IceServers {
    const SEVERAL: bool = true;
    const TABLES: bool = true;

    fn read(texts: &[&str]) -> Result<Self, String> {
        let mut servers = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let read = read_servers(text);
            servers.extend(read.map_err(|problem| format!("entry {}: {problem}", at + 1))?);
        }
        Ok(Self(servers))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// Servers of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServersFile(IceServers);

impl Value for IceServersFile {
    fn read(texts: &[&str]) -> Result<Self, String> {
        let [path] = texts else {
            return Err(format!("{} values: give one", texts.len()));
        };
        let unreadable = |error| format!("{path} cannot be read: {error}");
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let servers = read_servers(&text).map_err(|problem| format!("{path}: {problem}"))?;
        Ok(Self(IceServers(servers)))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

const EXAMPLE: &str = r#"give JSON such as {"urls": ["turn:HOST:3478"], "username": "NAME", "credential": "PASSWORD"}"#;

/// One server or several, whose `urls` may be a single one, as browsers take them.
fn read_servers(text: &str) -> Result<Vec<IceServer>, String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Several<T> {
        Many(Vec<T>),
        One(T),
    }
    impl<T> Several<T> {
        fn all(self) -> Vec<T> {
            match self {
                Self::Many(many) => many,
                Self::One(one) => vec![one],
            }
        }
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Server {
        urls: Several<String>,
        username: Option<String>,
        credential: Option<String>,
    }
    // What serde says would show what was written.
    let servers: Several<Server> = serde_json::from_str(text).map_err(|_| EXAMPLE)?;
    servers
        .all()
        .into_iter()
        .map(|server| {
            check(IceServer {
                urls: server.urls.all(),
                username: server.username,
                credential: server.credential,
            })
        })
        .collect()
}

/// A browser refuses all servers for one that is wrong.
fn check(server: IceServer) -> Result<IceServer, String> {
    let scheme = |url: &String| url.split_once(':').map(|(scheme, _)| scheme.to_owned());
    let schemes: Option<Vec<_>> = server.urls.iter().map(scheme).collect();
    let schemes = schemes
        .filter(|schemes| !schemes.is_empty())
        .ok_or(EXAMPLE)?;
    if let Some(other) = schemes
        .iter()
        .find(|scheme| !SCHEMES.contains(&scheme.as_str()))
    {
        return Err(format!(
            "{other}: is none of stun:, stuns:, turn: and turns:"
        ));
    }
    let is_turn = schemes.iter().any(|scheme| scheme.starts_with("turn"));
    if is_turn && (server.username.is_none() || server.credential.is_none()) {
        return Err("a turn: server needs username and credential".to_owned());
    }
    Ok(server)
}

const SCHEMES: [&str; 4] = ["stun", "stuns", "turn", "turns"];

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

    #[test]
    fn servers_are_written_as_browsers_take_them() {
        let read = |text| read_servers(text).unwrap();
        let one = read(r#"{"urls": "stun:a:80"}"#);
        assert_eq!(
            (one.len(), &one[0].urls[..]),
            (1, &["stun:a:80".to_owned()][..])
        );
        let two = read(
            r#"[{"urls": "stun:a"}, {"urls": ["turn:a", "turns:a"], "username": "u", "credential": "c"}]"#,
        );
        assert_eq!((two.len(), two[1].username.as_deref()), (2, Some("u")));
        for wrong in [
            "",
            "stun:a",
            "{}",
            r#"{"urls": []}"#,
            r#"{"urls": "http://a"}"#,
            r#"{"urls": "turn:a"}"#,
            r#"{"urls": "turn:a", "username": "u"}"#,
            r#"{"urls": "stun:a", "password": "c"}"#,
        ] {
            assert!(read_servers(wrong).is_err(), "{wrong}");
        }
    }
}
