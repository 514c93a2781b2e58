//! People meet in a room's page, in a real browser: they see and read each other, and see who mutes, leaves
//! and comes back.
//!
//! Alone: a browser that is starved sends fewer layers.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use fantoccini::wd::WindowHandle;
use ferrite_tests::{RoomPage, Scene, scene_with};
use serde_json::json;

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// Opens a room in a window for each of these, and enters.
async fn meet(scene: &Scene, names: &[&str]) -> Result<Vec<WindowHandle>> {
    let mut windows = Vec::new();
    for name in names {
        windows.push(scene.browser.open_window(&scene.server.url(ROOM)).await?);
        RoomPage(&scene.browser).enter(name).await?;
    }
    Ok(windows)
}

#[tokio::test]
async fn two_see_and_read_each_other() -> Result<()> {
    scene_with(
        "room_two",
        &["--shards", "1"],
        &RoomPage::windows(),
        async |scene| {
            let page = RoomPage(&scene.browser);
            let windows = meet(scene, &["Ada"]).await?;
            page.shows(&["Ada"]).await?;
            page.plays("Ada", 5).await?;
            scene.browser.screenshot("one").await?;
            page.say("Anybody here?").await?;
            page.reads(&["Ada Anybody here?"]).await?;

            let later = meet(scene, &["Zoë"]).await?;
            let windows = [windows, later].concat();
            page.shows(&["Ada", "Zoë"]).await?;
            page.reads(&["Ada Anybody here?"]).await?;
            page.say("I am").await?;
            for window in &windows {
                scene.browser.switch_to(window).await?;
                page.shows(&["Ada", "Zoë"]).await?;
                page.reads(&["Ada Anybody here?", "Zoë I am"]).await?;
                page.plays("Ada", 10).await?;
                page.plays("Zoë", 10).await?;
            }
            scene.browser.screenshot("two").await
        },
    )
    .await
}

#[tokio::test]
async fn who_cannot_play_a_codec_reads_so() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_codec", &["--shards", "1"], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let ada = enter_with_one_codec(scene, "Ada", "VP9").await?;
        enter_with_one_codec(scene, "Bo", "VP8").await?;
        let why = "tile.querySelector('.why').textContent";
        let words = "This browser cannot play the video codec that they send.";
        page.tile_is("Ada", why, words).await?;
        page.tile_is("Ada", "tile.dataset.video", "off").await?;
        browser.screenshot("codec").await?;
        browser.switch_to(&ada).await?;
        page.tile_is("Bo", why, words).await?;
        page.tile_is("Ada", why, "").await
    })
    .await
}

#[tokio::test]
async fn a_camera_is_sent_in_layers() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_layers", &["--shards", "1"], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let ada = browser.open_window(&scene.server.url(ROOM)).await?;
        scene.run(LAYERS_SENT).await?;
        page.enter("Ada").await?;
        meet(scene, &["Bo"]).await?;
        page.plays("Ada", 10).await?;
        browser.switch_to(&ada).await?;
        page.tile_is("Ada", "window.layers", "f 640, h 320").await?;
        page.plays("Bo", 10).await
    })
    .await
}

/// Notes the simulcast layers that a page sends: their names, and how wide they are.
const LAYERS_SENT: &str = "
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function (...given) {
        window.connection = this;
        return add.apply(this, given);
    };
    setInterval(async () => {
        const report = await window.connection?.getStats();
        const streams = [...(report?.values() ?? [])].filter(({ type }) => type === 'outbound-rtp');
        const layers = streams.filter(({ rid, framesSent }) => rid && framesSent > 5);
        window.layers = layers.map(({ rid, frameWidth }) => `${rid} ${frameWidth}`).sort().join(', ');
    }, 200);";

/// Enters with a browser that has one codec for pictures, and returns its window.
async fn enter_with_one_codec(scene: &Scene, name: &str, codec: &str) -> Result<WindowHandle> {
    let room = scene.server.url("/r/kitchen?resolution=360");
    let window = scene.browser.open_window(&room).await?;
    let only = format!(
        "const add = RTCPeerConnection.prototype.addTransceiver;
        RTCPeerConnection.prototype.addTransceiver = function (what, init) {{
            const transceiver = add.call(this, what, init);
            if ((what.kind ?? what) === 'video') {{
                const {{ codecs }} = RTCRtpReceiver.getCapabilities('video');
                const wanted = codecs.filter(({{ mimeType }}) => /{codec}|rtx/.test(mimeType));
                transceiver.setCodecPreferences(wanted);
            }}
            return transceiver;
        }};"
    );
    scene.run(&only).await?;
    RoomPage(&scene.browser).enter(name).await?;
    Ok(window)
}

