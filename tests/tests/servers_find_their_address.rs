//! A server behind a 1:1 NAT finds out which address that gives it, and is called by it.

use anyhow::{Result, ensure};
use ferrite_tests::network::{BESIDE, OUTSIDE, behind_a_nat};
use ferrite_tests::{BrowserOptions, Server, artefacts, scene_on};

/// Calls a server behind a NAT from outside. Its log has to say this.
fn calls(name: &str, hairpins: bool, said: &str) -> Result<()> {
    behind_a_nat(async |nat| {
        let dir = artefacts::fresh(name)?;
        if !hairpins {
            nat.stop_hairpinning()?;
        }
        let beside = dir.join("stun");
        std::fs::create_dir(&beside)?;
        let stun = Server::start_at(&beside, &format!("{BESIDE}:0"), &[]).await?;
        let stun = format!(r#"{{"urls": "stun:{BESIDE}:{}"}}"#, stun.media_port());
        let flags = ["--external-ip", "auto", "--ice-servers", &stun];
        let server = Server::start_behind(nat, &dir, &flags).await?;
        let log = server.output()?;
        ensure!(log.contains(said) && log.contains(OUTSIDE), "{log}");
        let options = BrowserOptions::default().trusting(&server.url(""));
        scene_on(server, dir, &options, async |scene| {
            scene.open_lab().await?;
            let used = scene.run("return (await lab.everything()).remote;").await?;
            ensure!(used["address"] == OUTSIDE, "went by {used}");
            Ok(())
        })
        .await
    })
}

#[test]
fn a_browser_outside_calls_by_the_address_that_was_proved() -> Result<()> {
    calls("natted", true, "this is what a NAT makes of this machine")
}

#[test]
fn a_browser_outside_calls_by_the_address_that_could_not_be_proved() -> Result<()> {
    calls("natted_unproved", false, "it is offered after all others")
}
