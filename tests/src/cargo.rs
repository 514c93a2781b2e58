//! Programs of the workspace, built with the profile of the test that asks for them.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::artefacts;

/// Builds the one program that these arguments of `cargo build` name, and says where it is.
pub async fn build(program: &[&str]) -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--message-format=json"])
        .args(program)
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .current_dir(artefacts::repository())
        .stderr(Stdio::inherit());
    let output = command.output().await.context("running cargo")?;
    ensure!(output.status.success(), "{program:?} does not build");
    executable(&String::from_utf8_lossy(&output.stdout)).context("cargo named no executable")
}

/// Finds the executable in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
}
