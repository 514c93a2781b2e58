//! A page's main thread has to be there for whoever uses it: what it does by itself in a full room is measured, and the
//! profile is kept. How many pictures a second a larger one shows is measured, too.

use std::fs;

use anyhow::{Context, Result, ensure};
use ferrite_tests::{RoomPage, Scene, scene_with};
use serde_json::{Value, json};

const ROOM: &str = "/r/hall?resolution=360&codec=VP8";
const OTHERS: usize = 25;
const SECONDS: u32 = 10;
/// Others in a larger room, and how many of them have a picture.
const MANY: usize = 48;
const PICTURES: usize = 9;

/// Videos that are seen and play.
const PLAYING: &str = "[...document.querySelectorAll('#grid video')]
    .filter((it) => it.checkVisibility() && it.videoWidth > 0 && !it.paused).length";

/// A picture that is drawn there, 20 times a second.
const DRAWN: &str = "lab.picture(160, 90)";

/// One of 30 frames a second, whatever else the page has to do.
const CAMERA: &str = "(await navigator.mediaDevices.getUserMedia({
    video: { width: 160, height: 90, frameRate: 30 },
})).getVideoTracks()[0]";

/// Programs on a page of their own, the first of them with a small picture each.
fn crowd(others: usize, pictures: usize, picture: &str) -> String {
    format!(
        "const {{ Room }} = await import('/sdk/index.js');
        const picture = {picture};
        window.rooms = Array.from({{ length: {others} }}, () => new Room());
        const come = (room) => room.connect({{ room: 'hall', name: `Guest ${{rooms.indexOf(room)}}` }});
        const first = rooms.slice(0, {pictures});
        for (const room of first) room.publish(picture);
        // Who comes first is on the first page.
        await Promise.all(first.map(come));
        await Promise.all(rooms.slice({pictures}).map(come));"
    )
}

/// Enters a room where these are.
async fn enter(scene: &Scene, crowd: &str) -> Result<()> {
    let browser = &scene.browser;
    browser.open_window(&scene.server.url("/healthz")).await?;
    scene.load_lab().await?;
    scene.run(crowd).await?;
    browser.open_window(&scene.server.url(ROOM)).await?;
    browser.resize(1900, 1100).await?;
    RoomPage(browser).enter("Ada").await
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
        enter(scene, &crowd(OTHERS, OTHERS, DRAWN)).await?;
        let are_all = |seen: &Value| seen.as_u64() > Some(OTHERS as u64);
        browser.until("everybody's picture", PLAYING, are_all).await?;
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
        Ok(())
    })
    .await
}

/// How many frames there are is for the machine to say, which makes all of them, too.
#[tokio::test]
async fn few_pictures_among_many_people_move() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("hall", &["--shards", "1"], &options, async |scene| {
        let browser = &scene.browser;
        enter(scene, &crowd(MANY, PICTURES, CAMERA)).await?;
        let people = "document.querySelectorAll('#people-lines [data-person]').length";
        let are_there = |seen: &Value| seen.as_u64() == Some(MANY as u64 + 1);
        browser.until("everybody", people, are_there).await?;
        // Oneself is on the next page.
        let are_seen = |seen: &Value| seen.as_u64() == Some(PICTURES as u64);
        browser.until("the pictures", PLAYING, are_seen).await?;
        browser.screenshot("hall").await?;
        let rates = scene.run(RATES).await?;
        println!("with {MANY} others, of whom {PICTURES} are received (goal 30 of each): {rates}");
        let shown = rates["shown"].as_array().context("no rates")?;
        let moving = shown.iter().filter(|rate| rate.as_f64() > Some(1.0));
        ensure!(moving.count() == PICTURES, "not all of them move: {rates}");
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
