//! A camera's layers in a room of real browsers: those that nobody watches are not sent, and are back as soon as
//! somebody does.
//!
//! Alone: a browser that is starved sends fewer layers.

use anyhow::Result;
use fantoccini::wd::WindowHandle;
use ferrite_tests::{RoomPage, Scene, scene_with};

/// The camera's layers are 640 and 320 pixels wide. In a grid of three tiles the smaller is enough.
const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// Enters in a window of its own, in which the layers that are sent can be told apart.
async fn enter(scene: &Scene, name: &str) -> Result<WindowHandle> {
    let window = scene.browser.open_window(&scene.server.url(ROOM)).await?;
    scene.run(RoomPage::NAMES_CONNECTION).await?;
    scene.run(LAYERS).await?;
    RoomPage(&scene.browser).enter(name).await?;
    Ok(window)
}

/// Waits until these layers are sent, and no others.
async fn sends(scene: &Scene, window: &WindowHandle, layers: &str) -> Result<()> {
    scene.browser.switch_to(window).await?;
    let what = format!("only {layers:?} to be sent");
    let sent = "window.layers";
    scene.browser.until(&what, sent, |it| *it == layers).await?;
    Ok(())
}

async fn pin(scene: &Scene, window: &WindowHandle, name: &str) -> Result<()> {
    scene.browser.switch_to(window).await?;
    let pin = format!("{}.querySelector('.pin').click();", RoomPage::tile(name));
    scene.run(&pin).await?;
    Ok(())
}

#[tokio::test]
async fn what_nobody_watches_is_not_sent_and_what_somebody_enlarges_is_at_once() -> Result<()> {
    let options = RoomPage::windows();
    let name = "layers_watched";
    scene_with(name, &["--shards", "2"], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let ada = enter(scene, "Ada").await?;
        sends(scene, &ada, "h").await?;
        let bo = enter(scene, "Bo").await?;
        enter(scene, "Cy").await?;
        page.plays("Ada", 10).await?;
        sends(scene, &ada, "h").await?;
        pin(scene, &bo, "Ada").await?;
        sends(scene, &ada, "f h").await?;
        browser.switch_to(&bo).await?;
        let width = "tile.querySelector('video').videoWidth";
        page.tile_is("Ada", width, 640).await?;
        page.plays("Ada", 10).await?;
        // Who sends less than is wished for has a weak connection, as far as others can tell.
        browser.switch_to(&ada).await?;
        scene.run(WEAKEN).await?;
        browser.switch_to(&bo).await?;
        let weak = "tile.dataset.weak + ' ' + tile.querySelector('.weak').title";
        page.tile_is("Ada", weak, "true Their connection is weak")
            .await?;
        page.tile_is("Cy", weak, "false ").await?;
        browser.screenshot("weak").await?;
        // What is switched stays so while its sender gets another track, and after another offer.
        pin(scene, &bo, "Ada").await?;
        sends(scene, &ada, "h").await?;
        for _ in 0..2 {
            browser.click("#camera").await?;
        }
        page.plays("Ada", 10).await?;
        sends(scene, &ada, "h").await?;
        browser.switch_to(&bo).await?;
        page.tile_is("Ada", width, 320).await?;
        page.tile_is("Ada", weak, "false ").await?;
        page.plays("Ada", 10).await
    })
    .await
}

/// Sends the large layer no more, whoever wants it.
const WEAKEN: &str = "
    const sender = window.connection.getSenders().find(({ track }) => track?.kind === 'video');
    const parameters = sender.getParameters();
    parameters.encodings.find(({ rid }) => rid === 'f').active = false;
    sender.setParameters(parameters);";

/// Notes the layers of which frames were sent within the last second.
const LAYERS: &str = "
    const before = [];
    setInterval(async () => {
        const report = await window.connection?.getStats();
        const streams = [...(report?.values() ?? [])].filter(({ type }) => type === 'outbound-rtp');
        const now = Object.fromEntries(streams.map(({ rid, framesSent }) => [rid, framesSent ?? 0]));
        before.push(now);
        if (before.length <= 5) return;
        const then = before.shift();
        const grows = ['f', 'h', 'q'].filter((rid) => now[rid] > (then[rid] ?? 0));
        window.layers = grows.join(' ');
    }, 200);";
