//! Endurance: what the real `ferrite` binary is like after an hour, after thousands of clients, when
//! it is ended and started, and while somebody floods it.
//!
//! ```sh
//! cargo run --release -p ferrite-tests --bin endurance -- --help
//! cargo run --release -p ferrite-tests --bin endurance -- connects   # 20,000 sessions; minutes
//! cargo run --release -p ferrite-tests --bin endurance -- calls      # 50 calls for an hour
//! ```
//!
//! It starts the server (`FERRITE_BIN`, or else the release build that cargo makes), lets light
//! peers of another implementation call it on the loopback interface
//! ([`ferrite_tests::load`]), prints a table, and exits with 1 if what must hold does not.
//!
//! | file | what it is |
//! |---|---|
//! | `connects` | sessions that end in every state |
//! | `life` | one of them |
//! | `calls` | calls that go on |
//! | `floods` | calls while somebody floods the server |
//! | `rooms` | rooms that people come to and go from |
//! | `restarts` | its end under load, and what comes after |
//! | `subject` | the server, and what it and the kernel say of it |
#![forbid(unsafe_code)]

mod calls;
mod connects;
mod floods;
mod life;
mod restarts;
mod rooms;
mod subject;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What must hold and does not, each in a sentence.
pub(crate) type Complaints = Vec<String>;

#[derive(Debug, Parser)]
#[command(
    name = "endurance",
    about = "Shows what the ferrite binary is like after an hour, after thousands of clients, and in trouble.",
    after_help = "Each run starts a server of its own (FERRITE_BIN, or else the one cargo builds), talks to it over\n\
        the loopback interface, prints a table, and exits with 1 if what must hold does not.\n\
        The server's log is in tests/artefacts/endurance/server.log."
)]
struct Arguments {
    /// The directory of the server's log, in tests/artefacts
    #[arg(long, global = true, default_value = "endurance", value_name = "NAME")]
    log: String,
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Sessions that end in every state: memory, files, threads, tasks and tables come back
    Connects(connects::Options),
    /// Offers, handshakes, checks and nonsense in masses: what they cost those who call
    Floods(floods::Options),
    /// Members of a room flood it with everything they may say: what it costs the others in it
    RoomFloods(floods::rooms::Options),
    /// SIGTERM and kill -9 under load, and a restart: when clients know, and when they are back
    Restarts(restarts::Options),
    /// Rooms that people come to and go from while media flows: memory, files and tables stay flat
    Rooms(rooms::Options),
    /// Calls that go on, with data, while packets get lost: memory stays flat
    Calls(calls::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let Arguments { run, log } = Arguments::parse();
    let complaints = match run {
        Run::Connects(options) => connects::run(&options, &log).await?,
        Run::Floods(options) => floods::run(&options, &log).await?,
        Run::RoomFloods(options) => floods::rooms::run(&options, &log).await?,
        Run::Restarts(options) => restarts::run(&options, &log).await?,
        Run::Rooms(options) => rooms::run(&options, &log).await?,
        Run::Calls(options) => calls::run(&options, &log).await?,
    };
    for complaint in &complaints {
        println!("FAILED: {complaint}");
    }
    Ok(match complaints.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
