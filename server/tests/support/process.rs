//! The real binary as a process of its own.

use std::net::SocketAddr;
use std::process::{ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;

pub const FREE_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--media-port", "0"];

/// The binary, without any setting of the machine's.
pub fn ferrite(arguments: &[&str]) -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_ferrite")), arguments)
}

/// The same in a shell's limits, in the words of `ulimit`.
pub fn limited(limit: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_ferrite")]);
    prepared(shell, arguments)
}

fn prepared(mut command: Command, arguments: &[&str]) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FERRITE_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(mut command: Command) -> Output {
    timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

/// A server that runs.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Its first line.
    pub line: String,
    pub addr: SocketAddr,
    pub media_port: u16,
}

impl Running {
    pub async fn start(arguments: &[&str]) -> Self {
        Self::of(ferrite(&[&FREE_PORTS, arguments].concat())).await
    }

    /// Starts it in a shell's limits, in the words of `ulimit`.
    pub async fn start_limited(limit: &str) -> Self {
        Self::of(limited(limit, &FREE_PORTS)).await
    }

    /// Starts it with what would be its log in this.
    pub async fn start_logging_to(log: impl Into<Stdio>, arguments: &[&str]) -> Self {
        let mut command = ferrite(&[&FREE_PORTS, arguments].concat());
        command.stderr(log);
        Self::of(command).await
    }

    /// What this command starts.
    pub async fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = next_line(&mut stdout).await;
        let read = parse(&line).or_else(|| parse_json(&line));
        let (addr, media_port) = read.unwrap_or_else(|| panic!("said {line:?}"));
        Self {
            child,
            stdout,
            line,
            addr,
            media_port,
        }
    }

    pub async fn next_line(&mut self) -> String {
        next_line(&mut self.stdout).await
    }

    /// Waits for a line of its log that has this.
    pub async fn logged(&mut self, text: &str) {
        let log = self.child.stderr.as_mut().unwrap();
        let mut line = Vec::new();
        let found = async {
            while !String::from_utf8_lossy(&line).contains(text) {
                let byte = log.read_u8().await.unwrap();
                match byte {
                    b'\n' => line.clear(),
                    _ => line.push(byte),
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap();
    }

    /// Nobody reads its log any more.
    pub fn close_log(&mut self) {
        drop(self.child.stderr.take());
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status().await;
        assert!(kill.unwrap().success());
    }

    /// Sends it a signal, and says how it ended, after how long, and what it wrote to its log.
    pub async fn end(mut self, signal: &str) -> (ExitStatus, Duration, String) {
        let sent = Instant::now();
        self.signal(signal).await;
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        let took = sent.elapsed();
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).await.unwrap();
        }
        (status, took, log)
    }
}

/// The same in JSON.
fn parse_json(line: &str) -> Option<(SocketAddr, u16)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let (_, addr) = fields["http"].as_str()?.split_once("://")?;
    let media_port = fields["media_port"].as_u64()?.try_into().ok()?;
    Some((addr.parse().ok()?, media_port))
}

/// `listening on http://ADDRESS (media UDP and TCP PORT)`, or https.
fn parse(line: &str) -> Option<(SocketAddr, u16)> {
    let (_, rest) = line.strip_prefix("listening on ")?.split_once("://")?;
    let (addr, rest) = rest.split_once(" (media UDP and TCP ")?;
    let port = rest.strip_suffix(')')?.split(',').next()?;
    Some((addr.parse().ok()?, port.parse().ok()?))
}

async fn next_line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    timeout(PATIENCE, stdout.read_line(&mut line))
        .await
        .unwrap()
        .unwrap();
    line.trim_end().to_owned()
}
