//! aiortc, a WebRTC written in Python: the environment it runs in, and calls that it makes to a
//! server. Knows the options and the last line of `python/peer.py`, and nothing of WebRTC.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::Process;
use crate::{Server, artefacts, network};

/// More than the peer's own patience, so that it says itself what it waited for.
const CALL: Duration = Duration::from_secs(240);

/// Calls a fresh server in a network of their own, and returns what the peer saw.
pub fn aiortc_call(test: &str, options: &Value) -> Result<Value> {
    // Before the network goes: this may download.
    let python = python()?;
    let mut seen = Value::Null;
    network::apart(async || {
        let dir = artefacts::fresh(test)?;
        let server = Server::start(&dir, &[]).await?;
        let mut command = tokio::process::Command::new(python);
        command.arg(directory().join("peer.py"));
        command.arg(server.url("/ws").replacen("http", "ws", 1));
        command.arg(options.to_string());
        let mut peer = Process::spawn(&mut command, &dir.join("aiortc.log"))?;
        seen = peer.line("a result", CALL, result).await?;
        println!("{test}: {seen}");
        Ok(())
    })?;
    Ok(seen)
}

fn result(line: &str) -> Option<Value> {
    serde_json::from_str(line.strip_prefix("result ")?).ok()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// The Python that has what `aiortc.txt` says. It is made if it is not there.
fn python() -> Result<PathBuf> {
    let install = directory().join("install");
    let output = Command::new(&install)
        .arg("aiortc")
        .stdin(Stdio::null())
        .output();
    let output = output.with_context(|| format!("running {}", install.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}:\n{said}", install.display());
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/aiortc/bin/python"))
}
