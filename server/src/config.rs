//! What the server is told from outside: defaults, a TOML file, `FERRITE_*` environment
//! variables and flags, each stronger than the one before.
//!
//! It owns names, defaults and what a refusal says. It knows nothing of what settings are for.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::network::Network;
use crate::origin::AllowedOrigin;

/// More than any machine has file descriptors for.
const MAX_SESSIONS: usize = 10_000_000;

/// Everything the server is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP and WebSockets are served. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The port of all media, UDP and TCP. 0 takes any that is free.
    pub media_port: u16,
    /// Addresses that a 1:1 NAT maps to this machine.
    pub external_ips: Vec<IpAddr>,
    /// Media threads. 0 means one per core.
    pub shards: usize,
    /// A directory whose files go before the embedded ones.
    pub www: Option<PathBuf>,
    /// Origins besides the server's own whose pages may open sessions.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// How long a session outlives its WebSocket.
    pub resume_time: Duration,
    /// How often clients are asked to ping.
    pub ping_interval: Duration,
    /// The most sessions at a time, those that wait to be resumed included.
    pub max_sessions: usize,
    /// The most sessions at a time of one client address: an IPv4 address, or an IPv6 /64. 0 sets
    /// no limit.
    pub max_sessions_per_address: usize,
    /// Reverse proxies, which are believed about whom they pass on.
    pub trusted_proxies: Vec<Network>,
    /// The most participants in one room.
    pub max_participants: usize,
    /// Frames a client may send per second, sustained. Four times as many may come at once.
    pub max_message_rate: u32,
    /// Which log lines are written.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            media_port: 3478,
            external_ips: Vec::new(),
            shards: 0,
            www: None,
            allowed_origins: Vec::new(),
            resume_time: Duration::from_secs(30),
            ping_interval: Duration::from_secs(15),
            max_sessions: 10_000,
            max_sessions_per_address: 256,
            trusted_proxies: Vec::new(),
            max_participants: 500,
            max_message_rate: 50,
            log: "info,rtc_dtls=error,rtc_sctp=error".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why there is no configuration. Each is one line that says which setting and what to do.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// `--help` or `--version`: this text for standard output, and no error at all.
    #[error("{0}")]
    Information(String),
    /// A flag or variable cannot be understood.
    #[error("{0}; see ferrite --help")]
    Usage(String),
    /// The configuration file cannot be read.
    #[error("the configuration file {path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration file cannot be understood.
    #[error("the configuration file {path} is wrong{place}: {problem}", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// ` in line …`, or nothing.
        place: String,
        /// The problem.
        problem: String,
    },
    /// A value that parses makes no sense.
    #[error("{setting}: {problem}")]
    Senseless {
        /// The flag's name.
        setting: &'static str,
        /// The problem and what to do.
        problem: String,
    },
}

impl Config {
    /// Reads flags, environment and file.
    ///
    /// # Errors
    /// When any of them cannot be understood, or when the user asked for help.
    pub fn load(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ConfigError> {
        let stronger = Settings::read(arguments).map_err(|error| refusal(&error))?;
        let weaker = match &stronger.config {
            Some(path) => read_file(path)?,
            None => Settings::default(),
        };
        stronger.over(weaker).complete()
    }
}

/// What may be said in flags, variables and the file. Whatever is absent has a default.
#[derive(Debug, Default, Parser, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[command(
    name = "ferrite",
    bin_name = "ferrite",
    version,
    about = "A WebRTC server with its browser client inside.",
    long_about = "A WebRTC server with its browser client inside.\n\n\
        Started without any flag, it serves the client at http://localhost:8080, signalling at \
        /ws, and all media on port 3478, UDP and TCP. Both ports have to be open in a firewall.",
    after_help = AFTER_HELP,
    after_long_help = AFTER_HELP
)]
struct Settings {
    /// A TOML file with any of the settings below, named as here without the dashes
    #[arg(long, env = "FERRITE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// Where to serve HTTP and WebSockets; port 0 takes any that is free [default: 0.0.0.0:8080]
    #[arg(long, env = "FERRITE_LISTEN", value_name = "ADDRESS:PORT", value_parser = listen_address)]
    listen: Option<SocketAddr>,

    /// The one port for all media, UDP and TCP; 0 takes any that is free [default: 3478]
    #[arg(long, env = "FERRITE_MEDIA_PORT", value_name = "PORT")]
    media_port: Option<u16>,

