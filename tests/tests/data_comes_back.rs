//! Every message on a data channel comes back unchanged, on the channel it was sent on.

use anyhow::Result;
use ferrite_tests::scene;
use serde_json::{Value, json};

/// Sends messages of every size in question, text and binary, on a channel made with `options`.
async fn comes_back(test: &str, options: Value) -> Result<()> {
    scene(test, async |scene| {
        scene.open_lab().await?;
        scene.browser.run(ECHO, vec![options]).await?;
        Ok(())
    })
    .await
}

const ECHO: &str = r"
    const [options] = args;
    const call = new lab.Call();
    const channel = call.pc.createDataChannel('echo', options);
    await call.connect();
    const sizes = [0, 1, 64 * 1024, 256 * 1024];
    const sent = sizes.flatMap((size) => [lab.message(size, false), lab.message(size, true)]);
    const back = await lab.exchange(channel, sent);
    // An unordered channel may bring them in another order, but each exactly once.
    for (const [n, message] of sent.entries()) {
        const at = options.ordered ? 0 : back.findIndex((other) => lab.same(message, other));
        if (at < 0 || !lab.same(message, back[at])) throw new Error(`message ${n} came back changed`);
        back.splice(at, 1);
    }
    if (back.length > 0) throw new Error(`${back.length} more than were sent`);
";

#[tokio::test]
async fn ordered() -> Result<()> {
    comes_back("data_ordered", json!({ "ordered": true })).await
}

#[tokio::test]
async fn unordered() -> Result<()> {
    comes_back("data_unordered", json!({ "ordered": false })).await
}

#[tokio::test]
async fn with_partial_reliability() -> Result<()> {
    let options = json!({ "ordered": false, "maxRetransmits": 3 });
    comes_back("data_partial_reliability", options).await
}

#[tokio::test]
async fn on_a_channel_negotiated_by_id() -> Result<()> {
    let options = json!({ "ordered": true, "negotiated": true, "id": 7 });
    comes_back("data_negotiated", options).await
}

#[tokio::test]
async fn sixteen_megabytes_as_fast_as_the_browser_can() -> Result<()> {
    scene("data_in_bulk", async |scene| {
        scene.open_lab().await?;
        let took = scene.run(BULK).await?;
        println!("16 MiB there and back in {took} ms");
        Ok(())
    })
    .await
}

/// Keeps the send buffer between its marks, so that the pressure is the server's to bear.
const BULK: &str = r"
    const call = new lab.Call();
    const channel = call.pc.createDataChannel('bulk');
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = 512 * 1024;
    await call.connect();
    await lab.until('an open channel', () => channel.readyState === 'open');
    const piece = lab.message(64 * 1024, true);
    const pieces = 256;
    let back = 0;
    let changed = 0;
    channel.onmessage = ({ data }) => { back += 1; changed += lab.same(piece, data) ? 0 : 1; };
    const began = performance.now();
    for (let n = 0; n < pieces; n += 1) {
        if (channel.bufferedAmount > 1024 * 1024)
            await new Promise((resolve) => { channel.onbufferedamountlow = resolve; });
        channel.send(piece);
    }
    await lab.until(`${pieces} pieces`, () => back === pieces);
    if (changed > 0) throw new Error(`${changed} pieces came back changed`);
    return Math.round(performance.now() - began);
";

#[tokio::test]
async fn on_several_channels_and_after_one_is_closed() -> Result<()> {
    scene("data_channels_open_and_close", async |scene| {
        scene.open_lab().await?;
        scene
            .run(
                r"
                const call = new lab.Call();
                const [one, other] = ['one', 'other'].map((name) => call.pc.createDataChannel(name));
                await call.connect();
                const check = async (channel, text) => {
                    const [back] = await lab.exchange(channel, [text]);
                    if (back !== text) throw new Error(`${channel.label} got ${back}`);
                };
                await Promise.all([check(one, 'first'), check(other, 'second')]);
                const closed = new Promise((resolve) => { one.onclose = resolve; });
                one.close();
                await closed;
                await check(other, 'third');
                await check(call.pc.createDataChannel('late'), 'fourth');",
            )
            .await?;
        Ok(())
    })
    .await
}
