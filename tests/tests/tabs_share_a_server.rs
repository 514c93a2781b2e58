//! Two tabs call at once, and each gets its own back.

use anyhow::Result;
use ferrite_tests::scene;

#[tokio::test]
async fn each_tab_hears_its_own_tone() -> Result<()> {
    scene("two_tabs_at_once", async |scene| {
        scene.open_lab().await?;
        let first = scene.browser.tab().await?;
        scene.run(&call(440)).await?;
        let second = scene
            .browser
            .open_tab(&scene.server.url("/healthz"))
            .await?;
        scene.load_lab().await?;
        scene.run(&call(880)).await?;
        // Both are up; ask each again.
        for (tab, hertz) in [(&first, 440), (&second, 880)] {
            scene.browser.switch_to(tab).await?;
            scene
                .run(&format!("await lab.hears(window.listen, {hertz});"))
                .await?;
        }
        scene.browser.switch_to(&first).await?;
        scene.run("window.call.close();").await?;
        scene.browser.switch_to(&second).await?;
        scene.run(STILL_THERE).await?;
        Ok(())
    })
    .await
}

fn call(hertz: u32) -> String {
    format!(
        r"
        window.call = new lab.Call();
        call.pc.addTrack(lab.tone({hertz}));
        call.pc.addTrack(lab.picture());
        await call.connect();
        window.listen = lab.ear(await call.returned('audio'));
        lab.eye(await call.returned('video'));
        await lab.hears(listen, {hertz});"
    )
}

/// One hangs up; the other must go on as if nothing had happened.
const STILL_THERE: &str = r"
    const before = await window.call.inbound('video');
    await lab.until('30 more frames', async () =>
        (await window.call.inbound('video')).framesDecoded >= before.framesDecoded + 30);
    await lab.hears(window.listen, 880);";