#[tokio::test]
async fn four_come_and_go() -> Result<()> {
    scene_with(
        "room_four",
        &["--shards", "1"],
        &RoomPage::windows(),
        async |scene| {
            let page = RoomPage(&scene.browser);
            let names = ["Ada", "Bo", "Cy", "Di"];
            let windows = meet(scene, &names).await?;
            for window in &windows {
                scene.browser.switch_to(window).await?;
                page.shows(&names).await?;
                for name in names {
                    page.plays(name, 10).await?;
                }
            }
            scene.browser.screenshot("four").await?;
            in_every_shape(scene).await?;
            // All four slots of the first offer are not enough for five.
            let fifth = meet(scene, &["Ed", "Flo"]).await?;
            for name in names {
                page.plays(name, 5).await?;
            }
            page.plays("Ed", 5).await?;
            scene.browser.screenshot("six").await?;
            scene.browser.click("#leave").await?;
            scene.browser.switch_to(&fifth[0]).await?;
            page.shows(&["Ada", "Bo", "Cy", "Di", "Ed"]).await?;
            // Whoever reloads the page is another.
            scene.browser.switch_to(&windows[1]).await?;
            scene.browser.open(&scene.server.url(ROOM)).await?;
            scene.browser.switch_to(&windows[0]).await?;
            page.shows(&["Ada", "Cy", "Di", "Ed"]).await?;
            scene.browser.switch_to(&windows[1]).await?;
            let remembered = "document.querySelector('#name').value";
            // Of the windows of one browser, who entered last.
            let is_flo = |name: &serde_json::Value| name == "Flo";
            scene
                .browser
                .until("the name to be remembered", remembered, is_flo)
                .await?;
            page.enter("Bo").await?;
            page.plays("Ada", 5).await?;
            scene.browser.switch_to(&windows[0]).await?;
            page.shows(&["Ada", "Bo", "Cy", "Di", "Ed"]).await?;
            page.plays("Bo", 5).await?;
            nobody_offered_more_than_twice(scene)
        },
    )
    .await
}

/// Once to enter, and once for more slots: whoever else came and went cost nobody an offer.
fn nobody_offered_more_than_twice(scene: &Scene) -> Result<()> {
    let log = scene.server.output()?;
    let offers = log.lines().filter(|line| line.contains(": offer bytes="));
    let mut sessions = BTreeMap::<_, usize>::new();
    for line in offers {
        let session = line.split("session{id=").nth(1);
        let session = session.and_then(|rest| rest.split('}').next());
        *sessions.entry(session.context("a session")?).or_default() += 1;
    }
    ensure!(sessions.len() == 7, "seven came: {sessions:?}");
    ensure!(sessions.values().all(|offers| *offers <= 2), "{sessions:?}");
    Ok(())
}

