//! A child process: its output is kept in a file, its lines can be waited for, and it is killed
//! when its owner is dropped. Knows nothing of what it runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::wait;

/// An installed program. Where there is none, a word about it.
#[must_use]
pub fn installed(name: &str, whose: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join(name));
    let found = found.find(|program| program.exists());
    if found.is_none() {
        eprintln!("left out: {name}, {whose}, is not installed");
    }
    found
}

/// A running child process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both its outputs in the file `log`.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {:?}", command.as_std().get_program()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Waits for a line for which `pick` finds something.
    pub async fn line<T>(
        &mut self,
        what: &str,
        patience: Duration,
        pick: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let probe = async || {
            // The status comes first: what was written before the exit is then in the log.
            let status = self.child.try_wait()?;
            let log = self.output()?;
            match (log.lines().find_map(&pick), status) {
                (None, Some(status)) => bail!("ended with {status} before {what}:\n{log}"),
                (found, _) => Ok(Found(found)),
            }
        };
        let found = wait::until(what, patience, probe, |found| found.0.is_some()).await?;
        found.0.context("a found line")
    }

    /// Everything the process has printed.
    pub fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// Its process id.
    pub fn id(&self) -> Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.id()?.try_into()?), signal)?)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends SIGKILL, and waits for the end.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self, patience: Duration) -> Result<ExitStatus> {
        let ended = tokio::time::timeout(patience, self.child.wait()).await;
        Ok(ended.with_context(|| format!("still running after {patience:?}"))??)
    }
}

/// Hides a picked value from the message of a failed wait, where the log says more.
struct Found<T>(Option<T>);

impl<T> std::fmt::Debug for Found<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "found" } else { "nothing" })
    }
}