    /// The address clients reach this machine at, where a 1:1 NAT hides it (cloud machines,
    /// containers). May be given several times, or with commas
    #[arg(
        long = "external-ip",
        env = "FERRITE_EXTERNAL_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    #[serde(rename = "external-ip")]
    external_ips: Option<Vec<IpAddr>>,

    /// Origins besides the server's own whose pages may open sessions, such as
    /// `https://app.example.com`; `*` allows every page. May be given several times, or with commas
    #[arg(
        long,
        env = "FERRITE_ALLOWED_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    allowed_origins: Option<Vec<AllowedOrigin>>,

    /// Serve the files in this directory before the embedded ones: with `--www www`, a changed
    /// page or style sheet needs no new build
    #[arg(long, env = "FERRITE_WWW", value_name = "DIRECTORY")]
    www: Option<PathBuf>,

    /// Threads for media; 0 means one per core [default: 0]
    #[arg(long, env = "FERRITE_SHARDS", value_name = "COUNT")]
    shards: Option<usize>,

    /// How long a session waits for a client whose WebSocket broke, such as 30s or 500ms
    /// [default: 30s]
    #[arg(long, env = "FERRITE_RESUME_TIME", value_name = "TIME")]
    resume_time: Option<Time>,

    /// How often clients ping; one that is silent for three times as long is dropped
    /// [default: 15s]
    #[arg(long, env = "FERRITE_PING_INTERVAL", value_name = "TIME")]
    ping_interval: Option<Time>,

    /// The most sessions at a time, those that wait for their client included [default: 10000]
    #[arg(long, env = "FERRITE_MAX_SESSIONS", value_name = "COUNT")]
    max_sessions: Option<usize>,

    /// The most sessions at a time of one client address (IPv4 address or IPv6 /64), those that
    /// wait for their client included; 0 sets no limit [default: 256]
    #[arg(long, env = "FERRITE_MAX_SESSIONS_PER_ADDRESS", value_name = "COUNT")]
    max_sessions_per_address: Option<usize>,

    /// Reverse proxies, as addresses or networks such as 172.16.0.0/12, whose X-Forwarded-For says
    /// where a client is; else all of a proxy's clients count as one address. May be given several
    /// times, or with commas
    #[arg(
        long,
        env = "FERRITE_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<Network>>,

    /// The most participants in one room [default: 500]
    #[arg(long, env = "FERRITE_MAX_PARTICIPANTS", value_name = "COUNT")]
    max_participants: Option<usize>,

    /// Frames a client may send per second, sustained; four times as many may come at once.
    /// A client that sends more is disconnected [default: 50]
    #[arg(long, env = "FERRITE_MAX_MESSAGE_RATE", value_name = "COUNT")]
    max_message_rate: Option<u32>,

