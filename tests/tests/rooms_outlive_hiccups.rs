//! What befalls people in a room, and how they find each other again by themselves: a WebSocket that is cut, a
//! network from which nothing comes for a while, a server that is killed and comes back, and somebody who mutes them or
//! makes them leave.

use anyhow::Result;
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{RoomPage, scene_with};
use serde_json::json;

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

#[tokio::test]
async fn who_is_cut_off_keeps_their_place_and_misses_no_word() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_cut", &["--shards", "1"], &options, async |scene| {
        scene.expect_console_errors();
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let proxy = Proxy::start(scene.server.address().to_owned()).await?;
        let ada = browser.open_window(&proxy.url(ROOM)).await?;
        page.enter("Ada").await?;
        page.say("one").await?;
        let bo = browser.open_window(&scene.server.url(ROOM)).await?;
        page.enter("Bo").await?;
        page.plays("Ada", 5).await?;

        proxy.cut();
        page.tile_is("Ada", "tile.dataset.state", "reconnecting")
            .await?;
        browser.screenshot("reconnecting").await?;
        // Her media goes on meanwhile.
        page.plays("Ada", 10).await?;
        page.say("two").await?;
        browser.switch_to(&ada).await?;
        page.shows(&["Ada", "Bo"]).await?;
        page.plays("Bo", 10).await?;
        proxy.mend();
        page.reads(&["Ada one", "Bo two"]).await?;
        page.say("three").await?;
        browser.switch_to(&bo).await?;
        page.tile_is("Ada", "tile.dataset.state", "connected")
            .await?;
        page.reads(&["Ada one", "Bo two", "Ada three"]).await
    })
    .await
}

#[tokio::test]
async fn a_server_that_was_killed_has_the_room_again() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_killed", &["--shards", "1"], &options, async |scene| {
        scene.expect_console_errors();
        let mut windows = Vec::new();
        for name in ["Ada", "Bo"] {
            let url = scene.server.url(ROOM);
            windows.push(scene.browser.open_window(&url).await?);
            RoomPage(&scene.browser).enter(name).await?;
        }
        let page = RoomPage(&scene.browser);
        page.plays("Ada", 5).await?;
        page.say("one").await?;
        page.say("two").await?;
        page.reads(&["Bo one", "Bo two"]).await?;
        scene.browser.click("#mute").await?;
        scene.server.restart_after_kill(&scene.dir).await?;
        let page = RoomPage(&scene.browser);
        for window in windows {
            scene.browser.switch_to(&window).await?;
            scene.app().phase("connected").await?;
            page.shows(&["Ada", "Bo"]).await?;
            page.tile_is("Bo", "tile.dataset.muted", "true").await?;
            page.plays("Ada", 10).await?;
            page.plays("Bo", 10).await?;
        }
        page.say("three").await?;
        page.reads(&["Bo one", "Bo two", "Bo three"]).await
    })
    .await
}