async fn in_every_shape(scene: &Scene) -> Result<()> {
    for (shape, width, height) in [
        ("phone", 360, 740),
        ("wide", 2560, 1300),
        ("laptop", 1280, 800),
    ] {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
        });
        let browser = &scene.browser;
        browser
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        let overflow = "(({ scrollWidth, scrollHeight }) =>
            Math.max(scrollWidth - innerWidth, scrollHeight - innerHeight))(document.documentElement)";
        let fits = |more: &serde_json::Value| more.as_i64() <= Some(0);
        browser
            .until(&format!("the room to fit a {shape}"), overflow, fits)
            .await?;
        let inside = "(() => {
            const grid = document.querySelector('#grid').getBoundingClientRect();
            return [...document.querySelectorAll('#grid .tile')].every((tile) => {
                const it = tile.getBoundingClientRect();
                return it.top >= grid.top - 1 && it.bottom <= grid.bottom + 1
                    && it.left >= grid.left - 1 && it.right <= grid.right + 1;
            });
        })()";
        let what = format!("all tiles to be seen on a {shape}");
        browser.until(&what, inside, |all| *all == true).await?;
        browser.screenshot(&format!("four-{shape}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn others_see_who_mutes_and_who_shows_what() -> Result<()> {
    scene_with(
        "room_switches",
        &["--shards", "1"],
        &RoomPage::windows(),
        async |scene| {
            let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
            let windows = meet(scene, &["Ada", "Bo"]).await?;
            let (ada, bo) = (&windows[0], &windows[1]);
            page.plays("Ada", 5).await?;
            page.tile_is("Ada", "tile.dataset.muted", "false").await?;
            page.hears(true).await?;

            browser.switch_to(ada).await?;
            browser.click("#mute").await?;
            browser.click("#camera").await?;
            browser.switch_to(bo).await?;
            page.tile_is("Ada", "tile.dataset.muted", "true").await?;
            page.tile_is("Ada", "tile.dataset.video", "off").await?;
            page.hears(false).await?;
            browser.screenshot("off").await?;

            browser.switch_to(ada).await?;
            browser.click("#mute").await?;
            browser.click("#camera").await?;
            page.plays("Ada", 5).await?;
            browser.switch_to(bo).await?;
            page.tile_is("Ada", "tile.dataset.muted", "false").await?;
            page.plays("Ada", 5).await?;
            page.hears(true).await?;

            browser.switch_to(ada).await?;
            browser.click("#screen").await?;
            page.plays_a_screen(3).await?;
            browser.switch_to(bo).await?;
            page.plays_a_screen(3).await?;
            page.plays("Ada", 5).await?;
            browser.screenshot("screen").await?;
            browser.switch_to(ada).await?;
            browser.click("#screen").await?;
            browser.switch_to(bo).await?;
            let screens = "document.querySelectorAll('#grid [data-source=screen]').length";
            browser
                .until("no screen", screens, |count| *count == 0)
                .await?;
            page.plays("Ada", 5).await
        },
    )
    .await
}

#[tokio::test]
async fn who_came_first_mutes_and_removes_others() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_moderated", &["--shards", "1"], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let windows = meet(scene, &["Ada", "Bo"]).await?;
        browser.click("#people-toggle").await?;
        let offered = "[...document.querySelectorAll('#people-lines .remove')].map((it) => !it.hidden).join()";
        let none = |seen: &serde_json::Value| *seen == "false,false";
        browser.until("nobody to remove", offered, none).await?;

        browser.switch_to(&windows[0]).await?;
        page.tile_is("Bo", "tile.dataset.muted", "false").await?;
        browser.click("#people-toggle").await?;
        let bo = |seen: &serde_json::Value| *seen == "false,true";
        browser.until("Bo to be removable", offered, bo).await?;
        browser.click("#people-lines .mute-them:not([hidden])").await?;
        page.tile_is("Bo", "tile.dataset.muted", "true").await?;
        browser.switch_to(&windows[1]).await?;
        let pressed = "document.querySelector('#mute').getAttribute('aria-pressed')";
        browser.until("Bo to see it", pressed, |seen| *seen == "true").await?;

        browser.switch_to(&windows[0]).await?;
        browser.click("#people-lines .remove:not([hidden])").await?;
        page.shows(&["Ada"]).await?;
        browser.switch_to(&windows[1]).await?;
        let removed = |words: &str| words == "You were removed from the room.";
        scene.app().text("#error-text", removed).await?;
        browser.screenshot("removed").await?;
        scene.app().shows("#prejoin", true).await
    })
    .await
}

#[tokio::test]
async fn a_room_is_found_from_the_front_page() -> Result<()> {
    scene_with("room_door", &[], &RoomPage::windows(), async |scene| {
        scene.browser.open(&scene.server.url("/")).await?;
        scene.browser.type_into("#room", "Küche 7/8\n").await?;
        let name = "document.querySelector('#room-name')?.textContent";
        scene
            .browser
            .until("the room's page", name, |name| name == "Küche 7/8")
            .await?;
        scene.app().plays("#preview", 5).await?;
        scene.browser.screenshot("door").await?;
        RoomPage(&scene.browser).enter("Ada").await?;
        RoomPage(&scene.browser).shows(&["Ada"]).await
    })
    .await
}

#[tokio::test]
async fn who_is_not_let_in_reads_why() -> Result<()> {
    let flags = ["--token-key", "key:0123456789abcdef0123456789abcdef"];
    scene_with("room_locked", &flags, &RoomPage::windows(), async |scene| {
        scene.browser.open(&scene.server.url(ROOM)).await?;
        scene.browser.click("#enter").await?;
        let allowed = |words: &str| words.contains("not allowed into this room");
        scene.app().text("#error-text", allowed).await?;
        scene.app().shows("#prejoin", true).await?;
        scene.browser.screenshot("refused").await
    })
    .await
}
