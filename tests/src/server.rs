//! The server under test: the real `ferrite` binary on ports the system chose. Knows the line it
//! prints when it is ready, its flags, and nothing of its insides.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::network::{INSIDE, Natted, OUTSIDE, Roaming, SERVER};
use crate::process::Process;
use crate::{artefacts, cargo, wait};

/// A port chosen by the system, not reachable from outside the machine.
const ANY_PORT: &str = "127.0.0.1:0";

const START: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// `http` or `https`.
    scheme: String,
    address: String,
    media_port: u16,
    turns_port: Option<u16>,
    flags: Vec<String>,
}

impl Server {
    /// Starts the server and waits until it listens. Its log goes to `dir`.
    pub async fn start(dir: &Path, flags: &[&str]) -> Result<Self> {
        Self::start_at(dir, ANY_PORT, flags).await
    }

    /// Starts the server on this address, as one that comes back does.
    pub async fn start_at(dir: &Path, listen: &str, flags: &[&str]) -> Result<Self> {
        Self::launch(dir, listen, 0, flags).await
    }

    /// Starts the server in the network that is its own.
    pub async fn start_beyond(networks: &Roaming, dir: &Path, flags: &[&str]) -> Result<Self> {
        let listen = format!("{SERVER}:0");
        let flags = [&["--external-ip", SERVER], flags].concat();
        let start = async || Self::start_at(dir, &listen, &flags).await;
        networks.at_server(start).await
    }

    /// Starts the server behind a NAT. It is reached at the address that that gives it.
    pub async fn start_behind(nat: &Natted, dir: &Path, flags: &[&str]) -> Result<Self> {
        let listen = format!("{INSIDE}:0");
        let start = async || Self::start_at(dir, &listen, flags).await;
        Ok(nat.at_server(start).await?.reached_at(INSIDE, OUTSIDE))
    }

    /// The same of one that trusts whom this file vouches for, and nobody else.
    pub async fn start_trusting(
        nat: &Natted,
        dir: &Path,
        flags: &[&str],
        vouching: &Path,
    ) -> Result<Self> {
        let listen = format!("{INSIDE}:0");
        let mut command = command().await?;
        command.env("SSL_CERT_FILE", vouching);
        let start = async || Self::launch_as(command, dir, &listen, 0, flags).await;
        Ok(nat.at_server(start).await?.reached_at(INSIDE, OUTSIDE))
    }

    /// The same, if it listens at the first of these hosts and is reached at the other.
    #[must_use]
    pub fn reached_at(mut self, inside: &str, outside: &str) -> Self {
        self.address = self.address.replace(inside, outside);
        self
    }

    async fn launch(dir: &Path, listen: &str, media_port: u16, flags: &[&str]) -> Result<Self> {
        let command = command().await?;
        Self::launch_as(command, dir, listen, media_port, flags).await
    }

    async fn launch_as(
        mut command: Command,
        dir: &Path,
        listen: &str,
        media_port: u16,
        flags: &[&str],
    ) -> Result<Self> {
        let media_port = media_port.to_string();
        command.args(["--listen", listen, "--media-port", &media_port]);
        // All peers of a test come from one address.
        command.env("FERRITE_MAX_SESSIONS_PER_ADDRESS", "0");
        command.args(flags).current_dir(dir);
        command.env("FERRITE_LOG", "info,ferrite_server=debug");
        let mut process = Process::spawn(&mut command, &dir.join("server.log"))?;
        let Listening {
            scheme,
            address,
            media_port,
            turns_port,
        } = process
            .line("the server to listen", START, listening)
            .await?;
        Ok(Self {
            process,
            scheme,
            address,
            media_port,
            turns_port,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        })
    }

    /// Kills the server (SIGKILL), and starts another in its place, on the same ports and with the same
    /// flags.
    pub async fn restart_after_kill(&mut self, dir: &Path) -> Result<()> {
        self.process.kill().await?;
        let again = dir.join("again");
        std::fs::create_dir(&again)?;
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        *self = Self::launch(&again, &self.address, self.media_port, &flags).await?;
        Ok(())
    }

    /// The URL of a page or socket of this server; `path` begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The UDP port that media goes to.
    #[must_use]
    pub fn media_port(&self) -> u16 {
        self.media_port
    }