#[tokio::test]
async fn who_is_made_to_leave_reads_why() -> Result<()> {
    scene_with("room_kicked", &[], &RoomPage::windows(), async |scene| {
        scene.browser.open(&scene.server.url(ROOM)).await?;
        // Whoever comes first may send others away.
        scene.run(HOST).await?;
        let page = RoomPage(&scene.browser);
        for (message, words) in [
            (
                "type: 'kick', reason: 'That was too loud.'",
                "You were removed from the room: That was",
            ),
            (
                "type: 'endRoom', reason: 'Time is up.'",
                "The room was ended: Time is up.",
            ),
        ] {
            page.enter("Ada").await?;
            let send = format!(
                "const participant = document.querySelector('[data-self]').dataset.participant;
                host.send(JSON.stringify({{ participant, {message} }}));"
            );
            page.shows(&["Ada", "Guest"]).await?;
            scene.run(&send).await?;
            let app = scene.app();
            app.text("#error-text", |text| text.starts_with(words))
                .await?;
            app.shows("#prejoin", true).await?;
            app.shows("#room", false).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whom_others_mute_reads_why() -> Result<()> {
    scene_with("room_muted", &[], &RoomPage::windows(), async |scene| {
        scene.browser.open(&scene.server.url(ROOM)).await?;
        scene.run(HOST).await?;
        let page = RoomPage(&scene.browser);
        page.enter("Ada").await?;
        page.shows(&["Ada", "Guest"]).await?;
        for (key, words, control) in [
            ("mic", "Somebody muted your microphone: There is an echo", "mute"),
            ("cam", "Somebody switched off what you show: There is an echo", "camera"),
        ] {
            let send = format!(
                "const {{ participant }} = document.querySelector('[data-self]').dataset;
                host.send(JSON.stringify({{ type: 'mutePublication', publication: `${{participant}}/{key}`,
                    reason: 'There is an echo' }}));"
            );
            scene.run(&send).await?;
            scene.app().text("#error-text", |text| text == words).await?;
            let pressed = format!("document.querySelector('#{control}').getAttribute('aria-pressed')");
            scene.browser.until("it to be off", &pressed, |it| it == "true").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_screen_that_others_muted_is_not_when_it_is_shown_again() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_screen_muted", &[], &options, async |scene| {
        scene.browser.open(&scene.server.url(ROOM)).await?;
        scene.run(HOST).await?;
        scene.run(NOTE_SCREENS).await?;
        RoomPage(&scene.browser).enter("Ada").await?;
        scene.browser.click("#screen").await?;
        let is_shown = "window.seen?.muted === false";
        scene.holds("a screen", is_shown).await?;
        let mute = "host.send(JSON.stringify({ type: 'mutePublication', publication: seen.id }));";
        scene.run(mute).await?;
        scene.holds("it to be muted", "seen.muted").await?;
        scene.browser.click("#screen").await?;
        scene.holds("no screen", "!seen").await?;
        scene.browser.click("#screen").await?;
        scene.holds("another", is_shown).await
    })
    .await
}

/// What the host sees of somebody's screen.
const NOTE_SCREENS: &str = "
    host.addEventListener('message', ({ data }) => {
        const { publications } = JSON.parse(data).participant ?? {};
        const screen = publications?.find(({ source }) => source === 'screen');
        if (publications) window.seen = screen && { id: screen.id, muted: screen.muted ?? false };
    });";

const HOST: &str = "
    window.host = new WebSocket(new URL('../ws', location).href.replace('http', 'ws'));
    await new Promise((opened) => { host.onopen = opened; });
    host.send(JSON.stringify({ type: 'join', room: 'kitchen' }));
    await new Promise((joined) => {
        host.onmessage = ({ data }) => { if (JSON.parse(data).type === 'joined') joined(); };
    });";

#[tokio::test]
async fn a_full_room_says_so() -> Result<()> {
    let flags = ["--max-participants", "1"];
    scene_with("room_full", &flags, &RoomPage::windows(), async |scene| {
        scene.browser.open(&scene.server.url(ROOM)).await?;
        scene.run(HOST).await?;
        scene.browser.click("#enter").await?;
        let full = |words: &str| words.starts_with("There is no place left");
        scene.app().text("#error-text", full).await?;
        scene.app().shows("#prejoin", true).await
    })
    .await
}

mod over_a_network {
    use std::time::Duration;

    use anyhow::ensure;
    use ferrite_tests::network::{self, Roaming, WIFI, roaming};
    use ferrite_tests::witness::now;
    use ferrite_tests::{Browser, Scene, Server, artefacts, scene_on, wait};

    use super::*;

    const GONE_FOR: Duration = Duration::from_secs(10);

    /// Notes whatever becomes of Ada's tile.
    const NOTE_ADA: &str = "
        window.states = [];
        setInterval(() => {
            const [tile] = [...document.querySelectorAll('#grid [data-source=camera]')]
                .filter((tile) => tile.querySelector('.name').textContent === 'Ada');
            const state = tile?.dataset.state ?? 'left';
            if (states.at(-1) !== state) states.push(state);
        }, 50);";

    const ADA: &str = "document.querySelector('[data-self]').dataset.participant";

    /// Nothing of Ada's arrives at the server, nor anything of the server's at her. Bo is in the server's network.
    #[test]
    fn whose_network_is_gone_for_a_while_keeps_place_and_pictures_and_misses_no_word() -> Result<()>
    {
        roaming(async |networks| {
            let dir = artefacts::fresh("room_network_gone")?;
            let server = Server::start_beyond(networks, &dir, &["--shards", "1"]).await?;
            let mut options = RoomPage::windows().trusting(&server.url(""));
            let of_bo = options.clone();
            options.no_loopback = true;
            let play = async |scene: &mut Scene| {
                scene.expect_console_errors();
                let dir = scene.dir.join("bo");
                std::fs::create_dir(&dir)?;
                let start = async || Browser::start(&dir, &of_bo).await;
                let mut bo = networks.at_server(start).await?;
                let played = goes_and_comes(scene, networks, &bo).await;
                let end = async || bo.keep_evidence().await.and(bo.close().await);
                played.and(networks.at_server(end).await)
            };
            scene_on(server, dir, &options, play).await
        })
    }

    async fn goes_and_comes(scene: &Scene, networks: &Roaming, bo: &Browser) -> Result<()> {
        let (ada, page, room) = (&scene.browser, RoomPage(bo), scene.server.url(ROOM));
        ada.open(&room).await?;
        RoomPage(ada).enter("Ada").await?;
        RoomPage(ada).say("one").await?;
        let own = ada.run(&format!("return {ADA};"), vec![]).await?;
        let meet = async || {
            bo.open(&room).await?;
            page.enter("Bo").await?;
            page.plays("Ada", 10).await?;
            bo.run(NOTE_ADA, vec![]).await
        };
        networks.at_server(meet).await?;
        RoomPage(ada).plays("Bo", 10).await?;

        let cut = now();
        let missed = async || {
            network::drop_all_by(WIFI)?;
            page.tile_is("Ada", "tile.dataset.state", "reconnecting")
                .await?;
            println!("reconnecting {} ms after the cut", now() - cut);
            bo.screenshot("reconnecting").await?;
            page.say("two").await
        };
        network::drop_all_by(WIFI)?;
        networks.at_server(missed).await?;
        let already = Duration::from_millis(now() - cut);
        wait::pass(GONE_FOR.saturating_sub(already)).await;
        network::drop_nothing()?;
        networks.at_server(async || network::drop_nothing()).await?;
        let mended = now();

        RoomPage(ada).reads(&["Ada one", "Bo two"]).await?;
        RoomPage(ada).plays("Bo", 10).await?;
        RoomPage(ada).say("three").await?;
        let found = async || {
            page.tile_is("Ada", "tile.dataset.state", "connected")
                .await?;
            page.plays("Ada", 10).await?;
            page.reads(&["Ada one", "Bo two", "Ada three"]).await?;
            bo.run("return states;", vec![]).await
        };
        let states = networks.at_server(found).await?;
        println!(
            "all is well {} ms after the network was back",
            now() - mended
        );
        ensure!(
            states == json!(["connected", "reconnecting", "connected"]),
            "Bo saw her {states}"
        );
        let own_now = ada.run(&format!("return {ADA};"), vec![]).await?;
        ensure!(own == own_now, "she was {own} and is {own_now}");
        RoomPage(ada).shows(&["Ada", "Bo"]).await
    }
}
