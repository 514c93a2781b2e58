//! Files go from one page of a room to another, in a real browser, and are what they were, whatever becomes of
//! the connections meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::wd::WindowHandle;
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{RoomPage, Scene, scene_with, wait};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";
/// 100 MB take half a minute.
const LONG: Duration = Duration::from_secs(180);
const NAME: &str = "Tea & cake.bin";

/// Keeps the page's data channels where a test can close them, and sends no more than it allows: so that
/// whatever is to happen in the middle of a file does. No browser without a screen asks where to have a file: what is
/// chosen is a place of the page's own on the disk, which is written to in the same way.
const KEEP_CHANNELS: &str = "
    window.showSaveFilePicker = async ({ suggestedName }) => {
        if (window.dismisses) throw new DOMException('', 'AbortError');
        if (window.refuses) throw new DOMException('', window.refuses);
        const places = await navigator.storage.getDirectory();
        window.place = await places.getFileHandle(suggestedName, { create: true });
        return place;
    };
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
        // A file has nothing to do with the other one.
        if (channel.label === 'ferrite.lossy') return channel;
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
        let (came, sent) = (scene.run(DIGEST).await?, Sha256::digest(&noise).to_vec());
        ensure!(came == json!([bytes, sent]), "it is not what was sent");
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
            // It would go to the disk.
            let noise = write_noise(&sent, 17_000_000)?;
            let program = scene.server.url("/healthz");
            let program = scene.browser.open_window(&program).await?;
            scene.run(RETURNS).await?;
            let bo = enter(scene, &scene.server.url(ROOM), "Bo").await?;
            // Pages in those of others may not ask for a place there.
            scene.run("window.refuses = 'NotAllowedError';").await?;
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
        scene.run("window.dismisses = true;").await?;
        scene.browser.click(".take").await?;
        // Whoever dismisses that may think again.
        scene.run("window.dismisses = false;").await?;
        scene.browser.click(".take").await?;
        is_past(scene, 0.1).await?;
        scene.browser.switch_to(ada).await?;
        scene.browser.screenshot("sends").await?;
        scene.browser.click("[data-state=active] .drop").await?;
        scene.run("allow();").await?;
        says(scene, notes, "Bo does not want it; Cancelled").await?;
        scene.browser.switch_to(cy).await?;
        line_is(scene, "in", "cancelled", wait::PATIENCE).await?;
        let look = async || scene.run(LEFT).await;
        let is_empty = |left: &serde_json::Value| *left == json!([NAME, 0]);
        wait::until("nothing of it at its place", wait::PATIENCE, look, is_empty).await?;
        scene.browser.click(".drop").await?;
        says(scene, "document.querySelector('#file-lines').textContent", "").await
    })
    .await
}

#[tokio::test]
async fn a_disk_holds_up_the_sender_and_has_the_last_word() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("files_disk", &["--shards", "1"], &options, async |scene| {
        let sent = scene.dir.join(NAME);
        write_noise(&sent, LARGE)?;
        let ada = enter(scene, &scene.server.url(ROOM), "Ada").await?;
        let bo = enter(scene, &scene.server.url(ROOM), "Bo").await?;
        scene.run(DISK).await?;
        waits_for_the_disk(scene, &ada, &bo, &sent).await?;
        fails_with_the_disk(scene, &ada, &bo, &sent).await?;
        outlives_who_leaves(scene, &ada, &bo).await
    })
    .await
}

/// Larger than what is kept in a page.
const LARGE: usize = 17_000_000;

async fn waits_for_the_disk(
    scene: &Scene,
    ada: &WindowHandle,
    bo: &WindowHandle,
    sent: &Path,
) -> Result<()> {
    let (small, bytes) = (scene.dir.join("small.bin"), 8_000_000);
    write_noise(&small, bytes)?;
    offer(scene, ada, "Bo", sent).await?;
    scene.browser.switch_to(bo).await?;
    take(scene, 1).await?;
    scene.holds("a window of it", "came > 1_000_000").await?;
    // What comes beside it, in turn with it, is there.
    offer(scene, ada, "Bo", &small).await?;
    scene.browser.switch_to(bo).await?;
    take(scene, 2).await?;
    nth_is(scene, 2, "complete").await?;
    let most = format!("came > {bytes} && came - {bytes} < 2_200_000 && written === 0");
    scene.holds("the sender to be held up", &most).await?;
    scene.run("gates.write.resolve();").await?;
    let is_closing = format!("isClosing && written === {LARGE}");
    scene.holds("it to be closed", &is_closing).await?;
    nth_is(scene, 1, "active").await?;
    scene.browser.screenshot("closing").await?;
    scene
        .browser
        .click("#file-lines li:first-child .drop")
        .await?;
    nth_is(scene, 1, "cancelled").await?;
    scene
        .holds("the browser to be told", "aborted === 1")
        .await?;
    scene.browser.switch_to(ada).await?;
    nth_is(scene, 1, "cancelled").await
}

