//! The load tool: what rooms of the real `ferrite` binary cost, and whether everything arrives.
//!
//! ```sh
//! cargo run --release -p ferrite-tests --bin load -- --help
//! cargo run --release -p ferrite-tests --bin load -- --subscribers 500 --bitrate 600
//! cargo run --release -p ferrite-tests --bin load -- --rooms 50 --publishers 4 --subscribers 0 --audio
//! cargo run --release -p ferrite-tests --bin load -- held
//! cargo run --release -p ferrite-tests --bin load -- replay FILE --svg curves.svg
//! ```
//!
//! It starts the server (`FERRITE_BIN`, or else the release build that cargo makes), fills its rooms
//! with light participants over WebSockets and UDP on the loopback interface
//! ([`ferrite_tests::load::rooms`]), lets some send and all check what they get, prints figures
//! beside the machine's raw limits of the same run, and exits with 1 if something was lost.
//!
//! | file | what it is |
//! |---|---|
//! | `options` | what to do |
//! | `run` | doing it |
//! | `data` | members who send one another bytes meanwhile |
//! | `samples` | what was seen second by second, and in all |
//! | `report` | the figures, printed and as JSON |
//! | `held` | many runs, and the table of them |
//! | `replay` | decides again what a trace of a server's congestion control tells of |
//! | `curves` | what is drawn of either |
//! | `chart` | drawing it, as SVG |
#![forbid(unsafe_code)]

mod chart;
mod curves;
mod data;
mod held;
mod options;
mod replay;
mod report;
mod run;
mod samples;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use options::{Options, Other};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let word = std::env::args().nth(1);
    match word.as_deref() {
        Some("replay") => return replay::main().await,
        Some("held") => return held::main().await,
        _ => {}
    }
    let options = Options::parse();
    let figures = run::run(&options).await?;
    let beside = match options.beside {
        Some(Other::Janus) => run::run_at_janus(&options).await?,
        None => None,
    };
    report::print(&options, &figures, beside.as_ref());
    if let Some(path) = &options.json {
        let mut json = report::json(&figures);
        if let Some(beside) = &beside {
            json["beside"] = report::json(beside);
        }
        let json = serde_json::to_string_pretty(&json)?;
        std::fs::write(path, json + "\n").with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.svg {
        let svg = chart::draw(&curves::of_run(&figures));
        std::fs::write(path, svg).with_context(|| path.display().to_string())?;
    }
    let complaints = figures.complaints();
    for complaint in &complaints {
        println!("FAILED: {complaint}");
    }
    Ok(match complaints.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