    /// The TCP port of TURN over TLS, where it was given one.
    #[must_use]
    pub fn turns_port(&self) -> Option<u16> {
        self.turns_port
    }

    /// The server's process id.
    pub fn pid(&self) -> Result<u32> {
        self.process.id()
    }

    /// The host and port that it serves HTTP at.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks the server what it holds (SIGUSR1).
    pub async fn holdings(&mut self) -> Result<Holdings> {
        let before = self.output()?.matches(HOLDING).count();
        self.process.signal(Signal::SIGUSR1)?;
        wait::until(
            "the server to say what it holds",
            START,
            async || {
                let log = self.process.output()?;
                let said = log.lines().filter(|line| line.contains(HOLDING));
                Ok(said.skip(before).last().map(Holdings::read))
            },
            Option::is_some,
        )
        .await?
        .context("what the server holds")
    }

    /// Asks the server to stop (SIGTERM), without waiting for it.
    pub fn terminate(&self) -> Result<()> {
        self.process.terminate()
    }

    /// Ends the server at once (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.ended(START).await?;
        Ok(())
    }

    /// Everything the server has printed and logged.
    pub fn output(&self) -> Result<String> {
        self.process.output()
    }

    /// Asks the server to stop (SIGTERM), and waits until it has.
    pub async fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.process.terminate()?;
        self.process.ended(patience).await
    }
}

/// What a server says it holds: names and counts, in the order of its log line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings(pub Vec<(String, usize)>);

/// What the log line begins with after its time, level and module.
const HOLDING: &str = ": holding ";

impl Holdings {
    fn read(line: &str) -> Self {
        let pairs = line.split(' ').filter_map(|word| word.split_once('='));
        let counts = pairs.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
        Self(counts.collect())
    }

    /// The count of this name.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map_or(0, |(_, count)| *count)
    }

    /// What there is more of than there was.
    #[must_use]
    pub fn more_than(&self, before: &Self) -> Self {
        let more = self
            .0
            .iter()
            .filter(|(name, count)| *count > before.count(name));
        Self(more.cloned().collect())
    }
}

/// Where a server says it listens.
struct Listening {
    scheme: String,
    address: String,
    media_port: u16,
    turns_port: Option<u16>,
}

/// Reads `listening on https://127.0.0.1:41234 (media UDP and TCP 40000, TURN over TLS and DTLS 40001)`.
fn listening(line: &str) -> Option<Listening> {
    let (_, rest) = line.split_once("listening on ")?;
    let (scheme, rest) = rest.split_once("://")?;
    let (address, rest) = rest.split_once(" (media UDP and TCP ")?;
    let (ports, _) = rest.split_once(')')?;
    let (media_port, turns_port) = match ports.split_once(", TURN over TLS and DTLS ") {
        Some((media, turns)) => (media, Some(turns.parse().ok()?)),
        None => (ports, None),
    };
    Some(Listening {
        scheme: scheme.to_owned(),
        address: address.to_owned(),
        media_port: media_port.parse().ok()?,
        turns_port,
    })
}

/// Runs the binary to its end, and returns what it printed.
pub async fn run_to_end(flags: &[&str]) -> Result<std::process::Output> {
    let mut command = command().await?;
    let output = command.args(flags).output();
    Ok(tokio::time::timeout(START, output).await??)
}

/// The binary, with nothing of the configuration that its environment may hold.
async fn command() -> Result<Command> {
    let mut command = Command::new(binary().await?);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        // The mark by which `tests/run` finds what a test left behind stays.
        if name_text.starts_with("FERRITE_") && name_text != "FERRITE_TEST_RUN" {
            command.env_remove(&name);
        }
    }
    Ok(command)
}

/// The binary under test: `FERRITE_BIN`, or else the one that cargo builds with the profile of
/// this test.
async fn binary() -> Result<&'static PathBuf> {
    static BINARY: OnceCell<PathBuf> = OnceCell::const_new();
    BINARY
        .get_or_try_init(async || match std::env::var_os("FERRITE_BIN") {
            Some(path) => Ok(artefacts::repository().join(path)),
            None => cargo::build(&["--bin", "ferrite"]).await,
        })
        .await
}
