//! What keeps somebody from talking in a room is told in words, each with what to do.

use anyhow::Result;
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{BrowserOptions, Permission, RoomPage, Scene, scene, scene_with, wait};
use serde_json::json;

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8&processing=off";

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15";

#[tokio::test]
async fn who_is_in_trouble_reads_what_to_do() -> Result<()> {
    let options = BrowserOptions {
        permission: Permission::Denied,
        ..BrowserOptions::default()
    };
    scene_with("room_look_for_trouble", &[], &options, async |scene| {
        let browser = &scene.browser;
        for (name, agent, hint) in [
            ("chromium", None, "Press the symbol at the left end"),
            ("firefox", Some(FIREFOX), "Press the crossed-out symbol"),
            ("safari", Some(SAFARI), "Choose Settings for This Website"),
        ] {
            if let Some(agent) = agent {
                let agent = json!({ "userAgent": agent });
                let change = "Emulation.setUserAgentOverride";
                browser.devtools(change, agent).await?;
            }
            browser.open(&scene.server.url(ROOM)).await?;
            let says = |text: &str| text.contains("not allowed") && text.contains(hint);
            scene.app().text("#device-error-text", says).await?;
            browser.screenshot(&format!("denied-{name}")).await?;
        }
        devices_in_other_trouble(scene).await?;
        the_server_goes(scene).await
    })
    .await
}

/// Whoever asks for devices gets this exception; or the page does not come over https.
const TROUBLE: &str = "
    const trouble = new URLSearchParams(location.search).get('trouble');
    if (trouble === 'insecure') Object.defineProperty(navigator, 'mediaDevices', { value: undefined });
    else if (trouble) navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', trouble); };";

async fn devices_in_other_trouble(scene: &Scene) -> Result<()> {
    scene.before_pages(TROUBLE).await?;
    for (trouble, words) in [
        ("NotFoundError", "No camera or microphone was found."),
        ("NotReadableError", "another program may be using it"),
        ("insecure", "only to pages that come over https"),
    ] {
        let page = scene.server.url(&format!("{ROOM}&trouble={trouble}"));
        scene.browser.open(&page).await?;
        let says = |text: &str| text.contains(words);
        scene.app().text("#device-error-text", says).await?;
        scene.browser.screenshot(trouble).await?;
    }
    Ok(())
}

async fn the_server_goes(scene: &mut Scene) -> Result<()> {
    // The browser itself logs every WebSocket that does not open.
    scene.expect_console_errors();
    RoomPage(&scene.browser).enter("Ada").await?;
    scene.server.stop(wait::PATIENCE).await?;
    let says = |text: &str| text.contains("server");
    scene.app().text("#error-text", says).await?;
    scene.browser.screenshot("server-away").await
}

/// What the page looks for, and does not find.
async fn without(scene: &Scene, what: &str) -> Result<()> {
    scene
        .before_pages(&format!("delete window.{what};"))
        .await?;
    scene.browser.open(&scene.server.url(ROOM)).await
}

#[tokio::test]
async fn who_has_an_old_browser_reads_which_are_new_enough() -> Result<()> {
    scene("room_old_browser", async |scene| {
        scene.expect_console_errors();
        without(scene, "RTCPeerConnection").await?;
        let names_some =
            |text: &str| text.contains("no WebRTC") && text.contains("A current Firefox");
        scene.app().text("#error-text", names_some).await?;
        // Nothing comes of trying again, or of going in.
        scene.app().shows("#retry", false).await?;
        let shut = "document.querySelector('#enter').disabled";
        scene.holds("no way in", shut).await?;
        scene.browser.screenshot("no-webrtc").await?;

        without(scene, "WebAssembly").await?;
        let is_old = |text: &str| text.contains("could not be loaded") && text.contains("too old");
        scene.app().text("#crash-text", is_old).await?;
        scene.browser.screenshot("no-webassembly").await
    })
    .await
}

