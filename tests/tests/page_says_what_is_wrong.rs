//! What the page says when something is wrong, and the way out that it offers.

use std::time::Duration;

use anyhow::{Result, ensure};
use ferrite_tests::{BrowserOptions, Permission, Server, scene, scene_with};
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
        let status = scene.server.stop(Duration::from_secs(2)).await?;
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
