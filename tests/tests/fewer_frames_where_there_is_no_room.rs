//! Who has no room for all frames of a picture is sent fewer of them, and a real browser decodes those without a freeze:
//! in VP8 as Chromium sends layers by itself, and in VP9 and AV1 with temporal layers.
//!
//! Alone: a browser that is starved sends fewer frames.

use anyhow::Result;
use ferrite_tests::scene_with;

/// Ben has this much room, in kbit/s, and Ada sends more.
const ROOM: [&str; 2] = ["--max-download", "250"];

/// Publishes so, and watches who is sent less.
async fn play(name: &str, size: [u16; 2], published: &str) -> Result<()> {
    scene_with(name, &ROOM, &Default::default(), async |scene| {
        scene.open_lab().await?;
        let script = format!("const [size, options] = [{size:?}, {published}];{WATCH}");
        scene.run(&script).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn in_vp8_with_the_temporal_layers_that_are_asked_for() -> Result<()> {
    let published =
        "{ codecs: ['VP8'], simulcast: false, scalabilityMode: 'L1T3', maxBitrate: 450_000 }";
    play("fewer_frames_vp8", [320, 180], published).await
}

#[tokio::test]
async fn in_vp8_with_those_that_layers_have_by_themselves() -> Result<()> {
    let published =
        "{ codecs: ['VP8'], simulcast: [{ maxBitrate: 900_000 }, { maxBitrate: 450_000 }] }";
    play("fewer_frames_layers", [640, 360], published).await
}

#[tokio::test]
async fn in_vp9() -> Result<()> {
    let published =
        "{ codecs: ['VP9'], simulcast: false, scalabilityMode: 'L1T3', maxBitrate: 450_000 }";
    play("fewer_frames_vp9", [320, 180], published).await
}

#[tokio::test]
async fn in_av1_by_the_dependency_descriptor() -> Result<()> {
    let published =
        "{ codecs: ['AV1'], simulcast: false, scalabilityMode: 'L1T3', maxBitrate: 450_000 }";
    play("fewer_frames_av1", [320, 180], published).await
}

const WATCH: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { until } = lab;
    const connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) {
            super(...args);
            connections.push(this);
        }
    };
    // More than fits, whatever the encoder does.
    const busy = (width, height) => {
        const canvas = Object.assign(document.createElement('canvas'), { width, height });
        const context = canvas.getContext('2d');
        const draw = () => {
            for (let at = 0; at < 60; at += 1) {
                context.fillStyle = `hsl(${360 * Math.random()} 90% ${90 * Math.random()}%)`;
                context.fillRect(width * Math.random(), height * Math.random(), 40, 30);
            }
        };
        draw();
        setInterval(draw, 40);
        return canvas.captureStream(25).getVideoTracks()[0];
    };
    const [ada, ben] = [new Room(), new Room()];
    const qualities = [];
    ben.on('quality', (quality) => qualities.push(quality));
    ada.publish(busy(...size), options);
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    await until('a connection', () => connections.length === 1);
    await ben.connect({ room: 'kitchen', name: 'Ben' });
    const publication = await until('what comes', () => {
        const person = ben.participants.get(ada.localParticipant.id);
        const known = person?.publications.get(`${person.id}/cam`);
        return known?.track && known;
    });
    const player = publication.attach();
    document.body.append(player);
    publication.size = { width: 320, height: 180 };
    const streams = async (connection, type) => [...(await connection.getStats()).values()].filter((it) => it.type === type);
    const came = async () => (await streams(connections[1], 'inbound-rtp')).find((it) => it.kind === 'video' && it.framesDecoded > 0);
    const least = () => qualities.at(-1)?.shown[0]?.temporalLayer;
    await until('some frames to be left out', () => least() !== undefined, 40_000)
        .catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(qualities.at(-1))}`); });
    // By the stream's own clock, so that a slow machine is no fault.
    const first = await came();
    // Of the layer that comes, whatever became of the others.
    const sent = async () => (await streams(connections[0], 'outbound-rtp')).find((it) => it.frameHeight === first.frameHeight);
    const before = await sent();
    const last = await until('more of them', async () => {
        const now = await came();
        return now.timestamp - first.timestamp > 10_000 && now;
    }, 60_000);
    const after = await sent();
    const rate = (then, now, what) => (1000 * (now[what] - then[what])) / (now.timestamp - then.timestamp);
    const [frames, all] = [rate(first, last, 'framesDecoded'), rate(before, after, 'framesSent')];
    const story = `${frames} of ${all} frames/s (${after.scalabilityMode}), ${last.freezeCount - first.freezeCount} freezes, `
        + `${last.keyFramesDecoded - first.keyFramesDecoded} keyframes, ${last.pliCount - first.pliCount} PLIs, `
        + `${last.nackCount - first.nackCount} NACKs, ${last.framesDropped - first.framesDropped} dropped, ${JSON.stringify(qualities.at(-1))}`;
    console.log(story);
    if (!(frames > 0.15 * all && frames < 0.8 * all)) throw new Error(`frames: ${story}`);
    const grown = (what) => last[what] - first[what];
    // What a busy machine holds up for a moment is no freeze.
    const isFluent = grown('totalFreezesDuration') < 2 && grown('pliCount') === 0 && grown('framesDecoded') + 5 > grown('framesReceived');
    if (!isFluent) throw new Error(`freezes: ${story}`);
    await Promise.all([ada.leave(), ben.leave()]);
";
