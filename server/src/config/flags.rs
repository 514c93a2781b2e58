//! The command line and the environment, which `clap` reads; and what `--help` says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::declare::{Declared, Visitor};
use super::error::ConfigError;
use super::value::Value;

const CONFIG: &str = "config";

const LONG_ABOUT: &str = "A WebRTC server with its browser client inside.\n\n\
    Started without any flag, it serves the client at http://localhost:8080, signalling at \
    /ws, and all media on port 3478, UDP and TCP. Both ports have to be open in a firewall.";

const AFTER_HELP: &str = "\
Flags are stronger than FERRITE_* variables, those are stronger than the file.

Examples:
  ferrite                                         try it on this machine
  ferrite --external-ip 203.0.113.7               behind a cloud provider's NAT
  ferrite --listen 127.0.0.1:9000 --media-port 0  beside another one
  ferrite token --room den --identity me          make a token for trying; more with --help
  ferrite check                                   say whether it can be reached; more with --help
  ferrite replay FILE                             decide again what a trace tells of; more with --help
  ferrite --config /etc/ferrite.toml              with a file such as
                                                    listen = \"[::]:8080\"
                                                    external-ip = [\"203.0.113.7\"]
                                                    resume-time = \"1m\"

Browsers give a page camera and microphone only on localhost and over HTTPS.";

/// What the command line and the environment say.
#[derive(Debug)]
pub(super) struct Flags {
    matches: ArgMatches,
    config: Option<PathBuf>,
}

impl Flags {
    /// Reads them.
    pub(super) fn read(
        help: Help,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, ConfigError> {
        let name = help.command.get_name().to_owned();
        let matches = help.command.try_get_matches_from(arguments);
        let mut matches = matches.map_err(|error| refusal(&error, &name))?;
        let config = matches.remove_one(CONFIG);
        Ok(Self { matches, config })
    }

    /// The file that they name.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// What else they say.
    pub(super) fn into_matches(self) -> ArgMatches {
        self.matches
    }

    /// Where a setting was written, if it was.
    fn source(&self, name: &str) -> Option<String> {
        match self.matches.value_source(name)? {
            ValueSource::CommandLine => Some(format!("--{name}")),
            ValueSource::EnvVariable => Some(variable(name)),
            ValueSource::DefaultValue | _ => None,
        }
    }
}

impl Visitor for Flags {
    fn visit<T: Value>(
        &mut self,
        setting: &Declared,
        value: &mut T,
        rule: impl Fn(&T) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        let Some(source_name) = self.source(setting.name) else {
            return Ok(());
        };
        let texts = self.matches.get_many::<String>(setting.name);
        let texts: Vec<_> = texts.into_iter().flatten().map(String::as_str).collect();
        *value = T::read(&texts)
            .and_then(|value| rule(&value).map(|()| value))
            .map_err(|problem| ConfigError::Senseless {
                source_name,
                problem,
            })?;
        Ok(())
    }
}

fn variable(name: &str) -> String {
    format!("FERRITE_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Makes a flag of every setting that it sees. Help shows the values that it saw.
pub(super) struct Help {
    command: Command,
    /// Those of the settings that help shows, unless it shows all.
    shown: Option<&'static [&'static str]>,
}

impl Help {
    /// With no settings yet.
    pub(super) fn new() -> Self {
        Self {
            command: command().arg(config()),
            shown: None,
        }
    }

    /// Beside a command's own arguments, whose help shows these settings alone.
    pub(super) fn of(command: Command, shown: &'static [&'static str]) -> Self {
        Self {
            command: command.arg(config()),
            shown: Some(shown),
        }
    }
}

impl Visitor for Help {
    fn visit<T: Value>(
        &mut self,
        setting: &Declared,
        value: &mut T,
        _rule: impl Fn(&T) -> Result<(), String>,
    ) -> Result<(), ConfigError> {
        let mut help = paragraph(setting.help);
        if T::SEVERAL {
            help.push_str(". May be given several times, or with commas");
        }
        let mut flag = flag(setting.name, setting.value_name, help);
        flag = flag.action(if T::SEVERAL {
            ArgAction::Append
        } else {
            ArgAction::Set
        });
        if let Some(default) = value.show() {
            flag = flag.default_value(default);
        }
        flag = flag.hide(
            self.shown
                .is_some_and(|shown| !shown.contains(&setting.name)),
        );
        self.command = std::mem::take(&mut self.command).arg(flag);
        Ok(())
    }
}

/// The command without any setting.
fn command() -> Command {
    Command::new("ferrite")
        .bin_name("ferrite")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A WebRTC server with its browser client inside.")
        .long_about(LONG_ABOUT)
        .after_help(AFTER_HELP)
}

fn config() -> Arg {
    let help = "A TOML file with any of the settings, named as here without the dashes";
    flag(CONFIG, "FILE", help.to_owned()).value_parser(value_parser!(PathBuf))
}

fn flag(name: &'static str, value_name: &'static str, help: String) -> Arg {
    Arg::new(name)
        .long(name)
        .env(variable(name))
        .hide_env_values(true)
        .value_name(value_name)
        .help(StyledStr::from(help))
}

/// Lines of a comment as text.
fn paragraph(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// Makes one line of what clap says in several.
fn refusal(error: &clap::Error, command: &str) -> ConfigError {
    if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = error.kind() {
        return ConfigError::Information(error.to_string());
    }
    let suggested = match error.get(ContextKind::SuggestedArg) {
        Some(suggested) => format!(", did you mean {suggested}"),
        None => String::new(),
    };
    let line = line(error);
    ConfigError::Usage(format!("{line}{suggested}; see {command} --help"))
}

fn line(error: &clap::Error) -> String {
    if let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg)
        && error.kind() == ErrorKind::UnknownArgument
        && !argument.starts_with('-')
    {
        // It may be a secret, parted from its name by a space.
        return "there is an argument that belongs to no flag".to_owned();
    }
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}