    /// Which log lines to write: error, warn, info, debug or trace, also by module, as in
    /// info,ferrite_server::signalling=debug [default: info,rtc_dtls=error,rtc_sctp=error]
    #[arg(long, env = "FERRITE_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// How to write log lines [default: text]
    #[arg(long, env = "FERRITE_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

const AFTER_HELP: &str = "\
Flags are stronger than FERRITE_* variables, those are stronger than the file.

Examples:
  ferrite                                         try it on this machine
  ferrite --external-ip 203.0.113.7               behind a cloud provider's NAT
  ferrite --listen 127.0.0.1:9000 --media-port 0  beside another one
  ferrite --config /etc/ferrite.toml              with a file such as
                                                    listen = \"[::]:8080\"
                                                    external-ip = [\"203.0.113.7\"]
                                                    resume-time = \"1m\"

Browsers give a page camera and microphone only on localhost and over HTTPS.";

impl Settings {
    /// Reads flags and environment.
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let command = Self::command().mut_args(|argument| argument.hide_env_values(true));
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    fn over(self, weaker: Self) -> Self {
        Self {
            config: self.config,
            listen: self.listen.or(weaker.listen),
            media_port: self.media_port.or(weaker.media_port),
            external_ips: self.external_ips.or(weaker.external_ips),
            allowed_origins: self.allowed_origins.or(weaker.allowed_origins),
            www: self.www.or(weaker.www),
            shards: self.shards.or(weaker.shards),
            resume_time: self.resume_time.or(weaker.resume_time),
            ping_interval: self.ping_interval.or(weaker.ping_interval),
            max_sessions: self.max_sessions.or(weaker.max_sessions),
            max_sessions_per_address: self
                .max_sessions_per_address
                .or(weaker.max_sessions_per_address),
            trusted_proxies: self.trusted_proxies.or(weaker.trusted_proxies),
            max_participants: self.max_participants.or(weaker.max_participants),
            max_message_rate: self.max_message_rate.or(weaker.max_message_rate),
            log: self.log.or(weaker.log),
            log_format: self.log_format.or(weaker.log_format),
        }
    }

    fn complete(self) -> Result<Config, ConfigError> {
        let default = Config::default();
        let time = |given: Option<Time>, default| given.map_or(default, |time| time.0);
        let config = Config {
            listen: self.listen.unwrap_or(default.listen),
            media_port: self.media_port.unwrap_or(default.media_port),
            external_ips: self.external_ips.unwrap_or(default.external_ips),
            shards: self.shards.unwrap_or(default.shards),
            www: self.www,
            allowed_origins: self.allowed_origins.unwrap_or(default.allowed_origins),
            resume_time: time(self.resume_time, default.resume_time),
            ping_interval: time(self.ping_interval, default.ping_interval),
            max_sessions: self.max_sessions.unwrap_or(default.max_sessions),
            max_sessions_per_address: self
                .max_sessions_per_address
                .unwrap_or(default.max_sessions_per_address),
            trusted_proxies: self.trusted_proxies.unwrap_or(default.trusted_proxies),
            max_participants: self.max_participants.unwrap_or(default.max_participants),
            max_message_rate: self.max_message_rate.unwrap_or(default.max_message_rate),
            log: self.log.unwrap_or(default.log),
            log_format: self.log_format.unwrap_or(default.log_format),
        };
        config.check()?;
        Ok(config)
    }
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let senseless = |setting, problem| Err(ConfigError::Senseless { setting, problem });
        if let Some(www) = self.www.as_deref().filter(|www| !www.is_dir()) {
            return senseless("--www", format!("{} is not a directory", www.display()));
        }
        if let Some(ip) = self.external_ips.iter().find(|ip| ip.is_unspecified()) {
            let problem = format!("{ip} is no address a client can reach; give the public one");
            return senseless("--external-ip", problem);
        }
        if let Err(problem) = check_filter(&self.log) {
            return senseless("--log", format!("{problem}; give a level such as info"));
        }
        // The protocol's rules make a second of anything less.
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        if !(second..=hour).contains(&self.ping_interval) {
            return senseless("--ping-interval", "give a time from 1s to 1h".to_owned());
        }
        if self.resume_time > 24 * hour {
            return senseless("--resume-time", "give a time of at most 24h".to_owned());
        }
        for (setting, is_zero) in [
            ("--max-sessions", self.max_sessions == 0),
            ("--max-participants", self.max_participants == 0),
            ("--max-message-rate", self.max_message_rate == 0),
        ] {
            if is_zero {
                return senseless(setting, "give at least 1".to_owned());
            }
        }
        if self.max_sessions > MAX_SESSIONS {
            return senseless("--max-sessions", format!("give at most {MAX_SESSIONS}"));
        }
        Ok(())
    }
}

fn check_filter(filter: &str) -> Result<(), String> {
    // A lone word that is no level would be taken for a module, and everything else be silent.
    let is_word = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let lone_words = filter.split(',').filter(is_word);
    for word in lone_words {
        word.parse::<LevelFilter>()
            .map_err(|_| format!("there is no level {word:?}"))?;
    }
    EnvFilter::try_new(filter)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        place: error.span().map_or_else(String::new, |span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!(" in line {}", before.matches('\n').count() + 1)
        }),
        problem: error.message().replace('\n', " "),
    })
}

/// Makes one line of what clap says in several.
fn refusal(error: &clap::Error) -> ConfigError {
    if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = error.kind() {
        return ConfigError::Information(error.to_string());
    }
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    ConfigError::Usage(match error.get(ContextKind::SuggestedArg) {
        Some(suggested) => format!("{line}, did you mean {suggested}"),
        None => line,
    })
}

fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "give an address and a port, such as 0.0.0.0:8080 or [::]:8080")
}

/// A span of time as people write it: `30s`, `500ms`, `2m`, `1h`; a bare number means seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time(Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HINT: &str = "give a time such as 30s, 500ms or 2m";
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| HINT)?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "" | "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(HINT),
        };
        Ok(Self(unit * number))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl serde::de::Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"30s\", or a number of seconds")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Time, E> {
        seconds.to_string().parse().map_err(E::custom)
    }
}
