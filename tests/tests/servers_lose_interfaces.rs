//! An interface of the server's goes away under its calls, as when a cable is pulled or a cloud takes an address back.

mod over_a_network {
    use anyhow::{Context, Result, ensure};
    use ferrite_protocol::MediaKind;
    use ferrite_tests::native::NativeRoom;
    use ferrite_tests::network::{MOBILE, WIFI, roaming};
    use ferrite_tests::{Server, artefacts, wait};

    /// Somebody enters, publishes and is connected.
    async fn enter(server: &Server, name: &str) -> Result<NativeRoom> {
        let kinds = [MediaKind::Audio, MediaKind::Video];
        let entered = NativeRoom::enter(server.address(), "tea", name, None, &kinds).await;
        entered.with_context(|| format!("{name} enters"))
    }

    /// How many datagrams the kernel did not take, as the server said last.
    fn unsent(log: &str) -> Option<usize> {
        let said = log.lines().rfind(|line| line.contains("unsent="))?;
        let (_, count) = said.split_once("unsent=")?;
        count.split(' ').next()?.parse().ok()
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_calls_over_another_interface_are_well() -> Result<()> {
        roaming(async |networks| {
            let dir = artefacts::fresh("server_loses_interface")?;
            let mut server = Server::start_beyond(networks, &dir, &["--shards", "1"]).await?;
            let _ann = enter(&server, "Ann").await?;
            server.holdings().await?;
            ensure!(unsent(&server.output()?) == Some(0), "something is unsent");
            networks.take_from_server(WIFI).await?;
            let lost = async || {
                server.holdings().await?;
                Ok(unsent(&server.output()?).unwrap_or_default())
            };
            let counted = |count: &usize| *count > 0;
            wait::until("the server to notice", wait::PATIENCE, lost, counted).await?;

            networks.join(MOBILE)?;
            let mut bob = enter(&server, "Bob").await?;
            bob.say("Where is Ann?").await?;
            bob.leave().await?;
            let status = server.stop(wait::PATIENCE).await?;
            ensure!(status.success(), "{status}");
            Ok(())
        })
    }
}