async fn fails_with_the_disk(
    scene: &Scene,
    ada: &WindowHandle,
    bo: &WindowHandle,
    sent: &Path,
) -> Result<()> {
    let failed = "It could not be read, or there was no place for it";
    offer(scene, ada, "Bo", sent).await?;
    scene.browser.switch_to(bo).await?;
    let full = "reset(); gates.write.reject(new DOMException('', 'QuotaExceededError'));";
    scene.run(full).await?;
    take(scene, 3).await?;
    nth_is(scene, 3, "cancelled").await?;
    nth_says(scene, 3, failed).await?;
    scene.browser.switch_to(ada).await?;
    nth_is(scene, 3, "cancelled").await?;

    offer(scene, ada, "Bo", sent).await?;
    scene.browser.switch_to(bo).await?;
    let read_only = "reset(); window.isReadOnly = true; gates.write.resolve();";
    scene.run(read_only).await?;
    take(scene, 4).await?;
    nth_says(scene, 4, failed).await?;
    nth_is(scene, 4, "offered").await
}

/// The file that could not be taken is, now.
async fn outlives_who_leaves(scene: &Scene, ada: &WindowHandle, bo: &WindowHandle) -> Result<()> {
    scene.run("window.isReadOnly = false;").await?;
    take(scene, 4).await?;
    scene.holds("it to be closed", "isClosing").await?;
    scene.browser.switch_to(ada).await?;
    nth_is(scene, 4, "active").await?;
    scene.browser.click("#leave").await?;
    scene.browser.switch_to(bo).await?;
    RoomPage(&scene.browser).shows(&["Bo"]).await?;
    nth_is(scene, 4, "active").await?;
    // Nor does it matter to it where its user goes.
    scene.browser.click("#leave").await?;
    RoomPage(&scene.browser).enter("Bo").await?;
    nth_is(scene, 1, "active").await?;
    scene.run("gates.close.resolve();").await?;
    nth_is(scene, 1, "complete").await?;
    nth_says(scene, 1, "From Ada, 17.0 MB, checked").await?;
    let is_whole = format!("aborted === 0 && written === {LARGE}");
    scene.holds("nothing to be aborted", &is_whole).await
}

/// A disk that does things when a test lets it, and how much came meanwhile.
const DISK: &str = "
    window.reset = () => {
        Object.assign(window, { written: 0, aborted: 0, isClosing: false });
        window.gates = { write: Promise.withResolvers(), close: Promise.withResolvers() };
        gates.write.promise.catch(() => {});
    };
    reset();
    window.came = 0;
    channels.at(-1).addEventListener('message', ({ data }) => { came += data.byteLength; });
    window.showSaveFilePicker = async () => ({ createWritable });
    const createWritable = async () => {
        if (window.isReadOnly) throw new DOMException('', 'NoModificationAllowedError');
        const { write, close } = gates;
        return {
            async write(bytes) {
                await write.promise;
                written += bytes.length;
            },
            async close() {
                window.isClosing = true;
                await close.promise;
            },
            async abort() { aborted += 1; },
        };
    };";

/// What is at the place that was chosen.
const DIGEST: &str = "
    const file = await place.getFile();
    const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
    return [file.size, [...new Uint8Array(digest)]];";

/// What is left on the disk: what was being written to is beside its place until it is whole.
const LEFT: &str = "
    const places = await navigator.storage.getDirectory();
    const names = await Array.fromAsync(places.keys());
    return [names.join(), (await place.getFile()).size];";

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

/// Offers a file from a window.
async fn offer(scene: &Scene, window: &WindowHandle, whom: &str, path: &Path) -> Result<()> {
    scene.browser.switch_to(window).await?;
    choose(scene, whom, path).await
}

async fn take(scene: &Scene, nth: usize) -> Result<()> {
    nth_is(scene, nth, "offered").await?;
    let button = format!("#file-lines li:nth-child({nth}) .take");
    scene.browser.click(&button).await
}

/// Waits until this line is in a state.
async fn nth_is(scene: &Scene, nth: usize, state: &str) -> Result<()> {
    let line = format!("document.querySelector('#file-lines li:nth-child({nth})')?.dataset.state");
    let look = async || scene.run(&format!("return {line} ?? null;")).await;
    let what = format!("file {nth} to be {state}");
    wait::until(&what, wait::PATIENCE, look, |seen| *seen == state).await?;
    Ok(())
}

async fn nth_says(scene: &Scene, nth: usize, words: &str) -> Result<()> {
    let note =
        format!("document.querySelector('#file-lines li:nth-child({nth}) .note').textContent");
    says(scene, &note, words).await
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
