//! What the page says when something is wrong, and the way out that it offers.

use anyhow::{Result, ensure};
use ferrite_tests::{BrowserOptions, Permission, Server, scene, scene_with, wait};
use serde_json::json;

#[tokio::test]
async fn when_permission_is_denied() -> Result<()> {
    let options = BrowserOptions {
        permission: Permission::Denied,
        ..BrowserOptions::default()
    };
    scene_with("page_permission_denied", &[], &options, async |scene| {
        let app = scene.open_app("").await?;
        let words = app
            .text("#device-error-text", |text| !text.is_empty())
            .await?;
        ensure!(words.contains("not allowed"), "says only {words:?}");
        app.shows("#device-retry", true).await?;
        scene.browser.screenshot("denied").await?;
        // Words need no camera.
        scene.browser.click("#start-without").await?;
        app.phase("connected").await?;
        app.say("no camera, no matter").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn when_permission_comes_late() -> Result<()> {
    let options = BrowserOptions {
        permission: Permission::Denied,
        ..BrowserOptions::default()
    };
    scene_with("page_permission_late", &[], &options, async |scene| {
        let app = scene.open_app("").await?;
        app.shows("#device-retry", true).await?;
        let devices = json!({ "permissions": ["audioCapture", "videoCapture"] });
        scene
            .browser
            .devtools("Browser.grantPermissions", devices)
            .await?;
        scene.browser.click("#device-retry").await?;
        app.shows("#device-error", false).await?;
        app.plays("#preview", 10).await?;
        app.call().await?;
        app.plays("#remote-video", 10).await
    })
    .await
}

#[tokio::test]
async fn when_the_server_goes_and_comes_back() -> Result<()> {
    scene("page_server_away", async |scene| {
        // The browser itself logs every WebSocket that does not open.
        scene.expect_console_errors();
        scene.open_app("?resolution=360").await?.call().await?;
        let address = scene.server.url("").replace("http://", "");
        let status = scene.server.stop(wait::PATIENCE).await?;
        ensure!(status.success(), "the server ended with {status}");
        scene
            .app()
            .text("#error-text", |text| text.contains("server"))
            .await?;
        scene.app().shows("#retry", true).await?;
        let phase = "document.querySelector('#state').dataset.phase";
        scene
            .browser
            .until("the call to be over", phase, |now| now != "connected")
            .await?;
        scene.browser.screenshot("away").await?;
        // To try again at once changes nothing yet. Later ones come by themselves.
        scene.browser.click("#retry").await?;
        let again = scene.dir.join("again");
        std::fs::create_dir(&again)?;
        scene.server = Server::start_at(&again, &address, &[]).await?;
        let app = scene.app();
        app.phase("connected").await?;
        app.shows("#error", false).await?;
        app.plays("#remote-video", 10).await?;
        app.say("here again").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn when_there_is_no_camera() -> Result<()> {
    let options = BrowserOptions {
        flags: vec!["--use-fake-device-for-media-stream=device-count=0".to_owned()],
        ..BrowserOptions::default()
    };
    scene_with("page_no_camera", &[], &options, async |scene| {
        let app = scene.open_app("").await?;
        let words = app
            .text("#device-error-text", |text| !text.is_empty())
            .await?;
        ensure!(words.contains("No camera"), "says only {words:?}");
        scene.browser.screenshot("no-camera").await?;
        app.call().await?;
        app.say("sound and words").await?;
        Ok(())
    })
    .await
}

/// Another program has the camera. The microphone is free.
const BUSY: &str = r"
    window.cameraBusy = true;
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (constraints) => {
        if (window.cameraBusy && constraints.video)
            throw new DOMException('Could not start video source', 'NotReadableError');
        return real(constraints);
    };
";

#[tokio::test]
async fn when_the_camera_is_busy() -> Result<()> {
    scene("page_camera_busy", async |scene| {
        let script = json!({ "source": BUSY });
        scene
            .browser
            .devtools("Page.addScriptToEvaluateOnNewDocument", script)
            .await?;
        let app = scene.open_app("?resolution=360").await?;
        let words = app
            .text("#device-error-text", |text| !text.is_empty())
            .await?;
        ensure!(
            words.contains("camera") && words.contains("another program"),
            "says only {words:?}"
        );
        ensure!(
            !words.contains("microphone"),
            "the microphone is free: {words:?}"
        );
        scene.browser.screenshot("busy").await?;
        scene.run("window.cameraBusy = false;").await?;
        scene.browser.click("#device-retry").await?;
        app.shows("#device-error", false).await?;
        app.plays("#preview", 10).await?;
        app.call().await?;
        app.plays("#remote-video", 10).await
    })
    .await
}

/// A module whose one function does what a panic ends with: `unreachable`.
const TRAP: &str = r"
    const trap = Uint8Array.of(
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
        7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11);
    const { instance } = await WebAssembly.instantiate(trap);
    window.before = true;
    setTimeout(() => instance.exports.f());
";

#[tokio::test]
async fn when_the_client_itself_fails() -> Result<()> {
    scene("page_crash", async |scene| {
        scene.expect_console_errors();
        let app = scene.open_app("?resolution=360").await?;
        app.plays("#preview", 5).await?;
        // Mistakes of other scripts are no crash of ours.
        scene
            .run("setTimeout(() => { throw new TypeError('not ours'); });")
            .await?;
        app.shows("#crash", false).await?;
        scene.run(TRAP).await?;
        app.shows("#crash", true).await?;
        scene.browser.screenshot("crash").await?;
        scene.browser.click("#reload").await?;
        let reloaded = "window.before ?? false";
        scene
            .browser
            .until("the page to be loaded anew", reloaded, |before| {
                before == false
            })
            .await?;
        app.shows("#crash", false).await?;
        app.plays("#preview", 5).await
    })
    .await
}
