//! The page on small and wide screens, in light and dark, without a mouse and without eyes.

use anyhow::{Context, Result, ensure};
use ferrite_tests::{Browser, RoomPage, scene};
use serde_json::{Value, json};

#[tokio::test]
async fn fits_phones_and_wide_screens_in_light_and_dark() -> Result<()> {
    scene("page_sizes", async |scene| {
        let app = scene.open_app("?resolution=360").await?;
        app.plays("#preview", 5).await?;
        in_every_shape(&scene.browser, "before").await?;
        app.call().await?;
        app.plays("#remote-video", 5).await?;
        app.say("hello").await?;
        app.stat("video-received-bitrate").await?;
        in_every_shape(&scene.browser, "call").await
    })
    .await
}

async fn in_every_shape(browser: &Browser, name: &str) -> Result<()> {
    for (shape, width, height) in [
        ("phone", 360, 740),
        ("laptop", 1280, 800),
        ("wide", 2560, 1300),
    ] {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": shape == "phone"
        });
        browser
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        let mut grounds = Vec::new();
        for scheme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            let media = json!({ "features": features });
            browser
                .devtools("Emulation.setEmulatedMedia", media)
                .await?;
            browser
                .screenshot(&format!("{name}-{shape}-{scheme}"))
                .await?;
            grounds.push(brightness(browser).await?);
        }
        ensure!(
            grounds[0] > 200.0 && grounds[1] < 55.0,
            "{name} on a {shape} is {grounds:?} bright in light and dark"
        );
        let overflow = "return document.documentElement.scrollWidth - window.innerWidth;";
        let overflow = browser.run(overflow, vec![]).await?;
        ensure!(
            overflow.as_i64() <= Some(0),
            "{name} is {overflow} pixels too wide on a {shape}"
        );
    }
    Ok(())
}

/// How bright the page's ground is: 0 is black, 255 white.
async fn brightness(browser: &Browser) -> Result<f64> {
    let colour = "return getComputedStyle(document.body).backgroundColor;";
    let colour = browser.run(colour, vec![]).await?;
    let colour = colour.as_str().context("a colour")?;
    let rgb = colour.split(|c: char| !c.is_ascii_digit());
    let rgb: Vec<f64> = rgb.filter_map(|part| part.parse().ok()).collect();
    ensure!(rgb.len() == 3, "{colour} is not opaque");
    Ok(rgb.iter().sum::<f64>() / 3.0)
}

#[tokio::test]
async fn every_control_has_a_name_for_screen_readers() -> Result<()> {
    scene("page_names", async |scene| {
        let app = scene.open_app("?resolution=360").await?;
        app.plays("#preview", 5).await?;
        every_control_has_a_name(&scene.browser, 4).await?;
        app.call().await?;
        every_control_has_a_name(&scene.browser, 5).await?;
        scene.browser.open(&scene.server.url("/r/kitchen")).await?;
        every_control_has_a_name(&scene.browser, 5).await?;
        RoomPage(&scene.browser).enter("Ada").await?;
        RoomPage(&scene.browser).shows(&["Ada"]).await?;
        every_control_has_a_name(&scene.browser, 6).await
    })
    .await
}

/// Reads the tree that a screen reader reads.
async fn every_control_has_a_name(browser: &Browser, at_least: usize) -> Result<()> {
    let tree = browser
        .devtools("Accessibility.getFullAXTree", json!({}))
        .await?;
    let nodes = tree["nodes"].as_array().context("nodes")?;
    let roles = ["button", "combobox", "textbox", "checkbox", "meter", "link"];
    let controls = nodes.iter().filter(|node| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        node["ignored"] == false && roles.contains(&role)
    });
    let (named, nameless): (Vec<&Value>, Vec<&Value>) = controls.partition(|node| {
        let name = node["name"]["value"].as_str().unwrap_or_default();
        !name.trim().is_empty()
    });
    ensure!(
        nameless.is_empty(),
        "controls without a name: {nameless:#?}"
    );
    ensure!(
        named.len() >= at_least,
        "found only {} controls",
        named.len()
    );
    Ok(())
}

#[tokio::test]
async fn a_call_with_the_keyboard_alone() -> Result<()> {
    scene("page_keyboard", async |scene| {
        let app = scene.open_app("?resolution=360").await?;
        app.plays("#preview", 5).await?;
        tab_to(&scene.browser, "start").await?;
        scene.browser.press('\u{e007}').await?;
        app.phase("connected").await?;
        tab_to(&scene.browser, "mute").await?;
        scene.browser.press(' ').await?;
        let pressed = "document.querySelector('#mute').getAttribute('aria-pressed')";
        scene
            .browser
            .until("muted", pressed, |seen| seen == "true")
            .await?;
        tab_to(&scene.browser, "chat-input").await?;
        app.say("typed").await?;
        scene.browser.screenshot("focus").await?;
        tab_to(&scene.browser, "hangup").await?;
        scene.browser.press('\u{e007}').await?;
        app.phase("idle").await
    })
    .await
}

/// Presses the tab key until an element has the focus.
async fn tab_to(browser: &Browser, id: &str) -> Result<()> {
    for _ in 0..40 {
        let focused = "return document.activeElement?.id ?? '';";
        if browser.run(focused, vec![]).await? == id {
            return Ok(());
        }
        browser.press('\u{e004}').await?;
    }
    anyhow::bail!("40 presses of the tab key did not get to #{id}")
}