#[tokio::test]
async fn who_is_offline_reads_so_until_the_network_is_back() -> Result<()> {
    scene("room_offline", async |scene| {
        scene.expect_console_errors();
        let proxy = Proxy::start(scene.server.address().to_owned()).await?;
        scene.browser.open(&proxy.url(ROOM)).await?;
        RoomPage(&scene.browser).enter("Ada").await?;
        scene.app().shows("#error", false).await?;
        network(scene, false).await?;
        proxy.cut();
        let words = "This device has no network. Trying again by itself.";
        let says = |text: &str| text == words;
        scene.app().text("#error-text", says).await?;
        let none =
            "document.querySelector('#chat-input').placeholder === 'No message can be sent now'";
        scene.holds("no messages", none).await?;
        scene.browser.screenshot("offline").await?;
        proxy.mend();
        network(scene, true).await?;
        scene.app().shows("#error", false).await?;
        scene.app().phase("connected").await?;
        RoomPage(&scene.browser).say("Here again").await?;
        RoomPage(&scene.browser).reads(&["Ada Here again"]).await
    })
    .await
}

/// What the system says of its networks.
async fn network(scene: &Scene, is_there: bool) -> Result<()> {
    let conditions = json!({
        "offline": !is_there, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1
    });
    let emulate = "Network.emulateNetworkConditions";
    scene.browser.devtools(emulate, conditions).await.map(drop)
}

/// Chosen once and for all.
const NO_DEVICES: &str = "
    const settings = JSON.parse(localStorage.getItem('ferrite.settings'));
    Object.assign(settings, { camera: 'none', microphone: 'none' });
    localStorage.setItem('ferrite.settings', JSON.stringify(settings));";

#[tokio::test]
async fn who_hears_nothing_until_they_click_reads_so() -> Result<()> {
    let mut options = RoomPage::windows();
    let policy = "--autoplay-policy=document-user-activation-required";
    options.flags.push(policy.to_owned());
    scene_with("room_sound_blocked", &[], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        browser.open(&scene.server.url(ROOM)).await?;
        page.enter("Ada").await?;
        // Browsers let whoever is seen or heard hear, too.
        scene.run(NO_DEVICES).await?;
        browser.open_window(&scene.server.url(ROOM)).await?;
        let ready = "!document.querySelector('#enter').disabled";
        scene.holds("the page to be ready", ready).await?;
        // Whoever presses it allows sound at the same time.
        scene
            .run("document.querySelector('#name').value = 'Bo'; document.querySelector('#enter').click();")
            .await?;
        page.plays("Ada", 5).await?;
        let says = |text: &str| text == "This browser keeps the sound back until you click.";
        scene.app().text("#sound-blocked p", says).await?;
        scene.app().shows("#sound-blocked", true).await?;
        browser.screenshot("blocked").await?;
        browser.click("#sound-allow").await?;
        scene.app().shows("#sound-blocked", false).await?;
        page.hears(true).await
    })
    .await
}

/// Ada and Bo, each of whom the server sends so many kbit/s at most. The window is Bo's.
async fn on_a_thin_line(scene: &Scene) -> Result<()> {
    for name in ["Ada", "Bo"] {
        scene.browser.open_window(&scene.server.url(ROOM)).await?;
        RoomPage(&scene.browser).enter(name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn whose_connection_is_too_slow_for_a_picture_reads_so_in_its_place() -> Result<()> {
    let flags = ["--max-download", "60"];
    scene_with(
        "room_no_bandwidth",
        &flags,
        &RoomPage::windows(),
        async |scene| {
            on_a_thin_line(scene).await?;
            let why = "tile.dataset.video + ' ' + tile.querySelector('.why').textContent";
            let words = "off Your connection is too slow for this picture just now.";
            RoomPage(&scene.browser).tile_is("Ada", why, words).await?;
            // One's own is not sent to oneself.
            RoomPage(&scene.browser).tile_is("Bo", why, "on ").await?;
            scene.browser.screenshot("paused").await
        },
    )
    .await
}

#[tokio::test]
async fn whose_connection_is_weak_reads_so_where_a_picture_could_be_better() -> Result<()> {
    let flags = ["--max-download", "300"];
    scene_with("room_weak", &flags, &RoomPage::windows(), async |scene| {
        on_a_thin_line(scene).await?;
        let weak = "tile.dataset.weak + ' ' + tile.querySelector('.weak').title";
        let page = RoomPage(&scene.browser);
        page.plays("Ada", 5).await?;
        scene
            .browser
            .click("#grid .tile:not([data-self]) .pin")
            .await?;
        page.tile_is("Ada", weak, "true Your connection is weak")
            .await?;
        page.tile_is("Bo", weak, "false ").await?;
        scene.browser.screenshot("weak").await
    })
    .await
}
