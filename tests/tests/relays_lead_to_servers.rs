//! A server behind a NAT that forwards nothing is reached by a relayed address of its own, which it has at somebody
//! else's TURN server: coturn.

mod over_a_network {
    use std::path::Path;

    use anyhow::{Result, ensure};
    use ferrite_protocol::MediaKind;
    use ferrite_tests::coturn::Coturn;
    use ferrite_tests::native::{Data, Delivery, NativeRoom, News};
    use ferrite_tests::network::{Natted, RELAY, behind_a_nat};
    use ferrite_tests::server::run_to_end;
    use ferrite_tests::{BrowserOptions, Server, artefacts, scene_on, wait};

    const OFFERED: &str = "are offered a relayed address";

    /// Starts a coturn that writes there.
    async fn coturn(dir: &Path, name: &str, nonce: u32) -> Result<Option<Coturn>> {
        let dir = dir.join(name);
        std::fs::create_dir(&dir)?;
        Coturn::start(&dir, RELAY, nonce).await
    }

    /// A server to which nothing leads but its page, and which has a relayed address at one of these.
    async fn hidden(
        nat: &Natted,
        dir: &Path,
        coturns: &[&Coturn],
        flags: &[&str],
    ) -> Result<Server> {
        nat.stop_hairpinning()?;
        let servers: Vec<_> = coturns.iter().map(|coturn| coturn.ice_server()).collect();
        let servers = format!("[{}]", servers.join(","));
        let flags = [&["--external-ip", "auto", "--ice-servers", &servers], flags].concat();
        let server = Server::start_behind(nat, dir, &flags).await?;
        let (_, port) = server.address().rsplit_once(':').unwrap_or_default();
        nat.forward_only(port.parse()?)?;
        offered(&server, 1).await?;
        Ok(server)
    }

    /// Waits until the server has offered so many relayed addresses, one after the other.
    async fn offered(server: &Server, count: usize) -> Result<()> {
        let said = async || Ok(server.output()?.matches(OFFERED).count());
        let patience = 3 * wait::PATIENCE;
        let done = |seen: &usize| *seen >= count;
        wait::until("a relayed address", patience, said, done).await?;
        Ok(())
    }

    async fn enter(server: &Server, name: &str) -> Result<NativeRoom> {
        let kinds = [MediaKind::Audio, MediaKind::Video];
        NativeRoom::enter(server.address(), "tea", name, None, &kinds).await
    }

    /// What one sends the other gets.
    async fn talk(from: &NativeRoom, to: &mut NativeRoom, what: &str) -> Result<()> {
        from.send_data(Delivery::Reliable, None, "t", what.as_bytes())
            .await?;
        loop {
            if let News::Data(Data { payload, .. }) = to.next().await?
                && payload == what.as_bytes()
            {
                return Ok(());
            }
        }
    }

    const CALL: &str = r"
        const { call, channel, remote } = await lab.everything();
        Object.assign(window, { call, channel });
        return remote;";

    /// The same call, with the candidate that the server sends when it has another.
    const GOES_ON: &str = r"
        const told = call.said.length;
        await lab.until('another candidate', () => call.said.slice(told).find(({ type }) => type === 'candidate'), 60000);
        const decoded = async () => (await call.inbound('video')).framesDecoded;
        const before = await decoded();
        await lab.exchange(channel, [lab.message(1000, true)]);
        await lab.until('30 more frames', async () => (await decoded()) > before + 30, 60000);
        const stats = await call.pc.getStats();
        const transport = [...stats.values()].find(({ type }) => type === 'transport');
        return stats.get(stats.get(transport.selectedCandidatePairId).remoteCandidateId);";

    #[test]
    fn coturnserver_leads_a_browser_to_a_hidden_server_and_another_does_in_mid_call() -> Result<()>
    {
        behind_a_nat(async |nat| {
            let dir = artefacts::fresh("hidden_browser")?;
            let Some(mut first) = coturn(&dir, "first", 600).await? else {
                return Ok(());
            };
            let Some(second) = coturn(&dir, "second", 600).await? else {
                return Ok(());
            };
            let server = hidden(nat, &dir, &[&first, &second], &[]).await?;
            let options = BrowserOptions::default().trusting(&server.url(""));
            scene_on(server, dir, &options, async |scene| {
                scene.open_lab().await?;
                let used = scene.run(CALL).await?;
                ensure!(used["address"] == RELAY, "went by {used}");
                ensure!(used["candidateType"] == "relay", "went by {used}");
                first.kill().await?;
                let then = scene.run(GOES_ON).await?;
                ensure!(then["address"] == RELAY, "went on by {then}");
                ensure!(then["port"] != used["port"], "went on by {then}");
                ensure!(scene.server.output()?.matches(OFFERED).count() == 2);
                Ok(())
            })
            .await
        })
    }

