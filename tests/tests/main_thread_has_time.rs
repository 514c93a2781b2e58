//! A page's main thread has to be there for whoever uses it: what it does by itself in a full room is measured, and the
//! profile is kept. How many pictures a second a larger one shows is measured, too.

use std::fs;

use anyhow::{Context, Result, ensure};
use ferrite_tests::{RoomPage, Scene, scene_with};
use serde_json::{Value, json};

const ROOM: &str = "/r/hall?resolution=360&codec=VP8";
const OTHERS: usize = 25;
const SECONDS: u32 = 10;
/// How many there are in the end, and of how many of them there are pictures still.
const MANY: (usize, usize) = (48, 9);

/// Programs on a page of their own, each with a small picture.
fn crowd() -> String {
    format!(
        "const {{ Room }} = await import('/sdk/index.js');
        const picture = lab.picture(160, 90, undefined, 30);
        window.guests = [];
        window.come = (count, has_picture) => Promise.all(Array.from({{ length: count }}, async () => {{
            const room = new Room();
            const camera = has_picture ? room.publish(picture) : null;
            const name = `Guest ${{guests.push({{ room, camera }})}}`;
            await room.connect({{ room: 'hall', name }});
        }}));
        await come({OTHERS}, true);"
    )
}

/// Further ones without pictures, and the pictures of some end.
fn larger_crowd() -> String {
    let (others, pictures) = MANY;
    format!(
        "for (const {{ camera }} of guests.slice({pictures})) camera.unpublish();
        await come({others} - {OTHERS}, false);"
    )
}

/// Pictures a second: those that the page draws, and those of everybody that it shows.
const RATES: &str = "
    const { promise, resolve } = Promise.withResolvers();
    const videos = [...document.querySelectorAll('#grid video')].filter((it) => it.checkVisibility() && it.videoWidth > 0);
    const shown = () => videos.map((it) => it.getVideoPlaybackQuality().totalVideoFrames);
    const [before, began] = [shown(), performance.now()];
    let drawn = 0;
    const draw = () => {
        drawn += 1;
        const seconds = (performance.now() - began) / 1000;
        if (seconds < 10) return requestAnimationFrame(draw);
        const rates = shown().map((count, at) => (count - before[at]) / seconds);
        resolve({ drawn: drawn / seconds, shown: rates.sort((a, b) => a - b) });
    };
    draw();
    return promise;";

#[tokio::test]
async fn a_full_room_leaves_it_time() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("main_thread", &["--shards", "1"], &options, async |scene| {
        let browser = &scene.browser;
        let health = scene.server.url("/healthz");
        let crowds = browser.open_window(&health).await?;
        scene.load_lab().await?;
        scene.run(&crowd()).await?;
        let ours = browser.open_window(&scene.server.url(ROOM)).await?;
        browser.resize(1900, 1100).await?;
        RoomPage(browser).enter("Ada").await?;
        // Oneself is one of those that are seen.
        let playing = "[...document.querySelectorAll('#grid video')]
            .filter((it) => it.checkVisibility() && it.videoWidth > 0 && !it.paused).length";
        let are_all = |seen: &Value| seen.as_u64() > Some(OTHERS as u64);
        browser.until("everybody's picture", playing, are_all).await?;
        browser.screenshot("room").await?;
        let profile = profile(scene).await?;
        let kept = scene.dir.join("main-thread.cpuprofile");
        fs::write(&kept, profile.to_string())?;
        let share = share(&profile)?;
        println!(
            "the main thread with {OTHERS} others: {:.1} % for the page's program (of that in the browser's own functions \
             {:.1} %), {:.1} % for what it leaves to be collected; see {}",
            100.0 * (share.own + share.called),
            100.0 * share.called,
            100.0 * share.collected,
            kept.display()
        );
        ensure!(share.own > 0.0, "nothing of the page's program was seen");
        browser.switch_to(&crowds).await?;
        scene.run(&larger_crowd()).await?;
        browser.switch_to(&ours).await?;
        let (others, pictures) = MANY;
        let are_left = |seen: &Value| seen.as_u64() == Some(pictures as u64 + 1);
        browser.until("the pictures that are left", playing, are_left).await?;
        let people = "document.querySelectorAll('#people-lines [data-person]').length";
        let are_there = |seen: &Value| seen.as_u64() == Some(others as u64 + 1);
        browser.until("everybody", people, are_there).await?;
        browser.screenshot("hall").await?;
        let rates = scene.run(RATES).await?;
        println!("with {others} others, of whom {pictures} are received (goal 30 of each): {rates}");
        Ok(())
    })
    .await
}

/// What the page's main thread did for some seconds, as DevTools has it.
async fn profile(scene: &Scene) -> Result<Value> {
    let browser = &scene.browser;
    browser.devtools("Profiler.enable", json!({})).await?;
    browser.devtools("Profiler.start", json!({})).await?;
    let wait = format!("await new Promise((go) => setTimeout(go, {SECONDS}000));");
    scene.run(&wait).await?;
    let stopped = browser.devtools("Profiler.stop", json!({})).await?;
    Ok(stopped["profile"].clone())
}

/// Shares of the time.
#[derive(Debug, Default)]
struct Share {
    /// In wasm, in its glue and in other scripts.
    own: f64,
    /// In functions of the browser that those call.
    called: f64,
    /// For the garbage.
    collected: f64,
}

fn share(profile: &Value) -> Result<Share> {
    let list = |name: &str| profile[name].as_array().context("a list in the profile");
    let time = |name: &str| profile[name].as_f64().context("a time in the profile");
    let whole = time("endTime")? - time("startTime")?;
    let mut share = Share::default();
    // Each is the time since the sample before it, and the first since the start: what is seen in one lasts until the next.
    let times = list("timeDeltas")?.iter().skip(1);
    for (sample, took) in list("samples")?.iter().zip(times) {
        let node = list("nodes")?.iter().find(|node| node["id"] == *sample);
        let frame = &node.context("a node of this number")?["callFrame"];
        let took = took.as_f64().unwrap_or_default().max(0.0) / whole;
        match (frame["url"].as_str(), frame["functionName"].as_str()) {
            (Some("") | None, Some("(garbage collector)")) => share.collected += took,
            (Some("") | None, Some(name)) if name.starts_with('(') => {}
            (Some("") | None, _) => share.called += took,
            (Some(_), _) => share.own += took,
        }
    }
    Ok(share)
}
