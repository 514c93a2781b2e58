//! Credentials of the REST API open relays for coturn's client until they are switched off, and what it relays is
//! counted: once, whatever happens to the server.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ferrite_tests::coturn::{mirror, program, relaying, uclient};
use ferrite_tests::rest::{KEY, call, get};
use ferrite_tests::{Server, artefacts, readme, wait};
use serde_json::{Value, json};
use tokio::process::Command;

async fn server(dir: &Path, flags: &[&str]) -> Result<Server> {
    let common = ["--turn-api-key", KEY, "--turn-allow", "127.0.0.1"];
    Server::start(dir, &[&common, flags].concat()).await
}

/// Somebody with a credential.
struct User {
    name: String,
    password: String,
}

impl User {
    async fn new(server: &Server, body: &Value) -> Result<Self> {
        let made = call(server, "POST", "/api/v1/turn/credential", body).await?;
        let text = |field: &str| made[field].as_str().map(str::to_owned).context("a text");
        Ok(Self {
            name: text("username")?,
            password: text("password")?,
        })
    }

    async fn switch(&self, server: &Server, what: &str) -> Result<()> {
        let path = format!("/api/v1/turn/credential/{what}");
        call(server, "POST", &path, &json!({ "username": self.name })).await?;
        Ok(())
    }

    /// What coturn's client says of relaying so many messages of 200 bytes to a mirror and back.
    async fn relay(&self, server: &Server, mirror: u16, messages: u32) -> Result<Option<String>> {
        let (peer, messages) = (mirror.to_string(), messages.to_string());
        let who = ["-u", &self.name, "-w", &self.password];
        let what = [
            "-e",
            "127.0.0.1",
            "-r",
            &peer,
            "-c",
            "-m",
            "1",
            "-l",
            "200",
            "-n",
            &messages,
        ];
        uclient(server.media_port(), &[&who[..], &what].concat()).await
    }

    /// Bytes that were relayed with it.
    async fn usage(&self, server: &Server) -> Result<u64> {
        let path = format!("/api/v1/turn/current_usage_for_user?username={}", self.name);
        bytes(&get(server, &path).await?["usageInGB"])
    }
}

fn bytes(gigabytes: &Value) -> Result<u64> {
    Ok((gigabytes.as_f64().context("a number")? * 1e9).round() as u64)
}

async fn account(server: &Server) -> Result<u64> {
    bytes(&get(server, "/api/v1/turn/current_usage").await?["usageInGB"])
}

