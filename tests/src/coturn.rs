//! coturn, where it is installed: its own clients with a peer for them to reach, and its server. Knows nothing of what they find.

use std::net::UdpSocket as Probe;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};

use crate::process::{Process, installed};
use crate::wait;

/// A peer that sends back what it is sent.
pub async fn mirror(host: &str) -> Result<u16> {
    let socket = UdpSocket::bind((host, 0)).await?;
    let port = socket.local_addr()?.port();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..len], from).await;
        }
    });
    Ok(port)
}

/// A program of coturn's. Where it is not installed, a word about it.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    installed(name, "coturn's")
}

/// coturn's client, relaying through a server's port for a while; `None` where it is not installed.
pub fn relaying(port: u16, arguments: &[&str]) -> Result<Option<Child>> {
    let Some(mut command) = at("127.0.0.1", port, arguments) else {
        return Ok(None);
    };
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Some(command.spawn()?))
}

/// What coturn's client says of the NAT between it and a server's port; `None` where it is not installed.
pub async fn natdiscovery(port: u16, arguments: &[&str]) -> Result<Option<String>> {
    let Some(program) = program("turnutils_natdiscovery") else {
        return Ok(None);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    command.args(["-p", &port.to_string(), "127.0.0.1"]);
    Ok(Some(said(command).await?))
}

fn at(host: &str, port: u16, arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new(program("turnutils_uclient")?);
    command.args(arguments);
    command.args(["-p", &port.to_string(), host]);
    command.kill_on_drop(true);
    Some(command)
}

/// What coturn's client says of a server's port; `None` where it is not installed.
pub async fn uclient(port: u16, arguments: &[&str]) -> Result<Option<String>> {
    uclient_at("127.0.0.1", port, arguments).await
}

/// The same of a server at another address.
pub async fn uclient_at(host: &str, port: u16, arguments: &[&str]) -> Result<Option<String>> {
    let Some(command) = at(host, port, arguments) else {
        return Ok(None);
    };
    Ok(Some(said(command).await?))
}

async fn said(mut command: Command) -> Result<String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::time::timeout(Duration::from_secs(60), command.output());
    let output = output.await.context("coturn's client does not end")??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said + &String::from_utf8_lossy(&output.stderr))
}

/// coturn's server. Dropping it kills the process.
#[derive(Debug)]
pub struct Coturn {
    process: Process,
    host: String,
    port: u16,
    /// The port of TLS, and the certificate that is shown there.
    tls: (u16, PathBuf),
}

impl Coturn {
    /// Starts it at an address, where it relays, too; `None` where it is not installed. Nonces are good for so many
    /// seconds.
    pub async fn start(dir: &Path, host: &str, nonce: u32) -> Result<Option<Self>> {
        let Some(program) = program("turnserver") else {
            return Ok(None);
        };
        let mut command = Command::new(program);
        let free = || anyhow::Ok(Probe::bind((host, 0))?.local_addr()?.port());
        let (port, tls_port) = (free()?, free()?);
        let made = rcgen::generate_simple_self_signed([host.to_owned()])?;
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.join(name));
        std::fs::write(&cert, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        command.arg(format!("--cert={}", cert.display()));
        command.arg(format!("--pkey={}", key.display()));
        command.arg(format!("--tls-listening-port={tls_port}"));
        command.args([
            "-n",
            "-v",
            "--lt-cred-mech",
            "--user=me:secret",
            "--realm=coturn",
        ]);
        command.args(["--no-dtls", "--no-cli", "--log-file=stdout"]);
        command.args([
            "--simple-log",
            "--allow-loopback-peers",
            "--pidfile=/dev/null",
        ]);
        command.arg(format!("--stale-nonce={nonce}"));
        command.arg(format!("--userdb={}", dir.join("turndb").display()));
        command.args([
            format!("--listening-ip={host}"),
            format!("--relay-ip={host}"),
        ]);
        command.arg(format!("--listening-port={port}"));
        let mut process = Process::spawn(&mut command, &dir.join("coturn.log"))?;
        let opened = |line: &str| line.contains("UDP listener opened").then_some(());
        process
            .line("coturn to listen", wait::PATIENCE, opened)
            .await?;
        let host = host.to_owned();
        let tls = (tls_port, cert);
        Ok(Some(Self {
            process,
            host,
            port,
            tls,
        }))
    }

    /// It as a server of `--ice-servers`.
    #[must_use]
    pub fn ice_server(&self) -> String {
        self.of_url(&format!("turn:{}:{}", self.host, self.port))
    }

    /// The same over TCP, and over TLS.
    #[must_use]
    pub fn by_connection(&self) -> [String; 2] {
        let host = &self.host;
        let tcp = format!("turn:{host}:{}?transport=tcp", self.port);
        let tls = format!("turns:{host}:{}", self.tls.0);
        [tcp, tls].map(|url| self.of_url(&url))
    }

    /// Who vouches for it: its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.tls.1
    }

    fn of_url(&self, url: &str) -> String {
        format!(r#"{{"urls": "{url}", "username": "me", "credential": "secret"}}"#)
    }

    /// What it says.
    pub fn output(&self) -> Result<String> {
        self.process.output()
    }

    /// Kills it.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }
}
