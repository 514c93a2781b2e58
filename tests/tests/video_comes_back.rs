//! The picture a browser sends is the picture it gets back, in each codec the server answers.

use anyhow::Result;
use ferrite_tests::scene;
use serde_json::json;

/// Sends a canvas in one codec. The picture must come back in that codec, go on coming, and have
/// its colours where they were.
async fn comes_back(codec: &str) -> Result<()> {
    let test = format!("{}_video_comes_back", codec.to_lowercase());
    scene(&test, async |scene| {
        scene.open_lab().await?;
        let seen = scene.browser.run(ECHO, vec![json!(codec)]).await?;
        println!("{codec}: {seen}");
        scene.browser.screenshot("echo").await
    })
    .await
}

const ECHO: &str = r"
    const [codec] = args;
    const call = new lab.Call();
    const transceiver = call.pc.addTransceiver(lab.picture(), { direction: 'sendrecv' });
    const { codecs } = RTCRtpSender.getCapabilities('video');
    const named = (name) => ({ mimeType }) => mimeType.toLowerCase() === `video/${name.toLowerCase()}`;
    const wanted = codecs.filter(named(codec));
    if (wanted.length === 0) throw new Error(`this browser does not send ${codec}`);
    transceiver.setCodecPreferences([...wanted, ...codecs.filter(named('rtx'))]);
    await call.connect();

    const look = lab.eye(await call.returned('video'));
    const red = ([r, g, b]) => r > 150 && g < 90 && b < 90;
    const blue = ([r, g, b]) => b > 150 && r < 90 && g < 90;
    const view = await lab.until('the picture, with its colours', () => {
        const view = look();
        return view && red(view.left) && blue(view.right) && view;
    });

    const before = await call.inbound('video');
    if (!named(codec)(before)) throw new Error(`came back as ${before.mimeType}`);
    const after = await lab.until('30 more frames', async () => {
        const now = await call.inbound('video');
        return now.framesDecoded >= before.framesDecoded + 30 && now;
    });
    const { framesDecoded, packetsLost, mimeType } = after;
    if (packetsLost > 0) throw new Error(`${packetsLost} packets lost on loopback`);
    return { ...view, framesDecoded, mimeType };
";

#[tokio::test]
async fn in_vp8() -> Result<()> {
    comes_back("VP8").await
}

#[tokio::test]
async fn in_vp9() -> Result<()> {
    comes_back("VP9").await
}

#[tokio::test]
async fn in_h264() -> Result<()> {
    comes_back("H264").await
}

#[tokio::test]
async fn in_av1() -> Result<()> {
    comes_back("AV1").await
}
