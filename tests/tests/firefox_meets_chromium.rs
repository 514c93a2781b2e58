//! Firefox and Chromium meet in a room's page: each sees and reads the other, and Firefox does there what other tests do
//! in Chromium alone.

use anyhow::{Context, Result, ensure};
use ferrite_tests::{Browser, Firefox, RoomPage, artefacts, firefox_and_chromium, wait};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

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
            enter_by_keyboard(firefox).await?;
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
            chromium.screenshot("both").await?;
            is_muted_by_a_key(firefox, chromium).await?;
            each_shows_a_screen(firefox, chromium).await?;
            each_sends_a_file(firefox, chromium).await?;
            a_headset_is_offered(firefox).await?;
            fits_a_phone(firefox).await
        },
    )
}

async fn enter_by_keyboard(firefox: &Firefox) -> Result<()> {
    const TAB: char = '\u{e004}';
    const ENTER: char = '\u{e007}';
    for _ in 0..20 {
        let at = firefox.run("return document.activeElement.id;", vec![]);
        if at.await? == "name" {
            break;
        }
        firefox.press(TAB).await?;
    }
    for key in "Firefox".chars().chain([ENTER]) {
        firefox.press(key).await?;
    }
    Ok(())
}

async fn is_muted_by_a_key(firefox: &Firefox, chromium: &Browser) -> Result<()> {
    for muted in ["true", "false"] {
        firefox.press('m').await?;
        let page = RoomPage(chromium);
        page.tile_is("Firefox", "tile.dataset.muted", muted).await?;
    }
    Ok(())
}

/// Without a display Firefox has no screen to choose from: a canvas stands for it.
const SCREEN: &str = "
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    let frame = 0;
    setInterval(() => context.fillRect((frame += 8) % 640, 0, 40, 360), 50);
    navigator.mediaDevices.getDisplayMedia = async () => canvas.captureStream(20);
    document.querySelector('#screen').click();";

async fn each_shows_a_screen(firefox: &Firefox, chromium: &Browser) -> Result<()> {
    firefox.run(SCREEN, vec![]).await?;
    RoomPage(chromium).plays_a_screen(10).await?;
    let end = "document.querySelector('#screen').click();";
    firefox.run(end, vec![]).await?;
    let gone = "document.querySelector('#grid [data-source=screen]') === null";
    let is_true = |it: &Value| *it == true;
    chromium.until("no screen", gone, is_true).await?;
    chromium.click("#screen").await?;
    let video = "document.querySelector('#grid [data-source=screen] video')";
    paints(firefox, "a screen", video).await?;
    chromium.click("#screen").await?;
    is(firefox, &format!("String({gone})"), "true").await
}

/// Keeps what the link to save it leads to: pages may not fetch that.
const KEEP: &str = "
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob) => {
        window.came = blob;
        return createObjectURL.call(URL, blob);
    };";

const CAME: &str = "
    const digest = await crypto.subtle.digest('SHA-256', await came.arrayBuffer());
    return [...new Uint8Array(digest)];";

async fn each_sends_a_file(firefox: &Firefox, chromium: &Browser) -> Result<()> {
    let path = artefacts::fresh("room_browsers_file")?.join("tea.bin");
    let bytes: Vec<u8> = (0..300_000_u32)
        .map(|at| (at.wrapping_mul(at) >> 7) as u8)
        .collect();
    std::fs::write(&path, &bytes)?;
    let digest = json!(Sha256::digest(&bytes).to_vec());
    let path = path.canonicalize()?;
    let path = path.to_str().context("a path of text")?;

    firefox.run(KEEP, vec![]).await?;
    chromium.run(KEEP, vec![]).await?;

    firefox.type_into("#file-input", path).await?;
    chromium.click("[data-way=in] .take").await?;
    let state = "document.querySelector('[data-way=in]')?.dataset.state ?? ''";
    let complete = |it: &Value| *it == "complete";
    chromium.until("the file", state, complete).await?;
    ensure!(chromium.run(CAME, vec![]).await? == digest, "another file");

    chromium.type_into("#file-input", path).await?;
    is(firefox, state, "offered").await?;
    let take = "document.querySelector('[data-way=in] .take').click();";
    firefox.run(take, vec![]).await?;
    is(firefox, state, "complete").await?;
    ensure!(firefox.run(CAME, vec![]).await? == digest, "another file");
    Ok(())
}

/// Nothing is plugged into a machine by a test: a device more in the list stands for it.
const PLUG: &str = "
    const { mediaDevices } = navigator;
    const all = await mediaDevices.enumerateDevices();
    const about = { kind: 'audioinput', deviceId: 'headset', label: 'Headset', groupId: '' };
    const values = Object.entries(about).map(([name, value]) => [name, { value }]);
    const headset = Object.create(MediaDeviceInfo.prototype, Object.fromEntries(values));
    mediaDevices.enumerateDevices = async () => [...all, headset];
    mediaDevices.dispatchEvent(new Event('devicechange'));";

async fn a_headset_is_offered(firefox: &Firefox) -> Result<()> {
    firefox.run(PLUG, vec![]).await?;
    let offered = "String(!document.querySelector('#newcomer').hidden
        && document.querySelector('#newcomer-text').textContent.includes('Headset'))";
    is(firefox, offered, "true").await?;
    let leave = "document.querySelector('#newcomer-leave').click();";
    firefox.run(leave, vec![]).await?;
    is(firefox, offered, "false").await
}

async fn fits_a_phone(firefox: &Firefox) -> Result<()> {
    firefox.resize(360, 740).await?;
    // No window of Firefox is narrower than 500, which the page has the same shape for.
    let sizes = "(({ scrollWidth, scrollHeight }) => innerWidth <= 500 && scrollWidth <= innerWidth
        && scrollHeight <= innerHeight ? 'fits' : [innerWidth, innerHeight, scrollWidth, scrollHeight].join()
        )(document.documentElement)";
    is(firefox, sizes, "fits").await
}

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
    paints(firefox, name, &video).await
}

async fn paints(firefox: &Firefox, what: &str, video: &str) -> Result<()> {
    let body = format!("return ({video})?.mozPaintedFrames ?? 0;");
    let probe = async || firefox.run(&body, vec![]).await;
    let before = probe().await?.as_u64().context("a number of frames")?;
    let more = |seen: &Value| seen.as_u64() >= Some(before + 10);
    wait::until(
        &format!("Firefox to see {what}"),
        wait::PATIENCE,
        probe,
        more,
    )
    .await?;
    Ok(())
}
