//! Files go from one page of a room to another, in a real browser, and are what they were, whatever becomes of
//! the connections meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::wd::WindowHandle;
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{RoomPage, Scene, scene_with, wait};
use serde_json::json;

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";
/// 100 MB take half a minute.
const LONG: Duration = Duration::from_secs(180);
const NAME: &str = "Tea & cake.bin";

/// Keeps the page's data channels where a test can close them, and sends no more than it allows: so that
/// whatever is to happen in the middle of a file does.
const KEEP_CHANNELS: &str = "
    window.channels = [];
    let [allowed, held] = [Infinity, []];
    const flush = () => {
        while (held.length > 0 && held[0].bytes <= allowed) {
            const { channel, send, data, bytes } = held.shift();
            allowed -= bytes;
            // What waits for a channel that was closed is lost with it.
            if (channel.readyState === 'open') send(data);
        }
    };
    window.allow = (bytes) => {
        allowed = bytes ?? Infinity;
        flush();
    };
    const create = RTCPeerConnection.prototype.createDataChannel;
    RTCPeerConnection.prototype.createDataChannel = function (...all) {
        const channel = create.apply(this, all);
        const send = channel.send.bind(channel);
        channel.send = (data) => {
            held.push({ channel, send, data, bytes: data.byteLength });
            flush();
        };
        channels.push(channel);
        return channel;
    };";

#[tokio::test]
async fn a_hundred_megabytes_arrive_as_they_were_although_both_ends_are_cut() -> Result<()> {
    let bytes = 100_000_000;
    let options = RoomPage::windows();
    scene_with("files_cut", &["--shards", "1"], &options, async |scene| {
        scene.expect_console_errors();
        let proxy = Proxy::start(scene.server.address().to_owned()).await?;
        let sent = scene.dir.join(NAME);
        let noise = write_noise(&sent, bytes)?;
        let ada = enter(scene, &proxy.url(ROOM), "Ada").await?;
        let bo = enter(scene, &scene.server.url(ROOM), "Bo").await?;

        scene.browser.switch_to(&ada).await?;
        allow(scene, bytes / 5).await?;
        choose(scene, "Bo", &sent).await?;
        scene.browser.switch_to(&bo).await?;
        line_is(scene, "in", "offered", wait::PATIENCE).await?;
        scene.browser.screenshot("offered").await?;
        scene.browser.click(".take").await?;
        is_past(scene, 0.1).await?;
        cut_channel(scene).await?;
        // With all that is sent again.
        scene.browser.switch_to(&ada).await?;
        allow(scene, bytes / 2).await?;
        scene.browser.switch_to(&bo).await?;
        is_past(scene, 0.4).await?;
        scene.browser.switch_to(&ada).await?;
        cut_channel(scene).await?;
        allow(scene, bytes / 20).await?;
        // The sender's WebSocket, too.
        is_active(scene).await?;
        proxy.cut();
        scene.browser.screenshot("active").await?;
        proxy.mend();
        scene.run("allow();").await?;
        scene.browser.switch_to(&bo).await?;
        line_is(scene, "in", "complete", LONG).await?;
        scene.browser.screenshot("complete").await?;
        let came = save(scene).await?;
        ensure!(came == noise, "it is not what was sent");
        scene.browser.switch_to(&ada).await?;
        line_is(scene, "out", "complete", wait::PATIENCE).await?;
        let opened = scene.run("return channels.length;").await?;
        ensure!(
            opened == 2,
            "one channel and another after the cut: {opened}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_program_takes_what_a_page_sends_and_sends_it_back() -> Result<()> {
    let options = RoomPage::windows();
    scene_with(
        "files_program",
        &["--shards", "1"],
        &options,
        async |scene| {
            let sent = scene.dir.join(NAME);
            let noise = write_noise(&sent, 3_000_000)?;
            let program = scene.server.url("/healthz");
            let program = scene.browser.open_window(&program).await?;
            scene.run(RETURNS).await?;
            let bo = enter(scene, &scene.server.url(ROOM), "Bo").await?;
            choose(scene, "Ada", &sent).await?;
            line_is(scene, "out", "complete", wait::PATIENCE).await?;
            line_is(scene, "in", "offered", wait::PATIENCE).await?;
            scene.browser.click("[data-way=in] .take").await?;
            line_is(scene, "in", "complete", wait::PATIENCE).await?;
            ensure!(save(scene).await? == noise, "it is not what was sent");
            scene.browser.switch_to(&program).await?;
            scene.run("await window.returned;").await?;
            scene.browser.switch_to(&bo).await
        },
    )
    .await
}

const RETURNS: &str = "
    const { Room } = await import('/sdk/index.js');
    const room = new Room();
    room.on('file', async (came) => {
        const blob = await new Response(came.accept()).blob();
        window.returned = room.sendFile(blob, { to: came.participant, name: came.name }).done;
    });
    await room.connect({ room: 'kitchen', name: 'Ada' });";

#[tokio::test]
async fn whoever_is_offered_a_file_may_decline_it_and_either_may_stop_it() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("files_declined", &["--shards", "1"], &options, async |scene| {
        let sent = scene.dir.join(NAME);
        let bytes = 24_000_000;
        write_noise(&sent, bytes)?;
        let mut windows = Vec::new();
        for name in ["Ada", "Bo", "Cy"] {
            windows.push(enter(scene, &scene.server.url(ROOM), name).await?);
        }
        let [ada, bo, cy] = &windows[..] else {
            anyhow::bail!("three windows");
        };
        scene.browser.switch_to(ada).await?;
        RoomPage(&scene.browser).shows(&["Ada", "Bo", "Cy"]).await?;
        allow(scene, bytes / 5).await?;
        choose(scene, "everybody", &sent).await?;

        scene.browser.switch_to(bo).await?;
        line_is(scene, "in", "offered", wait::PATIENCE).await?;
        scene.browser.click(".drop").await?;
        scene.browser.switch_to(ada).await?;
        let notes = "[...document.querySelectorAll('#file-lines .note')].map((it) => it.textContent).join('; ')";
        says(scene, notes, "Bo does not want it; Offered to Cy, 24.0 MB").await?;

        scene.browser.switch_to(cy).await?;
        scene.browser.click(".take").await?;
        is_past(scene, 0.1).await?;
        scene.browser.switch_to(ada).await?;
        scene.browser.screenshot("sends").await?;
        scene.browser.click("[data-state=active] .drop").await?;
        scene.run("allow();").await?;
        says(scene, notes, "Bo does not want it; Cancelled").await?;
        scene.browser.switch_to(cy).await?;
        line_is(scene, "in", "cancelled", wait::PATIENCE).await?;
        scene.browser.click(".drop").await?;
        says(scene, "document.querySelector('#file-lines').textContent", "").await
    })
    .await
}

async fn enter(scene: &Scene, url: &str, name: &str) -> Result<WindowHandle> {
    let window = scene.browser.open_window(url).await?;
    scene.run(KEEP_CHANNELS).await?;
    RoomPage(&scene.browser).enter(name).await?;
    Ok(window)
}

/// Chooses a file, for somebody or for everybody, as a person would.
async fn choose(scene: &Scene, whom: &str, path: &Path) -> Result<()> {
    let option = format!(
        "(() => {{
            const to = document.querySelector('#file-to');
            const option = [...to.options].find((option) => option.text === {whom:?});
            if (option) to.value = option.value;
            return Boolean(option) && !to.disabled;
        }})()"
    );
    let browser = &scene.browser;
    browser
        .until("somebody to send to", &option, |it| *it == true)
        .await?;
    let path = path.canonicalize()?;
    let path = path.to_str().context("a path of text")?;
    browser.type_into("#file-input", path).await
}

