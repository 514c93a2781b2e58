//! What the server is told from outside: defaults, a TOML file, `FERRITE_*` environment variables
//! and flags, each stronger than the one before.
//!
//! | file | what it owns |
//! |---|---|
//! | `http`, `media`, `signalling`, `tls`, `tokens`, `turn`, `data`, `limits`, `log` | the settings: each is declared once, with its names, type, default, help and rule |
//! | `declare` | what a declaration becomes, and how sources see it |
//! | `value` | texts to values and back |
//! | `flags` | the command line and the environment |
//! | `file` | the TOML file |
//! | `error` | what a refusal says |
//!
//! To add a setting is to add one declaration to its area's file, and a row to
//! `server/docs/configuration.md`, which a test compares. Nothing here knows what settings are for.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgMatches, Command};

use self::declare::{Area as _, Visitor};
use self::file::File;
use self::flags::{Flags, Help};

mod data;
mod declare;
mod error;
mod file;
mod flags;
mod http;
mod ice_servers;
mod limits;
mod log;
mod media;
mod signalling;
mod tls;
mod tokens;
mod turn;
mod value;

pub use self::data::Data;
pub use self::error::ConfigError;
pub use self::http::Http;
pub(crate) use self::ice_servers::read_servers;
pub use self::ice_servers::{IceServers, IceServersFile, ProviderUrl};
pub use self::limits::Limits;
pub use self::log::{Log, LogAddresses, LogFormat};
pub use self::media::{ExternalIp, Media};
pub use self::signalling::Signalling;
pub use self::tls::{MadeCertificate, Tls};
pub use self::tokens::{KeyFile, NewRooms, Tokens};
pub use self::turn::{PortRange, RelayedCandidate, Secrets, SecretsFile, TcpRelays, Turn};
pub use crate::interface::InterfaceRule;

/// Everything the server is told from outside.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The front door.
    pub http: Http,
    /// Its certificate.
    pub tls: Tls,
    /// The media plane.
    pub media: Media,
    /// Sessions.
    pub signalling: Signalling,
    /// Who may join rooms.
    pub tokens: Tokens,
    /// Relays.
    pub turn: Turn,
    /// What outlives the process.
    pub data: Data,
    /// How much clients may have and do.
    pub limits: Limits,
    /// The log.
    pub log: Log,
}

impl Config {
    /// Reads flags, environment and file.
    ///
    /// # Errors
    /// When any of them cannot be understood, or when the user asked for help.
    pub fn load(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ConfigError> {
        let (config, _) = Self::read(Help::new(), arguments)?;
        Ok(config)
    }

    /// Reads them for a command that has arguments of its own. Its help shows these of the settings.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn load_for(
        command: Command,
        shown: &'static [&'static str],
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(Self, ArgMatches), ConfigError> {
        Self::read(Help::of(command, shown), arguments)
    }

    fn read(
        mut help: Help,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(Self, ArgMatches), ConfigError> {
        let mut config = Self::default();
        config.visit(&mut help)?;
        let mut flags = Flags::read(help, arguments)?;
        if let Some(path) = flags.config() {
            let text = file::read(path)?;
            let mut file = File::parse(path, &text)?;
            config.visit(&mut file)?;
            file.finish()?;
        }
        config.visit(&mut flags)?;
        Ok((config, flags.into_matches()))
    }

    /// Shows every setting of every area.
    fn visit(&mut self, visitor: &mut impl Visitor) -> Result<(), ConfigError> {
        self.http.visit(visitor)?;
        self.tls.visit(visitor)?;
        self.media.visit(visitor)?;
        self.signalling.visit(visitor)?;
        self.tokens.visit(visitor)?;
        self.turn.visit(visitor)?;
        self.data.visit(visitor)?;
        self.limits.visit(visitor)?;
        self.log.visit(visitor)
    }
}

/// A time as settings write it, such as 30s, 500ms, 2m or 1h.
///
/// # Errors
/// When it is written otherwise; says how to write it.
pub fn read_time(text: &str) -> Result<Duration, String> {
    <Duration as value::Single>::parse(text)
}
