//! aiortc, a WebRTC written in Python: the environment it runs in, and calls that it makes to a
//! server. Knows the options and the last line of `python/peer.py`, and nothing of WebRTC.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::Process;
use crate::{Server, artefacts, network};

/// More than the peer's own patience, so that it says itself what it waited for.
const CALL: Duration = Duration::from_secs(90);

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

/// The Python that has what `requirements.txt` says, in `tests/.venv`. Makes it if it is not there,
/// once for all tests and processes that ask at the same time.
fn python() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = File::create(root.join(".venv.lock"))?;
    lock.lock()?;
    let requirements = directory().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let environment = root.join(".venv");
    let installed = environment.join("installed.txt");
    let python = environment.join("bin/python");
    if std::fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
        let options = ["-m", "venv", "--clear"];
        run(Command::new("python3").args(options).arg(&environment))?;
        let pip = ["-m", "pip", "install", "--quiet", "--no-input", "-r"];
        run(Command::new(&python).args(pip).arg(&requirements))?;
        std::fs::write(&installed, wanted)?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}:\n{said}");
    Ok(())
}
