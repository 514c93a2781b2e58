//! Calls by addresses that are not loopback, where packets are lost, and where UDP is blocked.
//! Each test has a network namespace of its own.

use anyhow::{Result, ensure};
use ferrite_tests::{BrowserOptions, Scene, Server, artefacts, network, scene_on};
use serde_json::Value;

/// Plays a scene in a network of its own, with the server at `host`.
fn at(
    name: &str,
    host: &str,
    play: impl AsyncFnOnce(&mut Scene) -> Result<()> + Send,
) -> Result<()> {
    // What is blocked here must not be blocked for the machine.
    ensure!(
        network::may_be_made(),
        "only root, outside of most containers, can make a network"
    );
    network::apart(async || {
        let dir = artefacts::fresh(name)?;
        let server = Server::start_at(&dir, &format!("{host}:0"), &[]).await?;
        let options = BrowserOptions::default().trusting(&server.url(""));
        scene_on(server, dir, &options, play).await
    })
}

/// Calls with picture, sound and data, and returns the remote candidate in use.
async fn call(scene: &Scene) -> Result<Value> {
    scene.open_lab().await?;
    scene
        .run(
            r"
            const { call, channel, remote } = await lab.everything();
            Object.assign(window, { call, channel });
            return remote;",
        )
        .await
}

mod over_a_network {
    use super::*;

    #[test]
    fn by_ipv4() -> Result<()> {
        at("by_ipv4", network::IPV4, async |scene| {
            let candidate = call(scene).await?;
            ensure!(candidate["protocol"] == "udp", "went by {candidate}");
            no_loopback_was_offered(scene).await
        })
    }

    #[test]
    fn by_ipv6() -> Result<()> {
        at("by_ipv6", &format!("[{}]", network::IPV6), async |scene| {
            // Where both arrive, the browser takes whichever answers first.
            network::drop_udp_over_ipv4()?;
            let candidate = call(scene).await?;
            ensure!(candidate["address"] == network::IPV6, "went by {candidate}");
            no_loopback_was_offered(scene).await
        })
    }

    /// Whoever loads the page from another machine has no use for this one's loopback.
    async fn no_loopback_was_offered(scene: &Scene) -> Result<()> {
        let said = scene
            .run("return JSON.stringify(call.said);")
            .await?
            .to_string();
        ensure!(said.contains(network::IPV4), "no IPv4 candidate in {said}");
        ensure!(said.contains(network::IPV6), "no IPv6 candidate in {said}");
        ensure!(
            !said.contains("127.0.0.1 "),
            "a loopback candidate in {said}"
        );
        Ok(())
    }

    /// Picture and data must come whole through what loses one datagram in twenty, both ways.
    #[test]
    fn with_one_packet_in_twenty_lost() -> Result<()> {
        at("with_loss", network::IPV4, async |scene| {
            network::drop_udp("-m statistic --mode random --probability 0.05")?;
            call(scene).await?;
            let recovered = scene.run(RECOVERED).await?;
            println!("{recovered}");
            Ok(())
        })
    }

    #[test]
    fn where_udp_is_blocked() -> Result<()> {
        at("where_udp_is_blocked", network::IPV4, async |scene| {
            network::drop_udp("")?;
            let candidate = call(scene).await?;
            ensure!(candidate["protocol"] == "tcp", "went by {candidate}");
            Ok(())
        })
    }
}

/// The picture goes on for 150 frames, and what is lost either way is sent again. The browser need not
/// have been asked: libwebrtc sends again also what a report on arrivals calls lost, which often leaves
/// the server before it would ask.
const RECOVERED: &str = r"
    const outbound = async () => [...(await call.pc.getStats()).values()]
        .find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video');
    const before = await call.inbound('video');
    await lab.until('150 more frames', async () =>
        (await call.inbound('video')).framesDecoded >= before.framesDecoded + 150);
    const { nackCount: asked, framesDecoded, freezeCount, packetsLost } = await call.inbound('video');
    const { nackCount: wasAsked, retransmittedPacketsSent: resent } = await outbound();
    const seen = { asked, wasAsked, resent, framesDecoded, freezeCount, packetsLost };
    if (!asked) throw new Error(`the browser lost nothing: ${JSON.stringify(seen)}`);
    if (!resent) throw new Error(`the server missed nothing: ${JSON.stringify(seen)}`);
    return seen;";
