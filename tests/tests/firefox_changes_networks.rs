//! The page's call in Firefox, which goes from one network to another. Firefox gathers on the networks
//! that are there, at once; Chromium on a list that is made anew seconds later (see
//! `calls_outlive_hiccups`). So this shows what page and server take for it. And a call that nobody
//! repairs, over a path that breaks and mends.
//!
//! Alone: a second is what the last of them may take.

mod over_a_network {
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use ferrite_tests::network::{self, MOBILE, Roaming, WIFI};
    use ferrite_tests::witness::now;
    use ferrite_tests::{Firefox, Server, firefox_on_the_move, wait};
    use serde_json::json;

    /// Notes when each picture is shown, in milliseconds of the wall clock.
    const WATCH: &str = r"
        window.shown = [];
        const video = document.querySelector('#remote-video');
        const note = () => {
            shown.push(Date.now());
            video.requestVideoFrameCallback(note);
        };
        video.requestVideoFrameCallback(note);";

    /// How long no picture was shown around this moment, in milliseconds.
    const GAP: &str = r"
        const [moment] = args;
        const next = shown.findIndex((at) => at > moment + 50);
        const since = shown.slice(Math.max(0, next - 5), next + 30);
        return next < 0 || since.length < 30 ? null
            : Math.max(...since.slice(1).map((at, n) => at - since[n]));";

    const CONNECTED: &str = "document.querySelector('#state').dataset.phase === 'connected'";

    /// A call that nobody repairs, and its picture.
    const PLAIN: &str = r"
        window.call = new lab.Call();
        call.pc.addTrack(lab.picture(640, 360));
        await call.connect();
        const srcObject = await call.returned('video');
        const view = Object.assign(document.createElement('video'), { srcObject, muted: true });
        view.id = 'remote-video';
        document.body.append(view);
        view.play();";

    /// How many packets Firefox sent again.
    const RESENT: &str = r"
        const stats = [...(await call.pc.getStats()).values()];
        return stats.find(({ type }) => type === 'outbound-rtp').retransmittedPacketsSent;";

    async fn until(firefox: &Firefox, what: &str, expression: &str) -> Result<()> {
        let is_so = async || firefox.run(&format!("return {expression};"), vec![]).await;
        wait::until(what, wait::PATIENCE, is_so, |seen| seen == true).await?;
        Ok(())
    }

    async fn call(firefox: &Firefox, server: &Server) -> Result<()> {
        firefox.open(&server.url("/echo?resolution=360")).await?;
        let ready = "!document.querySelector('#start').disabled";
        until(firefox, "the page to begin", ready).await?;
        firefox.run(WATCH, vec![]).await?;
        let start = "document.querySelector('#start').click();";
        firefox.run(start, vec![]).await?;
        until(firefox, "60 pictures", "shown.length > 60").await
    }

    /// The longest time without a picture since `moment`, in milliseconds. The call is the same one.
    async fn gap(firefox: &Firefox, moment: u64) -> Result<u64> {
        let seen = async || firefox.run(GAP, vec![json!(moment)]).await;
        let gap = wait::until("pictures", wait::PATIENCE, seen, |gap| !gap.is_null()).await?;
        gap.as_u64().context("a gap")
    }

    #[test]
    fn firefox_goes_on_in_another_network() -> Result<()> {
        let goes = async |firefox: &Firefox, server: &Server, networks: &Roaming| {
            call(firefox, server).await?;
            networks.part(WIFI)?;
            networks.join(MOBILE)?;
            let gap = gap(firefox, now()).await?;
            until(firefox, "the call to be up", CONNECTED).await?;
            println!("no picture for {gap} ms");
            ensure!(gap < 5_000, "no picture for {gap} ms");
            Ok(())
        };
        firefox_on_the_move("firefox_changes_networks", goes)
    }

    #[test]
    fn firefox_goes_on_when_there_is_a_network_again() -> Result<()> {
        let goes = async |firefox: &Firefox, server: &Server, networks: &Roaming| {
            call(firefox, server).await?;
            networks.part(WIFI)?;
            let gone = now();
            let missed = "document.querySelector('#state').dataset.phase === 'reconnecting'";
            until(firefox, "the network to be missed", missed).await?;
            // Until Firefox itself has noticed what it lost.
            wait::pass(Duration::from_secs(5)).await;
            let away = now() - gone;
            networks.join(MOBILE)?;
            let took = gap(firefox, now()).await?.saturating_sub(away);
            until(firefox, "the call to be up", CONNECTED).await?;
            println!("no picture for {took} ms more than there was no network");
            ensure!(took < 10_000, "no picture for {took} ms");
            Ok(())
        };
        firefox_on_the_move("firefox_network_gone", goes)
    }

    /// What a path swallowed while it was broken is long past: Firefox does not send it again before
    /// anything new.
    #[test]
    fn firefox_goes_on_after_a_break() -> Result<()> {
        let goes = async |firefox: &Firefox, server: &Server, networks: &Roaming| {
            firefox.open_lab(&server.url("/healthz")).await?;
            firefox.run(&format!("{PLAIN}{WATCH}"), vec![]).await?;
            until(firefox, "100 pictures", "shown.length > 100").await?;
            let broken = now();
            networks.at_server(async || network::drop_udp("")).await?;
            wait::pass(Duration::from_secs(3)).await;
            networks.at_server(async || network::drop_nothing()).await?;
            let broken = now() - broken;
            let took = gap(firefox, now()).await?.saturating_sub(broken);
            let resent = firefox.run(RESENT, vec![]).await?;
            println!(
                "no picture for {took} ms more than the path was broken; {resent} packets again"
            );
            ensure!(took < 1_000, "no picture for {took} ms");
            ensure!(resent.as_u64() < Some(16), "{resent} packets sent again");
            Ok(())
        };
        firefox_on_the_move("firefox_path_broken", goes)
    }
}
