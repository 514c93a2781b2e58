//! Firefox and Chromium meet in a room's page: each sees and reads the other.

use anyhow::{Context, Result};
use ferrite_tests::{Firefox, RoomPage, firefox_and_chromium, wait};
use serde_json::{Value, json};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

#[test]
fn firefox_and_chromium_see_and_read_each_other() -> Result<()> {
    let (flags, options) = (["--shards", "1"], RoomPage::windows());
    firefox_and_chromium(
        "room_browsers",
        &flags,
        &options,
        async |firefox, chromium, server| {
            let page = RoomPage(chromium);
            chromium.open(&server.url(ROOM)).await?;
            page.enter("Chromium").await?;
            page.say("Hello").await?;

            firefox.open(&server.url(ROOM)).await?;
            let ready = "String(!document.querySelector('#enter').disabled)";
            is(firefox, ready, "true").await?;
            firefox.run(ENTER, vec![]).await?;
            is(
                firefox,
                "document.querySelector('#state').dataset.phase",
                "connected",
            )
            .await?;
            let read = "document.querySelector('#chat-log li')?.textContent.trim()";
            is(firefox, read, "Chromium Hello").await?;
            plays(firefox, "Chromium").await?;
            page.shows(&["Chromium", "Firefox"]).await?;
            page.plays("Firefox", 10).await?;
            page.hears(true).await?;

            // What was off comes back without another offer, on this side and on that.
            firefox.run(CAMERA, vec![]).await?;
            page.tile_is("Firefox", "tile.dataset.video", "off").await?;
            firefox.run(CAMERA, vec![]).await?;
            page.plays("Firefox", 10).await?;
            chromium.click("#camera").await?;
            let off = format!("{}.dataset.video", RoomPage::tile("Chromium"));
            is(firefox, &off, "off").await?;
            chromium.click("#camera").await?;
            plays(firefox, "Chromium").await?;
            chromium.screenshot("both").await
        },
    )
}

const ENTER: &str = "
    document.querySelector('#name').value = 'Firefox';
    document.querySelector('#enter').click();";

const CAMERA: &str = "document.querySelector('#camera').click();";

/// Waits until an expression of Firefox's page says this.
async fn is(firefox: &Firefox, expression: &str, wanted: &str) -> Result<()> {
    let body = format!("return {expression};");
    let probe = async || firefox.run(&body, vec![]).await;
    wait::until(expression, wait::PATIENCE, probe, |seen| {
        *seen == json!(wanted)
    })
    .await?;
    Ok(())
}

/// Waits until Firefox has shown ten more frames of somebody. The W3C's counter it keeps for files only.
async fn plays(firefox: &Firefox, name: &str) -> Result<()> {
    let video = format!("{}?.querySelector('video')", RoomPage::tile(name));
    let body = format!("return ({video})?.mozPaintedFrames ?? 0;");
    let probe = async || firefox.run(&body, vec![]).await;
    let before = probe().await?.as_u64().context("a number of frames")?;
    let more = |seen: &Value| seen.as_u64() >= Some(before + 10);
    wait::until(
        &format!("Firefox to see {name}"),
        wait::PATIENCE,
        probe,
        more,
    )
    .await?;
    Ok(())
}
