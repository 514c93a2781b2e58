//! What keeps somebody from talking in a room is told in words, each with what to do.

use anyhow::Result;
use ferrite_tests::{BrowserOptions, Permission, RoomPage, Scene, scene_with, wait};
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
