//! `ferrite check`: tests a server with these settings, and prints what was found; and what of it the log has when a
//! server starts.

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use ferrite_server::check::{Report, Status, Target, check};

use crate::command_line::{refuse, runtime, say, told};

/// The settings that matter most to it. It takes all.
const SETTINGS: &[&str] = &[
    "listen",
    "tls-cert",
    "tls-key",
    "tls",
    "media-port",
    "media-listen",
    "external-ip",
    "turns-port",
    "turn-shared-secret",
    "turn-shared-secret-file",
    "relay-ports",
    "turn-allow",
    "data",
    "max-sessions",
];

pub(crate) fn main() -> ExitCode {
    let (config, wish) = match told(command(), SETTINGS) {
        Ok(told) => told,
        Err(ended) => return ended,
    };
    // As many files as the server has.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let report = runtime.block_on(check(config));
    // The system may still be asking for a name that nobody waits for any more.
    runtime.shutdown_background();
    show(&report, wish.get_flag("json"))
}

fn command() -> Command {
    Command::new("ferrite check")
        .bin_name("ferrite check")
        .about(
            "Tests the server that runs with these settings, or else one that it starts for this, and says what is \
             wrong. It takes every setting of the server's. The exit code is 0 if nothing is bad, and else 1.",
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("Prints JSON")
                .action(ArgAction::SetTrue),
        )
}

fn show(report: &Report, json: bool) -> ExitCode {
    let _ = match json {
        true => say(&report.json()),
        false => say(&report.to_string()),
    };
    match report.is_ok() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Tests a server that has just started. A line for each thing that is not well, or one for all.
pub(crate) async fn log(server: Target) {
    let rows = server.test().await;
    let wrong = rows.iter().filter(|row| row.status > Status::Skipped);
    let wrong: Vec<_> = wrong.collect();
    for row in &wrong {
        tracing::warn!("self-test: {}", row.text());
    }
    if wrong.is_empty() {
        let ok = rows.iter().filter(|row| row.status == Status::Ok).count();
        tracing::info!(ok, "self-test: nothing is wrong");
    }
}
