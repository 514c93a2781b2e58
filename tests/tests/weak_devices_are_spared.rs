//! A device that drops a share of the pictures it is shown is shown smaller ones, and larger ones again when it keeps up.
//! Nobody else is shown anything else.
//!
//! Alone: a device that is starved is weak, too.

use std::time::Duration;

use anyhow::{Result, ensure};
use fantoccini::wd::WindowHandle;
use ferrite_tests::{RoomPage, Scene, scene_with, wait};

/// The camera's layers are 640 and 320 pixels wide.
const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// A device is looked at for eight seconds before anything is concluded, and pictures grow a step every ten.
const LONG: Duration = Duration::from_secs(90);

/// What the browser says of the pictures that it drops is made up, so that it decides nothing how busy this machine is:
/// none, and from when `isWeak` is true on one for every two that it decodes. What the server says limits pictures is
/// noted.
const WEAKEN: &str = "
    window.limits = [];
    window.WebSocket = class extends WebSocket {
        constructor(...all) {
            super(...all);
            this.addEventListener('message', ({ data }) => {
                const { type, slots } = JSON.parse(data);
                if (type === 'quality') limits.push(...Object.values(slots ?? {}).map(({ limit }) => limit));
            });
        }
    };
    window.isWeak = false;
    const dropped = new Map();
    const { getStats } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.getStats = async function (...all) {
        const report = await getStats.apply(this, all);
        const said = [...report.values()].map((it) => {
            if (it.type !== 'inbound-rtp' || it.kind !== 'video') return it;
            const { framesDecoded } = it;
            const before = dropped.get(it.id) ?? { framesDecoded, framesDropped: 0 };
            const more = isWeak ? (framesDecoded - before.framesDecoded) / 2 : 0;
            const framesDropped = before.framesDropped + more;
            dropped.set(it.id, { framesDecoded, framesDropped });
            return { ...it, framesDropped };
        });
        return new Map(said.map((it) => [it.id, it]));
    };";

async fn enter(scene: &Scene, name: &str) -> Result<WindowHandle> {
    let window = scene.browser.open_window(&scene.server.url(ROOM)).await?;
    scene.run(WEAKEN).await?;
    RoomPage(&scene.browser).enter(name).await?;
    Ok(window)
}

/// Shows Ada large.
async fn pin(scene: &Scene) -> Result<()> {
    let pin = format!("{}.querySelector('.pin').click();", RoomPage::tile("Ada"));
    scene.run(&pin).await?;
    Ok(())
}

/// Waits until Ada is shown as wide as this.
async fn sees_ada(scene: &Scene, width: u32) -> Result<()> {
    let seen = format!(
        "return {}?.querySelector('video')?.videoWidth ?? 0;",
        RoomPage::tile("Ada")
    );
    let look = async || scene.run(&seen).await;
    let what = format!("a picture of {width} pixels");
    wait::until(&what, LONG, look, |it| *it == width).await?;
    Ok(())
}

#[tokio::test]
async fn whose_browser_drops_pictures_is_shown_less_until_it_does_not() -> Result<()> {
    let (name, options) = ("weak_device", RoomPage::windows());
    scene_with(name, &["--shards", "1"], &options, async |scene| {
        enter(scene, "Ada").await?;
        let strong = enter(scene, "Cy").await?;
        pin(scene).await?;
        sees_ada(scene, 640).await?;
        let weak = enter(scene, "Bo").await?;
        pin(scene).await?;
        sees_ada(scene, 640).await?;

        scene.run("window.isWeak = true;").await?;
        // Three windows and a server on a busy machine may be short of bandwidth, too: what counts is the reason.
        let spared = "return limits.includes('cpu');";
        let look = async || scene.run(spared).await;
        wait::until("Bo to be spared", LONG, look, |it| *it == true).await?;
        sees_ada(scene, 320).await?;
        let page = RoomPage(&scene.browser);
        page.plays("Ada", 10).await?;
        scene.browser.switch_to(&strong).await?;
        page.plays("Ada", 10).await?;

        scene.browser.switch_to(&weak).await?;
        scene.run("window.isWeak = false;").await?;
        sees_ada(scene, 640).await?;
        page.plays("Ada", 10).await?;
        scene.browser.switch_to(&strong).await?;
        ensure!(scene.run(spared).await? == false, "Cy was spared, too");
        Ok(())
    })
    .await
}
