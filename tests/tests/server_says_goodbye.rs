//! SIGTERM during a call: the client is told, the connection is closed, and the server ends in
//! time and without complaint.

use std::time::Duration;

use anyhow::{Result, ensure};
use ferrite_tests::scene;

/// How long the server may take to end: ten times what is promised, as machines are slow.
const IN_TIME: Duration = Duration::from_secs(20);

#[tokio::test]
async fn to_a_call_in_progress() -> Result<()> {
    scene("goodbye", async |scene| {
        scene.open_lab().await?;
        scene.run(CALL).await?;
        let status = scene.server.stop(IN_TIME).await?;
        ensure!(status.success(), "the server ended with {status}");
        scene.run(TOLD).await?;
        Ok(())
    })
    .await
}

const CALL: &str = r"
    window.call = new lab.Call();
    window.channel = call.pc.createDataChannel('chat');
    call.pc.addTrack(lab.tone(440));
    await call.connect();
    await lab.exchange(channel, ['hello']);
    window.closed = new Promise((resolve) => { call.ws.onclose = ({ code }) => resolve(code); });";

/// Without a word the browser would notice nothing for many seconds.
const TOLD: &str = r"
    await lab.until('goingAway', () => call.said.find(({ type }) => type === 'goingAway'), 1000);
    await lab.until('a closed channel', () => channel.readyState === 'closed', 1000);
    const code = await closed;
    if (code === 1006) throw new Error('the WebSocket broke off without a close frame');";