/// Waits until the one line of this way is in a state.
async fn line_is(scene: &Scene, way: &str, state: &str, patience: Duration) -> Result<()> {
    let line = format!("return document.querySelector('[data-way={way}]')?.dataset.state ?? null;");
    let what = format!("a file to be {state}");
    let look = async || scene.run(&line).await;
    wait::until(&what, patience, look, |seen| *seen == state).await?;
    Ok(())
}

async fn is_past(scene: &Scene, goal: f64) -> Result<()> {
    let progress = "return document.querySelector('#file-lines progress').value;";
    let look = async || scene.run(progress).await;
    let what = format!("{goal} of a file");
    let is_past = |value: &serde_json::Value| value.as_f64() > Some(goal);
    wait::until(&what, LONG, look, is_past).await?;
    Ok(())
}

async fn says(scene: &Scene, expression: &str, words: &str) -> Result<()> {
    let is_it = |said: &serde_json::Value| said.as_str().map(str::trim) == Some(words);
    scene.browser.until(words, expression, is_it).await?;
    Ok(())
}

/// Closes the page's channel: what is on its way is lost, and only another peer connection brings one back.
async fn cut_channel(scene: &Scene) -> Result<()> {
    is_active(scene).await?;
    scene.run("channels.at(-1).close();").await?;
    Ok(())
}

async fn is_active(scene: &Scene) -> Result<()> {
    let state = scene
        .run("return document.querySelector('#file-lines li').dataset.state;")
        .await?;
    ensure!(state == "active", "a file that is {state}");
    Ok(())
}

/// Lets the page send so many bytes more.
async fn allow(scene: &Scene, bytes: usize) -> Result<()> {
    scene.run(&format!("allow({bytes});")).await?;
    Ok(())
}

/// Saves what came, as a person would, and reads it.
async fn save(scene: &Scene) -> Result<Vec<u8>> {
    let folder = scene.dir.join("downloads").to_string_lossy().into_owned();
    std::fs::create_dir_all(&folder)?;
    let folder = Path::new(&folder).canonicalize()?;
    let params = json!({ "behavior": "allow", "downloadPath": folder });
    let browser = &scene.browser;
    browser
        .devtools("Browser.setDownloadBehavior", params)
        .await?;
    browser.click("[data-way=in] .save").await?;
    let saved = folder.join(NAME);
    let look = async || Ok(saved.exists());
    wait::until("the file to be saved", wait::PATIENCE, look, |there| *there).await?;
    let bytes = std::fs::read(saved)?;
    std::fs::remove_dir_all(folder)?;
    Ok(bytes)
}

/// Writes what does not repeat, and returns it.
fn write_noise(path: &Path, bytes: usize) -> Result<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    std::fs::write(path, &noise)?;
    Ok(noise)
}
