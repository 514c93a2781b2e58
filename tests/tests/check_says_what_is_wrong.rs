//! `ferrite check` where a network is in the way, and its example in the documents.

use anyhow::{Context, Result, ensure};
use ferrite_tests::server::run_to_end;
use ferrite_tests::{network, readme};

/// What it prints, and its exit code.
async fn check(flags: &[&str]) -> Result<(String, Option<i32>)> {
    let output = run_to_end(&[&["check"], flags].concat()).await?;
    Ok((String::from_utf8(output.stdout)?, output.status.code()))
}

/// The one row that begins so.
fn row<'t>(text: &'t str, start: &str) -> Result<&'t str> {
    let row = text.lines().find(|line| line.starts_with(start));
    row.with_context(|| format!("no row {start} in {text}"))
}

/// What may be another's the next time is a sign instead.
fn signs(text: &str) -> String {
    let mut signs = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if letter != '#' || !signs.ends_with('#') {
            signs.push(letter);
        }
    }
    signs
}

#[test]
fn the_example_in_the_documents_is_what_it_prints() -> Result<()> {
    network::apart(async || {
        let path = "server/docs/check.md";
        let flags = readme::listing(path, "The self-test", "sh")?;
        let flags: Vec<_> = flags.split_whitespace().skip(2).collect();
        let (text, code) = check(&flags).await?;
        ensure!(code == Some(0), "{text}");
        if !network::may_be_made() {
            return Ok(());
        }
        let example = readme::listing(path, "The self-test", "text")?;
        ensure!(signs(text.trim_end()) == signs(&example), "{text}");
        Ok(())
    })
}

#[test]
fn an_address_that_leads_nowhere_is_bad() -> Result<()> {
    network::apart(async || {
        if !network::may_be_made() {
            return Ok(());
        }
        let (text, code) = check(&["--external-ip", "203.0.113.7"]).await?;
        ensure!(code == Some(1), "{text}");
        for transport in ["udp", "tcp"] {
            let bad = row(&text, &format!("bad     {transport} 203.0.113.7:3478: "))?;
            ensure!(bad.contains("is --external-ip this machine's"), "{bad}");
            row(&text, &format!("ok      {transport} 198.51.100.1:3478: "))?;
        }
        Ok(())
    })
}

#[test]
fn a_firewall_on_this_machine_is_noticed() -> Result<()> {
    network::apart(async || {
        if !network::may_be_made() {
            return Ok(());
        }
        network::drop_udp("--dport 3478")?;
        let (text, code) = check(&[]).await?;
        ensure!(code == Some(1), "{text}");
        for bad in ["udp 198.51.100.1:", "udp [2001:db8::1]:", "allocation "] {
            row(&text, &format!("bad     {bad}"))?;
        }
        row(&text, "ok      tcp 198.51.100.1:")?;
        row(&text, "skipped relay")?;
        // What a peer sends to a relay does not arrive there.
        network::drop_nothing()?;
        network::drop_udp("--dport 20000:20010")?;
        let (text, code) = check(&["--relay-ports", "20000-20010"]).await?;
        ensure!(code == Some(1), "{text}");
        row(&text, "ok      allocation ")?;
        let bad = row(&text, "bad     relay ")?;
        ensure!(bad.contains("its answer did not come back"), "{bad}");
        Ok(())
    })
}

#[test]
fn clients_are_told_of_bridges_only_where_the_settings_say_so() -> Result<()> {
    network::apart(async || {
        if !network::may_be_made() {
            return Ok(());
        }
        network::build_bridge("docker0", "172.17.0.1/16")?;
        const BRIDGE: &str = "ok      udp 172.17.0.1:";
        const OWN: &str = "ok      udp 198.51.100.1:";
        for (flags, bridge, own) in [
            (&[][..], false, true),
            (&["--interface", "docker*"], true, false),
            (&["--interface", "docker0,198.51.100.0/24"], true, true),
            (&["--interface", "!198.51.100.0/24"], false, false),
        ] {
            let (text, _) = check(flags).await?;
            let told = (text.contains(BRIDGE), text.contains(OWN));
            ensure!(told == (bridge, own), "{flags:?}: {text}");
        }
        Ok(())
    })
}
