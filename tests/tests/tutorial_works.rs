//! The code in README.md does what README.md says, exactly as it stands there.

use std::time::Duration;

use anyhow::{Result, ensure};
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{Browser, RoomPage, Scene, firefox_lab, readme, scene, scene_with, wait};

#[tokio::test]
async fn the_tutorial_client_sees_itself_and_hears_its_words() -> Result<()> {
    let code = readme::javascript("A client in twenty lines")?;
    scene("the_tutorial_client", async |scene| {
        scene.open_lab().await?;
        scene.browser.paste(&code).await?;
        let moves = |frames: &serde_json::Value| frames.as_u64() > Some(30);
        scene
            .browser
            .until("a picture that moves", SHOWN, moves)
            .await?;
        console_says(scene, "came back").await?;
        scene.browser.screenshot("tutorial").await
    })
    .await
}

/// A WebSocket that opens after the camera did.
#[tokio::test]
async fn the_tutorial_client_waits_for_a_slow_link() -> Result<()> {
    let code = readme::javascript("A client in twenty lines")?;
    scene("the_tutorial_client_on_a_slow_link", async |scene| {
        let target = scene.server.address().to_owned();
        let proxy = Proxy::slow(target, Duration::from_millis(300)).await?;
        scene.browser.open(&proxy.url("/healthz")).await?;
        scene.browser.paste(&code).await?;
        console_says(scene, "came back").await
    })
    .await
}

#[test]
fn firefox_runs_the_tutorial_client() -> Result<()> {
    let code = readme::javascript("A client in twenty lines")?;
    // What a console would show, and a function's body instead of a console's line.
    let play = format!(
        "const said = [];
        const console = {{ log: (...words) => said.push(words.join(' ')) }};
        {code}
        await lab.until('words', () => said.some((line) => line.includes('came back: hello')));
        const canvas = document.createElement('canvas').getContext('2d');
        const colours = new Set();
        await lab.until('a picture that changes', () => {{
            const shown = [...document.querySelectorAll('video')].find((it) => it.videoWidth);
            if (shown) canvas.drawImage(shown, 0, 0, 1, 1);
            colours.add(String(canvas.getImageData(0, 0, 1, 1).data));
            return colours.size > 3;
        }});"
    );
    firefox_lab("firefox_tutorial", async |firefox| {
        firefox.run(&play, vec![]).await.map(drop)
    })
}

/// Two who know nothing but the listing, in one page: each sees, hears and reads the other.
#[test]
fn firefox_runs_the_forty_lines() -> Result<()> {
    let code = readme::javascript("A room in forty lines")?;
    let play = format!(
        "const guest = async () => {{
            {code}
            return {{ names, tiles, chat, line, peer }};
        }};
        const guests = [await guest(), await guest()];
        const canvas = document.createElement('canvas').getContext('2d', {{ willReadFrequently: true }});
        for (const {{ names }} of guests) await lab.until('the other', () => names.size === 2);
        const [first, second] = guests;
        first.line.value = 'Anybody here?';
        first.line.onchange();
        for (const {{ chat, tiles, peer }} of guests) {{
            await lab.until('words', () => /^Guest \\d+: Anybody here\\?$/m.test(chat.textContent));
            const colours = new Set();
            await lab.until('a picture that changes', () => {{
                const shown = [...tiles.values()].filter((tile) => !tile.hidden);
                if (shown.length !== 1 || !shown[0].videoWidth) return false;
                canvas.drawImage(shown[0], 0, 0, 1, 1);
                colours.add(String(canvas.getImageData(0, 0, 1, 1).data));
                return colours.size > 3;
            }});
            await lab.until('sound', async () => [...(await peer.getStats()).values()].some(
                ({{ type, kind, totalAudioEnergy }}) =>
                    type === 'inbound-rtp' && kind === 'audio' && totalAudioEnergy > 0.001));
        }}
        second.peer.close();"
    );
    firefox_lab("firefox_tutorial_room", async |firefox| {
        firefox.run(&play, vec![]).await.map(drop)
    })
}

/// The frames shown by the video element that the tutorial adds to the page.
const SHOWN: &str = r"Math.max(0, ...[...document.querySelectorAll('video')]
    .map((video) => video.getVideoPlaybackQuality().totalVideoFrames))";