#[tokio::test]
async fn a_made_credential_relays_until_it_is_disabled_and_again_when_it_is_enabled() -> Result<()>
{
    let server = server(&artefacts::fresh("stored_credentials")?, &[]).await?;
    let mirror = mirror("127.0.0.1").await?;
    let user = User::new(
        &server,
        &json!({ "label": "coturn", "expiryInSeconds": 600 }),
    )
    .await?;
    let all = "tot_send_msgs=5, tot_recv_msgs=5";
    let Some(said) = user.relay(&server, mirror, 5).await? else {
        return Ok(());
    };
    ensure!(said.contains(all), "{said}");
    user.switch(&server, "disable").await?;
    let said = user.relay(&server, mirror, 5).await?.context("a word")?;
    ensure!(
        said.contains("Cannot complete Allocation") && !said.contains(all),
        "{said}"
    );
    user.switch(&server, "enable").await?;
    let said = user.relay(&server, mirror, 5).await?.context("a word")?;
    ensure!(said.contains(all), "{said}");
    let guess = User {
        password: "guess".to_owned(),
        ..user
    };
    let said = guess.relay(&server, mirror, 5).await?.context("a word")?;
    ensure!(said.contains("Cannot complete Allocation"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_relay_in_use_ends_when_its_credential_is_disabled() -> Result<()> {
    let mut server = server(&artefacts::fresh("stored_credential_ends")?, &[]).await?;
    let mirror = mirror("127.0.0.1").await?.to_string();
    let user = User::new(&server, &json!({})).await?;
    let who = ["-u", &user.name, "-w", &user.password];
    let what = [
        "-e",
        "127.0.0.1",
        "-r",
        &mirror,
        "-c",
        "-m",
        "2",
        "-n",
        "100000",
    ];
    let Some(_client) = relaying(server.media_port(), &[&who[..], &what].concat())? else {
        return Ok(());
    };
    let relays = async |server: &mut Server| Ok(server.holdings().await?.count("relays"));
    let open = async || relays(&mut server).await;
    wait::until("relays", wait::PATIENCE, open, |open| *open > 0).await?;
    user.switch(&server, "disable").await?;
    let left = async || relays(&mut server).await;
    wait::until("no relay", wait::PATIENCE, left, |left| *left == 0).await?;
    Ok(())
}

#[tokio::test]
async fn what_was_relayed_is_counted_once_over_kills_and_restarts() -> Result<()> {
    let dir = artefacts::fresh("stored_credentials_usage")?;
    let data = dir.join("data");
    let data = data.to_str().context("a path")?;
    let mut server = server(&dir, &["--data", data]).await?;
    let mirror = mirror("127.0.0.1").await?;
    let user = User::new(&server, &json!({ "label": "counted" })).await?;
    let other = User::new(&server, &json!({})).await?;
    let mut expected = 0;
    for (life, messages) in [(1, 10), (2, 25)] as [(usize, u32); 2] {
        let Some(said) = user.relay(&server, mirror, messages).await? else {
            return Ok(());
        };
        ensure!(
            said.contains(&format!("tot_recv_msgs={messages}")),
            "{said}"
        );
        // There and back.
        expected += 2 * 200 * u64::from(messages);
        let usage = async || user.usage(&server).await;
        wait::until("all to be counted", wait::PATIENCE, usage, |usage| {
            *usage == expected
        })
        .await?;
        // What is answered is on the disk, and with it whatever was counted before.
        let what = ["enable", "disable"][life % 2];
        other.switch(&server, what).await?;
        let killed = dir.join(format!("life {life}"));
        std::fs::create_dir(&killed)?;
        server.restart_after_kill(&killed).await?;
        ensure!(user.usage(&server).await? == expected, "after a kill");
        ensure!(account(&server).await? == expected, "of all, after a kill");
    }
    ensure!(other.usage(&server).await? == 0);
    let days = get(&server, "/api/v1/turn/current_usage_by_date").await?;
    let days = days.as_array().context("an array")?;
    let by_day: Result<Vec<_>> = days.iter().map(|day| bytes(&day["usageInGB"])).collect();
    ensure!(by_day?.iter().sum::<u64>() == expected, "{days:?}");
    let users = get(&server, "/api/v2/turn/current_usage_by_user").await?;
    let only =
        json!([{ "label": "counted", "username": user.name, "usageInGB": expected as f64 / 1e9 }]);
    ensure!(
        users == json!({ "data": only, "has_more": false }),
        "{users}"
    );
    Ok(())
}

#[tokio::test]
async fn what_time_limited_credentials_relay_is_counted_once_over_kills() -> Result<()> {
    let dir = artefacts::fresh("time_limited_credentials_usage")?;
    let data = dir.join("data");
    let data = data.to_str().context("a path")?;
    let flags = ["--data", data, "--turn-shared-secret", "north"];
    let mut server = server(&dir, &flags).await?;
    let mirror = mirror("127.0.0.1").await?.to_string();
    let other = User::new(&server, &json!({})).await?;
    let relay = [
        "-u",
        "me",
        "-W",
        "north",
        "-e",
        "127.0.0.1",
        "-r",
        &mirror,
        "-c",
        "-m",
        "1",
        "-l",
        "200",
        "-n",
        "10",
    ];
    let usage = "/api/v1/turn/current_usage_for_user?username=shared-secret";
    let mut expected = 0;
    for life in ["disable", "enable"] {
        let Some(said) = uclient(server.media_port(), &relay).await? else {
            return Ok(());
        };
        ensure!(said.contains("tot_recv_msgs=10"), "{said}");
        expected += 2 * 200 * 10;
        let counted = async || bytes(&get(&server, usage).await?["usageInGB"]);
        wait::until("all to be counted", wait::PATIENCE, counted, |counted| {
            *counted == expected
        })
        .await?;
        // What is answered is on the disk, and with it whatever was counted before.
        other.switch(&server, life).await?;
        let killed = dir.join(life);
        std::fs::create_dir(&killed)?;
        server.restart_after_kill(&killed).await?;
        ensure!(account(&server).await? == expected, "after a kill");
    }
    let days = get(&server, "/api/v1/turn/current_usage_by_date").await?;
    let lines = &days
        .as_array()
        .and_then(|days| days.last())
        .context("a day")?["lines"];
    ensure!(
        lines[1]["label"] == "shared-secret" && bytes(&lines[1]["usageInGB"])? > 0,
        "{days}"
    );
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_stopped_forgets_nothing() -> Result<()> {
    let dir = artefacts::fresh("stored_credentials_stopped")?;
    let data = dir.join("data");
    let data = data.to_str().context("a path")?;
    let mut stopped = server(&dir, &["--data", data]).await?;
    let user = User::new(&stopped, &json!({})).await?;
    let Some(said) = user.relay(&stopped, mirror("127.0.0.1").await?, 10).await? else {
        return Ok(());
    };
    ensure!(said.contains("tot_recv_msgs=10"), "{said}");
    // Nobody waits until anything was counted.
    let status = stopped.stop(wait::PATIENCE).await?;
    ensure!(status.success(), "{status}");
    let again = artefacts::fresh("stored_credentials_started")?;
    let started = server(&again, &["--data", data]).await?;
    ensure!(user.usage(&started).await? == 4000 && account(&started).await? == 4000);
    Ok(())
}

#[tokio::test]
async fn the_lines_of_the_readme_make_list_and_count() -> Result<()> {
    let server = server(&artefacts::fresh("stored_credentials_readme")?, &[]).await?;
    if program("curl").is_none() {
        return Ok(());
    }
    let lines = readme::listing("README.md", "Relays for your own pages", "sh")?;
    let lines = lines.replace("http://localhost:8080", &server.url(""));
    let lines = lines.replace("curl ", "curl --silent --fail ");
    let mut shell = Command::new("sh");
    let output = shell
        .args(["-euc", &lines])
        .env("key", KEY)
        .output()
        .await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{error}");
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let answers: Vec<Value> = answers.collect::<Result<_, _>>()?;
    let [made, listed, usage] = &answers[..] else {
        anyhow::bail!("{answers:?}");
    };
    ensure!(
        made["label"] == "alice" && made["expiryInSeconds"] == 3600,
        "{made}"
    );
    ensure!(
        listed["data"][0]["username"] == made["username"],
        "{listed}"
    );
    ensure!(usage["usageInGB"] == 0.0, "{usage}");
    Ok(())
}
