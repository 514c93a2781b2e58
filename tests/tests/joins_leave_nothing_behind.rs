//! Who joins and leaves a room again and again leaves nothing behind in the page: as many objects and elements are there
//! as before, and as much memory.
//!
//! It joins 200 times with `FERRITE_JOINS=200`, and less often without.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ferrite_tests::{Browser, scene};
use serde_json::{Value, json};

/// Enough for what a browser and an allocator make once, and keep.
const FIRST: u64 = 20;
const USUAL: u64 = 60;
/// Of JavaScript's objects, for each join: what the compiler and the inspector learn on the way varies by some 100 kB.
const HEAP_PER_JOIN: f64 = 1_000.0;
const HEAP_NOISE: f64 = 200_000.0;

/// Somebody who stays and publishes, and what joining and leaving is.
const PROGRAMS: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { default: init } = await import('/ferrite_client.js');
    window.wasm = (await init()).memory;
    const [ada, ben] = [new Room(), new Room()];
    ada.publish(lab.picture());
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    const track = ben.publish(lab.tone(440));
    ada.handle('greet', () => 'hello');
    window.visit = async () => {
        await ben.connect({ room: 'kitchen', name: 'Ben' });
        const host = [...ben.participants.values()].find((it) => !it.isLocal);
        const publication = await lab.until('a picture', () => host.from('camera'));
        const player = publication.attach();
        document.body.append(player);
        await lab.until('frames', () => player.getVideoPlaybackQuality().totalVideoFrames > 1);
        await ben.call(host, 'greet');
        await ben.say('I was here', { topic: 'visits' });
        await ben.leave();
        player.remove();
    };
";

/// What the page holds when all that nobody refers to is gone.
#[derive(Debug)]
struct Held {
    /// By the name of their class, and `nodes` and `listeners`.
    counts: BTreeMap<String, u64>,
    heap: f64,
    wasm: u64,
}

async fn held(browser: &Browser) -> Result<Held> {
    // What one round of it frees may hold what the next one frees.
    for _ in 0..3 {
        browser
            .devtools("HeapProfiler.collectGarbage", json!({}))
            .await?;
    }
    let mut counts = BTreeMap::new();
    let dom = browser.devtools("Memory.getDOMCounters", json!({})).await?;
    for name in ["nodes", "jsEventListeners"] {
        let count = dom[name].as_u64().context("a count")?;
        counts.insert(name.to_owned(), count);
    }
    for class in [
        "RTCPeerConnection",
        "WebSocket",
        "MediaStream",
        "ResizeObserver",
    ] {
        counts.insert(class.to_owned(), objects(browser, class).await?);
    }
    browser.devtools("Performance.enable", json!({})).await?;
    let metrics = browser
        .devtools("Performance.getMetrics", json!({}))
        .await?;
    let metrics = metrics["metrics"].as_array().context("metrics")?;
    let heap = metrics.iter().find(|it| it["name"] == "JSHeapUsedSize");
    let heap = heap.and_then(|it| it["value"].as_f64()).context("a size")?;
    let wasm = browser
        .run("return wasm.buffer.byteLength;", vec![])
        .await?;
    let wasm = wasm.as_u64().context("a size")?;
    Ok(Held { counts, heap, wasm })
}

/// How many objects of a class there are.
async fn objects(browser: &Browser, class: &str) -> Result<u64> {
    let id = |value: &Value| value.as_str().map(str::to_owned).context("an object");
    let expression = json!({ "expression": format!("{class}.prototype"), "objectGroup": "count" });
    let prototype = browser.devtools("Runtime.evaluate", expression).await?;
    let prototype = id(&prototype["result"]["objectId"])?;
    let query = json!({ "prototypeObjectId": prototype, "objectGroup": "count" });
    let found = browser.devtools("Runtime.queryObjects", query).await?;
    let length = json!({
        "objectId": id(&found["objects"]["objectId"])?,
        "functionDeclaration": "function () { return this.length; }",
        "returnByValue": true,
    });
    let length = browser.devtools("Runtime.callFunctionOn", length).await?;
    let group = json!({ "objectGroup": "count" });
    browser
        .devtools("Runtime.releaseObjectGroup", group)
        .await?;
    length["result"]["value"].as_u64().context("a length")
}

async fn visit(browser: &Browser, times: u64) -> Result<()> {
    for _ in 0..times {
        browser.run("await visit();", vec![]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_page_holds_as_much_after_many_joins_as_after_few() -> Result<()> {
    let joins = std::env::var("FERRITE_JOINS").map_or(Ok(USUAL), |joins| joins.parse())?;
    ensure!(joins > FIRST, "fewer than the first {FIRST} show nothing");
    scene("joins_leave_nothing", async |scene| {
        scene.open_lab().await?;
        scene.run(PROGRAMS).await?;
        let browser = &scene.browser;
        visit(browser, FIRST).await?;
        let before = held(browser).await?;
        let more = joins - FIRST;
        visit(browser, more).await?;
        let after = held(browser).await?;
        println!("after {FIRST} joins: {before:?}\nafter {joins}: {after:?}");
        for (name, count) in &after.counts {
            // The browser makes and drops some of its own.
            let known = before.counts[name];
            ensure!(
                *count <= known + 3,
                "{name}: {known} became {count} in {more} joins"
            );
        }
        ensure!(
            after.wasm == before.wasm,
            "wasm's memory grew by {} bytes",
            after.wasm - before.wasm
        );
        let grown = after.heap - before.heap;
        ensure!(
            grown < HEAP_NOISE + HEAP_PER_JOIN * more as f64,
            "the heap grew by {grown} bytes"
        );
        Ok(())
    })
    .await
}
