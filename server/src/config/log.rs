//! The settings of the log.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::declare::settings;
use super::value::Single;

settings! {
    /// The log.
    pub struct Log {
        /// Which log lines to write: error, warn, info, debug or trace, also by module, as in
        /// info,ferrite_server::signalling=debug
        pub filter: String = "info,rtc_dtls=error,rtc_sctp=error".to_owned(), "log", "FILTER", is_filter;

        /// How to write log lines: text or json
        pub format: LogFormat = LogFormat::Text, "log-format", "FORMAT";

        /// What log lines say of where a client is: its address in full, its network (the first 24
        /// bits of an IPv4 address, 48 of an IPv6 address), or none
        pub addresses: LogAddresses = LogAddresses::Full, "log-addresses", "PART";
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Single for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("give text or json".to_owned()),
        }
    }

    fn show(&self) -> String {
        let name = match self {
            Self::Text => "text",
            Self::Json => "json",
        };
        name.to_owned()
    }
}

/// What log lines say of where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAddresses {
    /// Its address.
    Full,
    /// The network it is in.
    Network,
    /// Nothing.
    None,
}

impl Single for LogAddresses {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "network" => Ok(Self::Network),
            "none" => Ok(Self::None),
            _ => Err("give full, network or none".to_owned()),
        }
    }

    fn show(&self) -> String {
        let name = match self {
            Self::Full => "full",
            Self::Network => "network",
            Self::None => "none",
        };
        name.to_owned()
    }
}

fn is_filter(filter: &String) -> Result<(), String> {
    // A lone word that is no level would be taken for a module, and everything else be silent.
    let is_word = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for word in filter.split(',').filter(is_word) {
        word.parse::<LevelFilter>()
            .map_err(|_| format!("there is no level {word:?}; give one such as info"))?;
    }
    EnvFilter::try_new(filter)
        .map(drop)
        .map_err(|error| format!("{error}; give a level such as info"))
}