/// Two pages that know nothing but the listing see, hear and read each other.
#[tokio::test]
async fn forty_lines_are_a_room() -> Result<()> {
    let code = readme::javascript("A room in forty lines")?;
    ensure!(code.lines().count() <= 40, "more than forty lines");
    let windows = RoomPage::windows();
    scene_with("the_tutorial_room", &[], &windows, async |scene| {
        let browser = &scene.browser;
        let url = scene.server.url("/healthz");
        let first = browser.open_window(&url).await?;
        browser.paste(&code).await?;
        browser
            .until("to be in", "names.size", |it| *it == 1)
            .await?;
        browser.type_into("input", "Anybody here?\n").await?;
        reads(browser, "Anybody here?").await?;

        let second = browser.open_window(&url).await?;
        browser.paste(&code).await?;
        reads(browser, "Anybody here?").await?;
        browser.type_into("input", "I am\n").await?;
        for window in [&first, &second] {
            browser.switch_to(window).await?;
            reads(browser, "I am").await?;
            let moves = |frames: &serde_json::Value| frames.as_u64() > Some(30);
            browser.until("the other's picture", GUEST, moves).await?;
            let loud = |energy: &serde_json::Value| energy.as_f64() > Some(0.001);
            browser.until("the other's sound", HEARD, loud).await?;
        }
        browser.screenshot("both").await?;
        browser.switch_to(&first).await?;
        browser.open(&url).await?;
        browser.switch_to(&second).await?;
        let is_alone = |frames: &serde_json::Value| frames.is_null();
        browser.until("to be alone", GUEST, is_alone).await?;
        Ok(())
    })
    .await
}

/// What was written in the tutorial's room.
const LINES: &str = "document.querySelector('body > pre:last-of-type')?.textContent";

async fn reads(browser: &Browser, words: &str) -> Result<()> {
    // Whoever wrote it is named, in each window as in the other.
    let has = |seen: &serde_json::Value| {
        let mut lines = seen.as_str().unwrap_or_default().lines();
        lines.any(|line| line.starts_with("Guest ") && line.ends_with(&format!(": {words}")))
    };
    browser.until(words, LINES, has).await.map(drop)
}

/// The frames shown of the one other who is in the tutorial's room; nothing where there is none.
const GUEST: &str = r"((tiles) => tiles.length === 1
    ? tiles[0].getVideoPlaybackQuality().totalVideoFrames : null)(
    [...document.querySelectorAll('video[title^=Guest]')].filter((tile) => !tile.hidden))";

/// How much sound of others came and was played.
const HEARD: &str = r"await peer.getStats().then((stats) => Math.max(0, ...[...stats.values()]
    .filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')
    .map(({ totalAudioEnergy }) => totalAudioEnergy)))";

#[tokio::test]
async fn the_class_calls_from_a_page_of_ones_own() -> Result<()> {
    let code = readme::javascript("A class for your own page")?;
    scene("the_class_in_the_readme", async |scene| {
        scene.open_lab().await?;
        scene.browser.paste(&code).await?;
        console_says(scene, "came back").await?;
        console_says(scene, "statistics").await
    })
    .await
}

#[tokio::test]
async fn the_class_calls_as_its_own_document_says() -> Result<()> {
    let code = readme::listing("client-wasm/README.md", "The class", "js")?;
    scene("the_class_in_its_document", async |scene| {
        scene.open_lab().await?;
        let code = code.replace("https://call.example.com/", &scene.server.url("/"));
        scene.browser.paste(&code).await?;
        console_says(scene, "came back").await?;
        let moves = |frames: &serde_json::Value| frames.as_u64() > Some(30);
        scene.browser.until("a picture", SHOWN, moves).await?;
        Ok(())
    })
    .await
}

async fn console_says(scene: &mut Scene, words: &str) -> Result<()> {
    let said = async || {
        let lines = scene.browser.console().await?;
        Ok(lines.iter().any(|line| line.message.contains(words)))
    };
    wait::until(words, wait::PATIENCE, said, |said| *said).await?;
    Ok(())
}
