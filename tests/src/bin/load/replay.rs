//! A trace of a server's congestion control, decided again by the server's own rules, and drawn.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use ferrite_tests::server::run_to_end;

use crate::{chart, curves};

#[derive(Debug, Parser)]
#[command(
    name = "load replay",
    about = "Has `ferrite replay` decide again what a trace tells of, shows what was known second by second, and says \
             whether every decision is the same.",
    after_help = "The server is FERRITE_BIN, or else the one cargo builds. The exit code is 0 if every decision is the \
                  same, and else 1."
)]
struct Options {
    /// The trace, as `ferrite --trace DIRECTORY` writes it
    file: PathBuf,
    /// Draws the estimate, what was wanted, delay and losses there
    #[arg(long)]
    svg: Option<PathBuf>,
}

pub(crate) async fn main() -> Result<ExitCode> {
    // The word itself; the program's name stays.
    let arguments = std::env::args_os().enumerate().filter(|(at, _)| *at != 1);
    let options = Options::parse_from(arguments.map(|(_, argument)| argument));
    let file = options
        .file
        .to_str()
        .context("the file's name is no text")?;
    let output = run_to_end(&["replay", file]).await?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    if let (Some(path), false) = (&options.svg, output.stdout.is_empty()) {
        let known = run_to_end(&["replay", file, "--json"]).await?;
        let svg = chart::draw(&curves::of_trace(&serde_json::from_slice(&known.stdout)?));
        std::fs::write(path, svg).with_context(|| path.display().to_string())?;
    }
    Ok(match output.status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
