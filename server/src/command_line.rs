//! What the commands have in common: how they read their command line, what they run on, what they say, and how
//! they end. It knows none of them.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use ferrite_server::{Config, ConfigError};

/// The configuration, or the machine, has to change before the server can start.
pub(crate) const REFUSED: u8 = 2;

/// Signalling has a thread for every two cores. The media plane has one for each; and workers that
/// wake each other for every message of a few clients cost more than the messages.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .enable_all()
        .build()
}

/// What follows a word such as `token` on the command line, with the settings that matter to it; or how the program
/// ends.
pub(crate) fn told(
    command: Command,
    settings: &'static [&'static str],
) -> Result<(Config, ArgMatches), ExitCode> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    // The word itself; the program's name stays.
    arguments.remove(1);
    Config::load_for(command, settings, arguments).map_err(|error| match error {
        ConfigError::Information(text) => say(text.trim_end()),
        error => refuse(&error),
    })
}

/// The same of a word that no setting matters to.
pub(crate) fn wish(command: Command) -> Result<ArgMatches, ExitCode> {
    let arguments = std::env::args_os().skip(1);
    command.try_get_matches_from(arguments).map_err(|error| {
        let text = error.to_string();
        match error.use_stderr() {
            true => refuse(&text.trim_end().trim_start_matches("error: ")),
            false => say(text.trim_end()),
        }
    })
}

/// Whoever started the server may have closed its standard output: that is no reason to stop.
pub(crate) fn say(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

pub(crate) fn refuse(error: &impl Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "ferrite: {error}");
    ExitCode::from(REFUSED)
}
