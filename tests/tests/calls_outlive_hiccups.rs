//! What befalls a call that is up, and how it goes on by itself: another network, a server that is
//! killed and comes back, a WebSocket that is cut, a page that is frozen. Nobody clicks anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use ferrite_tests::proxy::Proxy;
use ferrite_tests::witness::now;
use ferrite_tests::{Scene, Witness, scene, scene_with, wait};
use serde_json::json;

/// Starts a call on the page at `url`, and waits until pictures come back.
async fn call<'a>(scene: &'a Scene, url: &str) -> Result<Witness<'a>> {
    let witness = Witness::invite(&scene.browser).await?;
    scene.browser.open(url).await?;
    scene.app().call().await?;
    witness.watch().await?;
    Ok(witness)
}

#[tokio::test]
async fn the_server_is_killed_and_comes_back() -> Result<()> {
    scene("server_killed", async |scene| {
        // The browser itself logs every WebSocket that does not open.
        scene.expect_console_errors();
        let url = scene.server.url("/echo?resolution=360");
        call(scene, &url).await?;
        let killed = now();
        scene.server.restart_after_kill(&scene.dir).await?;
        let back = now();
        let witness = Witness::of(&scene.browser);
        let took = witness.sees_pictures_after(back).await?;
        println!(
            "pictures {took} ms after the server was back, {} ms after it was killed",
            took + (back - killed)
        );
        ensure!(took < 10_000, "{took} ms: {}", witness.tells(back).await?);
        let app = scene.app();
        app.phase("connected").await?;
        app.shows("#error", false).await?;
        app.say("here again").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn only_the_websocket_is_cut() -> Result<()> {
    scene("websocket_cut", async |scene| {
        scene.expect_console_errors();
        let address = scene.server.url("").replace("http://", "");
        let proxy = Proxy::start(address).await?;
        let witness = call(scene, &proxy.url("/echo?resolution=360")).await?;
        let app = scene.app();
        let cut = now();
        proxy.cut();
        let words = app.text("#error-text", |text| !text.is_empty()).await?;
        ensure!(words.contains("The call itself goes on"), "says {words:?}");
        scene.browser.screenshot("cut").await?;
        app.plays("#remote-video", 60).await?;
        app.say("words need no WebSocket").await?;
        app.phase("connected").await?;
        proxy.mend();
        let ready = "document.querySelector('#state').dataset.link";
        let mended = now();
        scene
            .browser
            .until("the link to be back", ready, |link| link == "ready")
            .await?;
        app.shows("#error", false).await?;
        app.plays("#remote-video", 30).await?;
        let gap = witness.longest_gap_after(cut).await?;
        println!(
            "the link was back after {} ms; no picture was late by more than {gap} ms",
            now() - mended
        );
        ensure!(gap < 2_000, "a gap of {gap} ms");
        ensure!(
            witness.connections().await? == 1,
            "a new peer connection: {}",
            witness.tells(cut).await?
        );
        let log = scene.server.output()?;
        ensure!(log.contains("resumed"), "the session was not resumed");
        // What needs the server works again: the camera goes off, and comes back.
        scene.browser.click("#camera").await?;
        scene.browser.click("#camera").await?;
        app.plays("#remote-video", 10).await
    })
    .await
}

/// What a browser does to the page of a hidden tab, and a lid to the whole machine. Chromium closes
/// the WebSocket of a page that it freezes; timers that are long past fire in one moment.
#[tokio::test]
async fn the_page_is_frozen() -> Result<()> {
    let flags = ["--ping-interval", "1s"];
    scene_with("page_frozen", &flags, &Default::default(), async |scene| {
        scene.expect_console_errors();
        let url = scene.server.url("/echo?resolution=360");
        let witness = call(scene, &url).await?;
        let command = "Page.setWebLifecycleState";
        let frozen = json!({ "state": "frozen" });
        scene.browser.devtools(command, frozen).await?;
        // Twice the time after which a server that says nothing is gone.
        wait::pass(Duration::from_secs(6)).await;
        let thawed = now();
        let active = json!({ "state": "active" });
        scene.browser.devtools(command, active).await?;
        witness.sees_sockets(2).await?;
        let app = scene.app();
        app.phase("connected").await?;
        app.plays("#remote-video", 30).await?;
        println!(
            "30 pictures {} ms after the page was thawed",
            now() - thawed
        );
        let calm = Duration::from_secs(4);
        wait::pass(calm).await;
        let (sockets, connections) = (witness.sockets().await?, witness.connections().await?);
        ensure!(
            (sockets, connections) == (2, 2),
            "{sockets} WebSockets, {connections} connections: {}",
            witness.tells(thawed).await?
        );
        app.shows("#error", false).await
    })
    .await
}

/// What an aborted SCTP association does to the page: its channel is closed while media goes on. A new
/// peer connection brings it back, once; a channel that does not stay open is not worth another one.
#[tokio::test]
async fn the_data_channel_closes() -> Result<()> {
    const KEEP: &str = r"
        window.channels = [];
        const { createDataChannel } = RTCPeerConnection.prototype;
        RTCPeerConnection.prototype.createDataChannel = function (...parameters) {
            channels.push(createDataChannel.apply(this, parameters));
            return channels.at(-1);
        };";
    scene("channel_closed", async |scene| {
        let command = "Page.addScriptToEvaluateOnNewDocument";
        scene
            .browser
            .devtools(command, json!({ "source": KEEP }))
            .await?;
        let url = scene.server.url("/echo?resolution=360");
        let witness = call(scene, &url).await?;
        let app = scene.app();
        app.say("first").await?;
        let closed = now();
        scene.run("channels[0].close();").await?;
        witness.sees_connections(2).await?;
        app.phase("connected").await?;
        app.say("second").await?;
        app.plays("#remote-video", 10).await?;
        println!(
            "said and seen {} ms after the channel was closed",
            now() - closed
        );
        scene.run("channels[1].close();").await?;
        let closed = "document.querySelector('#chat-input').disabled";
        scene
            .browser
            .until("the chat to be closed", closed, |closed| closed == true)
            .await?;
        app.plays("#remote-video", 60).await?;
        scene.browser.screenshot("closed-again").await?;
        ensure!(witness.connections().await? == 2, "a third peer connection");
        app.phase("connected").await
    })
    .await
}

/// How soon a call goes on is up to Chromium as much as to us. ICE gathers on the networks of a list
/// that Chromium makes anew once they have been left alone for a while. On Linux that is 2 s after an
/// address changed (IPv6's own link-local one, too), 1.5 s after the machine went offline and 0.5 s
/// after it went online, counted from whichever came last (`NetworkChangeCalculatorParams` in
/// `net/base/network_change_notifier_linux.cc`; on Windows 1.5, 1.5 and 0.5 s, on macOS 0.5, 1 and
/// 0.5 s, on Android 1, 0 and 0 s). Events tell the page long before. A restart
/// goes on gathering until it has a pair, so one that came too early need not be repeated; and one
/// that finds the list empty takes whichever address the system chooses, at once. A pair of such an
/// address is used a second later where the old one has not been silent for five yet.
///
/// Every window has a list of its own, so that a new peer connection in a new frame would have the new
/// network within 15 ms. It would also lose whatever is on its way over the data channels, which a
/// restart delivers; so it is not made.
mod over_a_network {
    use ferrite_tests::network::{self, MOBILE, Roaming, WIFI, roaming};
    use ferrite_tests::{BrowserOptions, Server, artefacts, scene_on};

    use super::*;

    /// Plays a scene in which the browser is on the move.
    fn travels(
        name: &str,
        play: impl AsyncFnOnce(&mut Scene, &Roaming) -> Result<()> + Send,
    ) -> Result<()> {
        travels_with(name, &[], play)
    }

    /// The same, on a server with these flags.
    fn travels_with(
        name: &str,
        flags: &[&str],
        play: impl AsyncFnOnce(&mut Scene, &Roaming) -> Result<()> + Send,
    ) -> Result<()> {
        roaming(async |networks| {
            let dir = artefacts::fresh(name)?;
            let server = Server::start_beyond(networks, &dir, flags).await?;
            let options = BrowserOptions {
                no_loopback: true,
                ..BrowserOptions::default().trusting(&server.url(""))
            };
            let play = async |scene: &mut Scene| {
                scene.expect_console_errors();
                play(scene, networks).await
            };
            scene_on(server, dir, &options, play).await
        })
    }

    /// Waits for pictures after `there`, and says how many milliseconds later they came. What happened
    /// until then is kept as an artefact.
    async fn pictures_after(scene: &Scene, witness: &Witness<'_>, there: u64) -> Result<u64> {
        let took = witness.sees_pictures_after(there).await?;
        let timeline = witness.tells(there).await?;
        std::fs::write(scene.dir.join("timeline.txt"), timeline)?;
        Ok(took)
    }

    /// The call is still the same one, and everything about it is well.
    async fn all_is_well(scene: &Scene, witness: &Witness<'_>) -> Result<()> {
        ensure!(witness.connections().await? == 1, "a new peer connection");
        let app = scene.app();
        app.phase("connected").await?;
        app.shows("#error", false).await?;
        app.say("elsewhere now").await?;
        Ok(())
    }

    #[test]
    fn the_network_changes() -> Result<()> {
        travels("network_changes", async |scene, networks| {
            let url = scene.server.url("/echo?resolution=360");
            let witness = call(scene, &url).await?;
            networks.part(WIFI)?;
            networks.join(MOBILE)?;
            let there = now();
            let took = pictures_after(scene, &witness, there).await?;
            println!("pictures {took} ms after the new network was there");
            ensure!(took < 15_000, "{took} ms: {}", witness.tells(there).await?);
            all_is_well(scene, &witness).await
        })
    }

    #[test]
    fn the_network_is_gone_for_a_while() -> Result<()> {
        travels("network_gone", async |scene, networks| {
            let url = scene.server.url("/echo?resolution=360");
            let witness = call(scene, &url).await?;
            networks.part(WIFI)?;
            let words = scene
                .app()
                .text("#error-text", |text| text.contains("no network"))
                .await?;
            ensure!(!words.contains("goes on"), "says {words:?}");
            let app = scene.app();
            app.phase("reconnecting").await?;
            let unheard = |text: &str| text == "Server: not reached";
            app.text("#server-state", unheard).await?;
            scene.browser.screenshot("no-network").await?;
            // Until Chromium itself has noticed what it lost.
            wait::pass(Duration::from_secs(4)).await;
            networks.join(MOBILE)?;
            let there = now();
            let took = pictures_after(scene, &witness, there).await?;
            println!("pictures {took} ms after a network was there again");
            ensure!(took < 10_000, "{took} ms: {}", witness.tells(there).await?);
            all_is_well(scene, &witness).await
        })
    }

    /// No event tells the page. It misses what came from the server.
    #[test]
    fn the_network_changes_and_nobody_says_so() -> Result<()> {
        travels("network_changes_unseen", async |scene, networks| {
            let url = scene.server.url("/echo?resolution=360");
            let witness = call(scene, &url).await?;
            // What begins only now cannot be missed yet.
            scene.app().plays("#remote-video", 60).await?;
            networks.join(MOBILE)?;
            networks.part(WIFI)?;
            let there = now();
            let took = pictures_after(scene, &witness, there).await?;
            println!("pictures {took} ms after the new network was the only one");
            ensure!(took < 20_000, "{took} ms: {}", witness.tells(there).await?);
            all_is_well(scene, &witness).await
        })
    }

    /// When a network is there again the server still has the session, but has given up its end of the
    /// peer connection. No restart brings that back, and nobody has to find that out by waiting.
    #[test]
    fn the_network_is_gone_for_longer_than_the_server_waits_for_media() -> Result<()> {
        let flags = ["--resume-time", "5m"];
        travels_with("network_gone_long", &flags, async |scene, networks| {
            let url = scene.server.url("/echo?resolution=360");
            let witness = call(scene, &url).await?;
            networks.part(WIFI)?;
            let log = async || scene.server.output();
            let given_up = |log: &String| log.contains("connection=Closed");
            let patience = Duration::from_secs(90);
            wait::until("the peer to be given up", patience, log, given_up).await?;
            networks.join(MOBILE)?;
            let there = now();
            let took = pictures_after(scene, &witness, there).await?;
            println!("pictures {took} ms after a network was there again");
            ensure!(took < 7_000, "{took} ms: {}", witness.tells(there).await?);
            let log = scene.server.output()?;
            ensure!(log.contains("resumed"), "the session was not resumed");
            ensure!(witness.connections().await? == 2, "no new peer connection");
            let app = scene.app();
            app.phase("connected").await?;
            app.shows("#error", false).await?;
            app.say("here again").await?;
            Ok(())
        })
    }

    /// Checks pass and DTLS does not. The page says what is wrong, and stops; a click, and it works.
    #[test]
    fn dtls_gets_stuck() -> Result<()> {
        travels("dtls_stuck", async |scene, networks| {
            networks.at_server(async || network::drop_dtls()).await?;
            let app = scene.open_app("?resolution=360").await?;
            scene.browser.click("#start").await?;
            app.text("#error-text", |text| text.contains(NO_DTLS))
                .await?;
            app.phase("negotiating").await?;
            scene.browser.screenshot("looking").await?;
            let phase = async || {
                scene
                    .run("return document.querySelector('#state').dataset.phase")
                    .await
            };
            let patience = Duration::from_secs(90);
            wait::until("the call to be given up", patience, phase, |now| {
                now == "failed"
            })
            .await?;
            let words = app.text("#error-text", |text| !text.is_empty()).await?;
            ensure!(words.contains(NO_DTLS), "says {words:?}");
            scene.browser.screenshot("failed").await?;
            let log = scene.server.output()?;
            ensure!(log.contains("dtlsUnanswered"), "the server logged nothing");
            holds_no_peer(scene).await?;
            networks.at_server(async || network::drop_nothing()).await?;
            let app = scene.app();
            scene.browser.click("#retry").await?;
            app.phase("connected").await?;
            app.shows("#error", false).await?;
            app.plays("#remote-video", 10).await
        })
    }

    const NO_DTLS: &str =
        "had no answer: either it does not reach you or your answer does not reach us";

    /// Neither UDP nor TCP gets through from the beginning. The page says so after five seconds, and so does the
    /// server's log; and the way out works.
    #[test]
    fn nothing_gets_through() -> Result<()> {
        travels("nothing_gets_through", async |scene, networks| {
            let port = scene.server.media_port();
            networks
                .at_server(async || network::drop_media(port))
                .await?;
            let told = format!("let UDP and TCP port {port} through");
            is_told(scene, &told, "nothingArrives").await?;
            networks.at_server(async || network::drop_nothing()).await?;
            works_again(scene).await
        })
    }

    /// The browser's checks arrive, and no answer gets back.
    #[test]
    fn answers_get_lost() -> Result<()> {
        travels("answers_lost", async |scene, _| {
            network::drop_answers(scene.server.media_port())?;
            let told = "and none of our answers reached you";
            is_told(scene, told, "answersLost").await?;
            network::drop_nothing()?;
            works_again(scene).await
        })
    }

    /// What is larger than the way to the server takes is lost, and nobody says so. The longest that a browser says
    /// is how it begins, so that its offer insists on that.
    #[test]
    fn the_way_is_too_narrow_for_the_handshake() -> Result<()> {
        const BEGINS: &str = r"
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) {
                const isText = typeof data === 'string';
                send.call(this, isText ? data.replaceAll('a=setup:actpass', 'a=setup:active') : data);
            };
        ";
        travels("narrow_way", async |scene, networks| {
            scene.before_pages(BEGINS).await?;
            networks
                .at_server(async || network::drop_long_udp(1000))
                .await?;
            let told = "stalls at a large datagram";
            is_told(scene, told, "largeDatagramsLost").await?;
            networks.at_server(async || network::drop_nothing()).await?;
            works_again(scene).await
        })
    }

    /// The page says this of a call, and the server's log names this cause.
    async fn is_told(scene: &Scene, told: &str, cause: &str) -> Result<()> {
        let app = scene.open_app("?resolution=360").await?;
        scene.browser.click("#start").await?;
        app.text("#error-text", |text| text.contains(told)).await?;
        scene.browser.screenshot("told").await?;
        let log = scene.server.output()?;
        ensure!(log.contains(cause), "the server logged nothing of {cause}");
        Ok(())
    }

    async fn works_again(scene: &Scene) -> Result<()> {
        let app = scene.app();
        app.phase("connected").await?;
        app.shows("#error", false).await
    }

    /// Programs have the sentence in their error, and the cause as a word.
    #[test]
    fn programs_are_told_why() -> Result<()> {
        const CALL: &str = r"
            const { default: init, FerriteClient } = await import('/ferrite_client.js');
            await init();
            window.seen = [];
            const client = new FerriteClient();
            client.on('status', ({ problem }) => problem?.why && seen.push(problem));
            client.start().catch((error) => { window.failure = error; });
        ";
        const FAILURE: &str = "return window.failure && [failure.code, failure.why, failure.message, seen[0]?.code, seen[0]?.why];";
        travels("programs_told_why", async |scene, networks| {
            let port = scene.server.media_port();
            networks
                .at_server(async || network::drop_media(port))
                .await?;
            scene.open_lab().await?;
            scene.run(CALL).await?;
            let failure = async || scene.run(FAILURE).await;
            let patience = Duration::from_secs(90);
            let failure =
                wait::until("the call to fail", patience, failure, |it| it.is_array()).await?;
            let expected = ["noPath", "nothingArrives", "slowPath", "nothingArrives"];
            let told: Vec<_> = [0, 1, 3, 4].map(|at| failure[at].as_str()).into();
            ensure!(told == expected.map(Some), "{failure}");
            let message = failure[2].as_str().unwrap_or_default();
            ensure!(
                message.contains("Neither your UDP nor your TCP"),
                "{message}"
            );
            Ok(())
        })
    }

    /// What a call held at the server is free.
    async fn holds_no_peer(scene: &mut Scene) -> Result<()> {
        let held = async || Ok(scene.server.holdings().await?.count("peers"));
        wait::until("the peer to be freed", wait::PATIENCE, held, |held| {
            *held == 0
        })
        .await?;
        Ok(())
    }

    /// Nothing brings media to the server any more, while the WebSocket goes on. The page repairs
    /// what it can, says what is wrong, and gives up; a click, and it works again.
    #[test]
    fn media_is_blocked() -> Result<()> {
        travels("media_blocked", async |scene, networks| {
            let url = scene.server.url("/echo?resolution=360");
            call(scene, &url).await?;
            let port = scene.server.media_port();
            networks
                .at_server(async || network::drop_media(port))
                .await?;
            let app = scene.app();
            let words = app.text("#error-text", |text| !text.is_empty()).await?;
            ensure!(words.contains("Still looking for a way"), "says {words:?}");
            app.phase("reconnecting").await?;
            scene.browser.screenshot("looking").await?;
            app.phase("failed").await?;
            let words = app.text("#error-text", |text| !text.is_empty()).await?;
            ensure!(words.contains("no way to send media"), "says {words:?}");
            let told = "Neither your UDP nor your TCP arrived";
            ensure!(words.contains(told), "says {words:?}");
            scene.browser.screenshot("failed").await?;
            networks.at_server(async || network::drop_nothing()).await?;
            scene.browser.click("#retry").await?;
            app.phase("connected").await?;
            app.shows("#error", false).await?;
            app.plays("#remote-video", 10).await
        })
    }
}
