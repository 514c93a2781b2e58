//! coturn's own clients, where they are installed, and a peer for them to reach. Knows nothing of what they find.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};

use crate::process::installed;

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
