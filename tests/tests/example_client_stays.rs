//! The client in `shared/examples` joins a room, and goes on there after its WebSocket broke.

use anyhow::Result;
use ferrite_tests::process::Process;
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{Server, artefacts, cargo, wait};
use tokio::process::Command;

#[tokio::test]
async fn the_example_client_keeps_its_seat() -> Result<()> {
    let dir = artefacts::fresh("the_example_client")?;
    let server = Server::start(&dir, &[]).await?;
    let proxy = Proxy::start(server.address().to_owned()).await?;
    let url = proxy.url("/ws").replacen("http", "ws", 1);
    let program = cargo::build(&["--workspace", "--example", "client"]).await?;
    let mut command = Command::new(program);
    command.args([&url, "kitchen"]);
    let mut client = Process::spawn(&mut command, &dir.join("client.log"))?;
    let joined = says(&mut client, "\"type\":\"joined\"").await?;
    proxy.cut();
    says(&mut client, "Closed, next attempt").await?;
    proxy.mend();
    says(&mut client, "the session goes on").await?;
    // The same seat as before, told anew.
    let again = says_again(&mut client, "\"type\":\"joined\"").await?;
    assert_eq!(joined, again);
    Ok(())
}

async fn says(client: &mut Process, words: &str) -> Result<String> {
    let pick = |line: &str| line.contains(words).then(|| line.to_owned());
    client.line(words, wait::PATIENCE, pick).await
}

async fn says_again(client: &mut Process, words: &str) -> Result<String> {
    let second = async || {
        let log = client.output()?;
        let mut lines = log.lines().filter(|line| line.contains(words));
        Ok(lines.nth(1).map(str::to_owned))
    };
    let line = wait::until(words, wait::PATIENCE, second, Option::is_some).await?;
    Ok(line.unwrap_or_default())
}
