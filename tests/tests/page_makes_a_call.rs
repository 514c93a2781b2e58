//! A call through the page, as a person makes it: look at oneself, start, talk, mute, hang up.

use anyhow::{Result, ensure};
use ferrite_tests::{App, BrowserOptions, Scene, artefacts, scene, scene_with, tone};
use serde_json::{Value, json};

/// A browser whose microphone hears 440 Hz.
fn humming(test: &str) -> Result<BrowserOptions> {
    let wav = artefacts::fresh(&format!("{test}_microphone"))?.join("440.wav");
    tone::write(&wav, 440)?;
    Ok(BrowserOptions {
        microphone: Some(wav),
        ..BrowserOptions::default()
    })
}

#[tokio::test]
async fn from_preview_to_hang_up() -> Result<()> {
    let options = humming("page_call")?;
    scene_with("page_call", &[], &options, async |scene| {
        // A voice is what the browser's clean-up lets through, and a hum is not one.
        let app = scene.open_app("?processing=off").await?;
        app.plays("#preview", 10).await?;
        meter(scene, "#level", |level| level > 30).await?;
        scene.browser.screenshot("before").await?;
        app.call().await?;
        app.plays("#remote-video", 30).await?;
        let rtt = app.say("hello there").await?;
        ensure!((0.0..2000.0).contains(&rtt), "a round trip of {rtt} ms");
        the_numbers_are_there(app).await?;
        scene.browser.screenshot("call").await?;
        muted_means_silent(scene).await?;
        camera_off_means_no_picture(scene).await?;
        scene.browser.click("#hangup").await?;
        app.phase("idle").await?;
        app.shows("#prejoin", true).await?;
        app.shows("#call", false).await?;
        // And again: nothing of the first call may be in the way of a second.
        app.call().await?;
        app.plays("#remote-video", 10).await
    })
    .await
}

async fn the_numbers_are_there(app: App<'_>) -> Result<()> {
    for name in [
        "video-sent-codec",
        "video-sent-bitrate",
        "video-received-codec",
        "video-received-bitrate",
        "video-received-resolution",
        "video-received-loss",
        "audio-received-codec",
        "path-rtt",
        "path-local",
        "path-remote",
    ] {
        let value = app.stat(name).await?;
        println!("{name}: {value}");
    }
    let (sent, received) = ("video-sent-codec", "video-received-codec");
    ensure!(
        app.stat(sent).await? == app.stat(received).await?,
        "another codec came back"
    );
    Ok(())
}

async fn muted_means_silent(scene: &Scene) -> Result<()> {
    scene
        .run(
            "window.listen = lab.ear(document.querySelector('#remote-video').srcObject);
            await lab.hears(listen, 440);",
        )
        .await?;
    scene.browser.click("#mute").await?;
    pressed(scene, "#mute", "true").await?;
    scene.run("await lab.silence(listen);").await?;
    meter(scene, "#call-level", |level| level == 0).await?;
    scene.browser.screenshot("muted").await?;
    scene.browser.click("#mute").await?;
    pressed(scene, "#mute", "false").await?;
    scene.run("await lab.hears(listen, 440);").await?;
    meter(scene, "#call-level", |level| level > 30).await
}

/// Waits until a microphone's level is as it should be, by eye and for screen readers.
async fn meter(scene: &Scene, css: &str, done: impl Fn(i64) -> bool) -> Result<()> {
    let value = format!("Number(document.querySelector('{css}').ariaValueNow)");
    let drawn = format!(
        "Math.round(100 * getComputedStyle(document.querySelector('{css}')).getPropertyValue('--level'))"
    );
    for expression in [value, drawn] {
        scene
            .browser
            .until(&format!("the meter {css}"), &expression, |seen| {
                seen.as_f64().is_some_and(|level| done(level as i64))
            })
            .await?;
    }
    Ok(())
}

/// A track that is disabled is sent as black frames, one that is stopped as none at all: either
/// way nothing of the room is to be seen.
async fn camera_off_means_no_picture(scene: &Scene) -> Result<()> {
    scene.browser.click("#camera").await?;
    pressed(scene, "#camera", "true").await?;
    scene.run(DARK).await?;
    scene.browser.screenshot("camera-off").await?;
    scene.browser.click("#camera").await?;
    pressed(scene, "#camera", "false").await?;
    scene.app().plays("#remote-video", 10).await
}

const DARK: &str = r"
    const video = document.querySelector('#remote-video');
    const look = lab.eye(video.srcObject);
    const dark = (colour) => Math.max(...colour) < 30;
    await lab.until('a dark or hidden picture', () => {
        const view = look();
        return !video.checkVisibility() || !view || (dark(view.left) && dark(view.right));
    });";

