//! The laboratory: how the real client calls the real server over every network that has a name, as a table.
//!
//! ```sh
//! cargo run --release -p ferrite-tests --bin lab                       # all networks, 20 calls in each; minutes
//! cargo run --release -p ferrite-tests --bin lab -- --only symmetric --calls 5
//! cargo run --release -p ferrite-tests --bin lab -- --caller firefox
//! cargo run --release -p ferrite-tests --bin lab -- --only lost --steps  # and where the time goes
//! ```
//!
//! Each network is made of namespaces, so only root can run it, and ends with the program. It exits with 1 if a row
//! is not as it must be.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use ferrite_tests::lab::{self, Caller, ROWS, Row};

#[derive(Parser)]
struct Options {
    /// Calls over each network
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// Only the networks whose names have this in them
    #[arg(long, default_value = "")]
    only: String,
    /// Also what took how long, below each network
    #[arg(long)]
    steps: bool,
    /// Who calls
    #[arg(long, default_value = "chromium")]
    caller: Caller,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    println!("| network | way | p50 | p95 | |");
    println!("|---|---|---|---|---|");
    let mut complaints = Vec::new();
    let rows = ROWS
        .iter()
        .filter(|row| row.name.contains(&options.only) && options.caller.fits(row));
    for row in rows {
        let complaint = match lab::run(row, options.caller, options.calls) {
            Ok(outcome) => {
                print(row, &outcome);
                if options.steps {
                    print_steps(&outcome);
                }
                let wrong = outcome.went_wrong(row.expected);
                wrong.or_else(|| outcome.took_long(row.expected))
            }
            Err(error) => Some(format!("{error:#}")),
        };
        complaints.extend(complaint.map(|it| format!("{}: {it}", row.name)));
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    Ok(ExitCode::from(u8::from(!complaints.is_empty())))
}

fn print(row: &Row, outcome: &lab::Outcome) {
    let ways = outcome.ways().join(", ");
    let [p50, p95] = [50, 95].map(|share| outcome.within(share).map_or("-".to_owned(), ms));
    let told = outcome.told().unwrap_or_default();
    println!("| {} | {ways} | {p50} | {p95} | {told} |", row.name);
}

/// The steps' times do not add up: another call is the slowest in each.
fn print_steps(outcome: &lab::Outcome) {
    for share in [50, 95] {
        let steps = outcome.steps_within(share).into_iter();
        let steps: Vec<_> = steps
            .map(|(name, time)| format!("{name} {}", ms(time)))
            .collect();
        println!("|  | p{share}: {} | | | |", steps.join(", "));
    }
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
