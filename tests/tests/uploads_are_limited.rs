//! A real browser sends no more into a room than its members may.
//!
//! Alone: a browser that is starved sends fewer layers.

use std::cell::Cell;

use anyhow::Result;
use ferrite_tests::{RoomPage, scene_with};

/// Two layers, of 640 and 320 pixels.
const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// So many times in a row a rate is as it should be, each half a second after the one before.
const STEADY: u32 = 6;

/// What a camera sends that somebody watches at its best is steady with these settings, in kbit/s: all of it, and what
/// the browser believes it may send.
async fn sent(name: &str, settings: &[&str], is_steady: fn(f64, f64) -> bool) -> Result<()> {
    let options = RoomPage::windows();
    scene_with(name, settings, &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let ada = browser.open_window(&scene.server.url(ROOM)).await?;
        scene.run(RoomPage::NAMES_CONNECTION).await?;
        scene.run(RATES).await?;
        page.enter("Ada").await?;
        browser.open_window(&scene.server.url(ROOM)).await?;
        page.enter("Bo").await?;
        page.plays("Ada", 10).await?;
        let pin = format!("{}.querySelector('.pin').click();", RoomPage::tile("Ada"));
        scene.run(&pin).await?;
        page.plays("Ada", 10).await?;
        browser.switch_to(&ada).await?;
        // What it sent before anybody watched does not count.
        scene.run("window.rates = null; before.length = 0;").await?;
        let (last, times) = (Cell::new(0.0), Cell::new(0));
        let what = "the camera's rate to be steady";
        browser
            .until(what, "window.rates", |rates| {
                let [sent, may, at] = [0, 1, 2].map(|it| rates[it].as_f64().unwrap_or(0.0));
                if at != last.replace(at) {
                    let fits = sent > 0.0 && is_steady(sent, may);
                    times.set(if fits { times.get() + 1 } else { 0 });
                }
                times.get() >= STEADY
            })
            .await?;
        page.plays("Bo", 10).await
    })
    .await
}

#[tokio::test]
async fn who_may_send_less_does_and_who_may_send_all_sends_more() -> Result<()> {
    let all = |sent, may| sent > 450.0 && may > 450.0;
    sent("uploads_free", &[], all).await?;
    // Sound is a part of it, too.
    let less = |sent, may| sent < 320.0 && may <= 300.0;
    sent("uploads_limited", &["--max-upload", "300"], less).await?;
    sent("uploads_shared", &["--max-room-upload", "600"], less).await
}

/// What was sent in the last five seconds, and what the browser believes it may send, in kbit/s.
const RATES: &str = "
    window.before = [];
    setInterval(async () => {
        const report = [...((await window.connection?.getStats())?.values() ?? [])];
        const streams = report.filter(({ type }) => type === 'outbound-rtp');
        const now = { at: performance.now(), bytes: 0, layers: 0 };
        for (const { bytesSent, framesPerSecond } of streams) {
            now.bytes += bytesSent;
            now.layers += framesPerSecond > 0;
        }
        before.push(now);
        if (before.length <= 10) return;
        const then = before.shift();
        const may = report.find((it) => it.type === 'candidate-pair' && it.availableOutgoingBitrate);
        const kbits = 8 * (now.bytes - then.bytes) / (now.at - then.at);
        window.rates = now.layers && [kbits, may.availableOutgoingBitrate / 1000, now.at];
    }, 500);";