async fn pressed(scene: &Scene, css: &str, value: &str) -> Result<()> {
    let expression = format!("document.querySelector('{css}').getAttribute('aria-pressed')");
    let what = format!("{css} to be pressed: {value}");
    scene
        .browser
        .until(&what, &expression, |seen| seen == value)
        .await?;
    Ok(())
}

#[tokio::test]
async fn in_the_codec_that_was_chosen() -> Result<()> {
    scene("page_codecs", async |scene| {
        for (codec, name) in [
            ("VP9", "VP9"),
            ("H264", "H.264"),
            ("AV1", "AV1"),
            ("VP8", "VP8"),
        ] {
            let app = scene
                .open_app(&format!("?codec={codec}&resolution=360"))
                .await?;
            app.call().await?;
            app.plays("#remote-video", 10).await?;
            let seen = app.stat("video-received-codec").await?;
            let plain = |text: &str| text.replace('.', "");
            ensure!(
                plain(&seen).contains(&plain(name)),
                "asked for {codec}, got {seen}"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn with_the_devices_chosen_last_time() -> Result<()> {
    let options = BrowserOptions {
        flags: vec!["--use-fake-device-for-media-stream=device-count=2,fps=30".to_owned()],
        ..BrowserOptions::default()
    };
    scene_with("page_devices", &[], &options, async |scene| {
        let app = scene.open_app("?resolution=360").await?;
        app.plays("#preview", 5).await?;
        let camera = scene.run(CHOOSE).await?;
        in_use(scene, &camera).await?;
        app.plays("#preview", 5).await?;
        let app = scene.open_app("?resolution=360").await?;
        in_use(scene, &camera).await?;
        app.plays("#preview", 5).await?;
        let chosen = scene.run("return document.querySelector('#camera-select').value;");
        ensure!(
            chosen.await? == camera,
            "another camera is in use than is chosen"
        );
        scene.browser.screenshot("chosen").await?;
        app.call().await?;
        in_use(scene, &camera).await?;
        // What was unplugged since is no reason to have none.
        scene
            .run(&FORGET.replace("$camera", &camera.to_string()))
            .await?;
        let app = scene.open_app("?resolution=360").await?;
        app.plays("#preview", 5).await?;
        app.shows("#device-error", false).await
    })
    .await
}

/// Chooses a camera that is not in use, as a person would, and returns its id.
const CHOOSE: &str = r"
    const select = document.querySelector('#camera-select');
    const used = document.querySelector('#preview').srcObject.getVideoTracks()[0].getSettings().deviceId;
    const other = await lab.until('another camera', () => [...select.options].find(
        ({ value }) => value && value !== 'none' && value !== used));
    select.value = other.value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
    return other.value;";

const FORGET: &str = r"
    const remembered = localStorage.getItem('ferrite.settings');
    if (!remembered?.includes($camera)) throw new Error(`remembered ${remembered}`);
    localStorage.setItem('ferrite.settings', remembered.replace($camera, 'gone'));";

/// Waits until the picture shown is this camera's.
async fn in_use(scene: &Scene, camera: &Value) -> Result<()> {
    let used = "[...document.querySelectorAll('#preview, #local-video')]
        .filter((video) => video.checkVisibility())
        .map((video) => video.srcObject?.getVideoTracks()[0]?.getSettings().deviceId)[0] ?? null";
    let what = "the chosen camera to be used";
    scene
        .browser
        .until(what, used, |used| used == camera)
        .await?;
    Ok(())
}

#[tokio::test]
async fn without_camera_and_microphone() -> Result<()> {
    scene("page_data_only", async |scene| {
        let app = scene.open_app("").await?;
        scene.browser.click("#start-without").await?;
        app.phase("connected").await?;
        app.say("only words").await?;
        scene.browser.screenshot("data-only").await
    })
    .await
}

#[tokio::test]
async fn from_two_tabs_at_once() -> Result<()> {
    scene("page_two_tabs", async |scene| {
        let first = scene.browser.tab().await?;
        scene.open_app("?resolution=360").await?.call().await?;
        let second = scene
            .browser
            .open_tab(&scene.server.url("/echo?resolution=360"))
            .await?;
        scene.app().call().await?;
        for (tab, text) in [(&second, "from the second"), (&first, "from the first")] {
            scene.browser.switch_to(tab).await?;
            scene.app().plays("#remote-video", 10).await?;
            scene.app().say(text).await?;
            let lines = "return document.querySelectorAll('#chat-log li').length;";
            ensure!(
                scene.run(lines).await? == json!(1),
                "heard what the other tab said"
            );
        }
        Ok(())
    })
    .await
}