    #[test]
    fn coturnserver_that_is_killed_is_replaced_and_stale_nonces_cost_nothing() -> Result<()> {
        behind_a_nat(async |nat| {
            let dir = artefacts::fresh("hidden_native")?;
            let Some(mut first) = coturn(&dir, "first", 5).await? else {
                return Ok(());
            };
            let Some(second) = coturn(&dir, "second", 600).await? else {
                return Ok(());
            };
            let server = hidden(nat, &dir, &[&first, &second], &["--shards", "2"]).await?;
            let (ann, mut bob) = (enter(&server, "Ann").await?, enter(&server, "Bob").await?);
            talk(&ann, &mut bob, "by the first").await?;
            let stale = async || Ok(first.output()?.contains("438"));
            wait::until("a stale nonce", 2 * wait::PATIENCE, stale, |seen| *seen).await?;
            talk(&ann, &mut bob, "with another nonce").await?;
            ensure!(server.output()?.matches(OFFERED).count() == 1);

            first.kill().await?;
            offered(&server, 2).await?;
            let (cid, mut dan) = (enter(&server, "Cid").await?, enter(&server, "Dan").await?);
            talk(&cid, &mut dan, "by the second").await?;
            Ok(())
        })
    }

    #[test]
    fn coturnserver_is_tried_by_the_self_test() -> Result<()> {
        behind_a_nat(async |nat| {
            let dir = artefacts::fresh("hidden_check")?;
            let Some(coturn) = coturn(&dir, "coturn", 600).await? else {
                return Ok(());
            };
            nat.stop_hairpinning()?;
            nat.forward_only(1)?;
            let right = coturn.ice_server();
            let wrong = right.replace("secret", "guess");
            let [tcp, tls] = coturn.by_connection();
            for (servers, said) in [
                (right, "ok      ice-server"),
                (wrong, "bad     ice-server"),
                (tcp, "ok      ice-server"),
                // Nobody vouches for it.
                (tls, "bad     ice-server"),
            ] {
                let flags = ["check", "--listen", "10.0.0.2:0", "--media-port", "0"];
                let natted = ["--external-ip", "auto", "--ice-servers", &servers];
                let flags = [&flags[..], &natted].concat();
                let asked = async || nat.at_server(async || run_to_end(&flags).await).await;
                let rows = async || Ok(String::from_utf8(asked().await?.stdout)?);
                // Asked again: a machine may be too busy to answer in time.
                let are_said = |rows: &String| rows.contains(said) && !rows.contains("guess");
                wait::until(said, wait::PATIENCE, rows, are_said).await?;
            }
            Ok(())
        })
    }

    #[test]
    fn coturnserver_is_reached_over_tcp_and_tls_where_no_udp_gets_out() -> Result<()> {
        behind_a_nat(async |nat| {
            let dir = artefacts::fresh("hidden_without_udp")?;
            let Some(coturn) = coturn(&dir, "coturn", 600).await? else {
                return Ok(());
            };
            nat.block_udp()?;
            // Native clients have no TCP, so that what is left is the relay.
            for (name, servers) in ["tcp", "tls"].into_iter().zip(coturn.by_connection()) {
                let dir = dir.join(name);
                std::fs::create_dir(&dir)?;
                let flags = ["--relayed-candidate", "always", "--ice-servers", &servers];
                let vouching = coturn.certificate();
                let mut server = Server::start_trusting(nat, &dir, &flags, vouching).await?;
                offered(&server, 1).await?;
                let (ann, mut bob) = (enter(&server, "Ann").await?, enter(&server, "Bob").await?);
                talk(&ann, &mut bob, name).await?;
                server.stop(wait::PATIENCE).await?;
            }
            let [_, servers] = coturn.by_connection();
            let flags = ["--relayed-candidate", "always", "--ice-servers", &servers];
            let server = Server::start_behind(nat, &dir, &flags).await?;
            let refused = async || Ok(server.output()?.contains("there is no connection to it"));
            wait::until("nobody to vouch for it", wait::PATIENCE, refused, |seen| {
                *seen
            })
            .await?;
            ensure!(!server.output()?.contains(OFFERED));
            Ok(())
        })
    }
}
