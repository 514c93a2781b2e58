//! Relays of TCP (RFC 6062): coturn's own clients reach each other through them, each by a relay of its own, one of
//! which connects to the other.

use anyhow::{Context, Result, ensure};
use ferrite_tests::coturn::uclient;
use ferrite_tests::rest::{KEY, call, get};
use ferrite_tests::{Server, artefacts};
use serde_json::json;

const AMOUNT: [&str; 6] = ["-n", "10", "-m", "2", "-l", "200"];
const ALL: &str = "tot_send_msgs=20, tot_recv_msgs=20";

async fn relaying_server(name: &str, more: &[&str]) -> Result<Server> {
    let flags = ["--turn-shared-secret", "north", "--turn-tcp-relays", "on"];
    Server::start(&artefacts::fresh(name)?, &[&flags, more].concat()).await
}

/// What coturn's clients say of each other.
async fn pair(port: u16, how: &[&str]) -> Result<Option<String>> {
    let who = ["-T", "-u", "me", "-W", "north"];
    uclient(port, &[&who, how, &AMOUNT].concat()).await
}

#[tokio::test]
async fn coturns_clients_connect_through_relays_and_get_everything() -> Result<()> {
    let server = relaying_server("coturn_streams", &["--turn-allow", "127.0.0.1"]).await?;
    let Some(said) = pair(server.media_port(), &[]).await? else {
        return Ok(());
    };
    ensure!(said.contains(ALL), "{said}");
    Ok(())
}

#[tokio::test]
async fn coturns_clients_do_so_over_tls() -> Result<()> {
    let tls = ["--tls", "self-signed", "--turns-port", "0"];
    let allow = ["--turn-allow", "127.0.0.1"];
    let server = relaying_server("coturn_streams_tls", &[&tls[..], &allow].concat()).await?;
    let port = server.turns_port().context("a port")?;
    let Some(said) = pair(port, &["-S"]).await? else {
        return Ok(());
    };
    ensure!(said.contains(ALL), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_is_carried_counts_for_the_credential() -> Result<()> {
    let relays = ["--turn-tcp-relays", "on", "--turn-allow", "127.0.0.1"];
    let flags = [&["--turn-api-key", KEY][..], &relays].concat();
    let server = Server::start(&artefacts::fresh("coturn_streams_usage")?, &flags).await?;
    let made = call(&server, "POST", "/api/v1/turn/credential", &json!({})).await?;
    let name = made["username"].as_str().context("a name")?;
    let password = made["password"].as_str().context("a password")?;
    let who = ["-T", "-u", name, "-w", password];
    let Some(said) = uclient(server.media_port(), &[&who[..], &AMOUNT].concat()).await? else {
        return Ok(());
    };
    ensure!(said.contains(ALL), "{said}");
    let path = format!("/api/v1/turn/current_usage_for_user?username={name}");
    let usage = &get(&server, &path).await?["usageInGB"];
    let bytes = (usage.as_f64().context("a number")? * 1e9).round();
    // Twenty messages, each by two relays.
    ensure!(bytes == 20.0 * 200.0 * 2.0, "{bytes}");
    Ok(())
}
