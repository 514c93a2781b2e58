//! The settings of relays (TURN). No refusal shows a secret.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::declare::settings;
use super::value::{Single, Value};

settings! {
    /// Relays.
    pub struct Turn {
        /// A secret shared with whoever gives out time-limited TURN credentials, as coturn's
        /// use-auth-secret. Others on this machine can see a command line: better use the variable, or
        /// --turn-shared-secret-file
        pub shared_secret: Secrets = Secrets::default(), "turn-shared-secret", "SECRET";

        /// A file with further such secrets, one in each line
        pub shared_secret_file: SecretsFile = SecretsFile::default(), "turn-shared-secret-file", "FILE";

        /// The ports of relays to peers, UDP; relays to this server itself open none
        pub relay_ports: PortRange = PortRange::default(), "relay-ports", "FROM-TO";

        /// Networks that relays may reach though they are not public, such as 10.1.0.0/16
        pub allow: Vec<IpNet> = Vec::new(), "turn-allow", "NETWORK";

        /// Networks that relays may not reach, whatever is allowed
        pub deny: Vec<IpNet> = Vec::new(), "turn-deny", "NETWORK";
    }
}

impl Turn {
    /// The secrets of both.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let file = self.shared_secret_file.0.0.iter();
        self.shared_secret.0.iter().chain(file).cloned().collect()
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
}
