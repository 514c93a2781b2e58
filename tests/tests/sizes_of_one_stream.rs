//! A picture that a real browser publishes in spatial layers of one stream is watched small by one and large by another:
//! each is sent a size of its own, and decodes it without a freeze. When they watch it larger or smaller they are shown
//! that size. What nobody watches is not sent, and is there again as soon as somebody does.
//!
//! Alone: a browser that is starved encodes fewer layers.

use anyhow::Result;
use ferrite_tests::scene_with;

async fn play(name: &str, codec: &str, mode: &str) -> Result<()> {
    scene_with(name, &[], &Default::default(), async |scene| {
        scene.open_lab().await?;
        let script = format!("const [codec, scalabilityMode] = ['{codec}', '{mode}'];{MEET}");
        scene.run(&script).await?;
        // Each has its own time: a script may not take for ever.
        for script in [WATCH, RESIZE, LEAVE_OUT] {
            scene.run(&format!("{PLAYED}{script}")).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn in_vp9_with_layers_that_need_each_other_in_keyframes() -> Result<()> {
    play("sizes_vp9_key", "VP9", "L3T3_KEY").await
}

#[tokio::test]
async fn in_vp9_with_layers_that_need_each_other() -> Result<()> {
    play("sizes_vp9", "VP9", "L3T3").await
}

/// All three are there, and are shown what they watch; what the others need of it stays on `window`.
const MEET: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { until } = lab;
    const made = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) {
            super(...args);
            made.push(this);
        }
    };
    const [width, height] = [960, 540];
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    let step = 0;
    setInterval(() => {
        step += 1;
        context.fillStyle = '#204060';
        context.fillRect(0, 0, width, height);
        context.fillStyle = '#f0c020';
        context.fillRect((step * 5) % width, 100, 80, 80);
    }, 66);
    // The connection of each of them.
    const connections = [];
    const connect = async (room, name) => {
        const before = made.length;
        await room.connect({ room: 'kitchen', name });
        connections.push(await until(`a connection of ${name}`, () => made[before]));
    };
    const [ada, ben, cat] = [new Room(), new Room(), new Room()];
    ada.publish(canvas.captureStream(15).getVideoTracks()[0], { codecs: [codec], scalabilityMode, maxBitrate: 1_500_000 });
    await connect(ada, 'Ada');
    const watch = async (room, name, size) => {
        await connect(room, name);
        const publication = await until(`what comes to ${name}`, () => {
            const person = room.participants.get(ada.localParticipant.id);
            const known = person?.publications.get(`${person.id}/cam`);
            return known?.track && known;
        });
        const player = publication.attach();
        document.body.append(player);
        publication.size = size;
        return [publication, player];
    };
    const sizeOf = (factor) => ({ width: width / factor, height: height / factor });
    const [large, largePlayer] = await watch(ben, 'Ben', sizeOf(1));
    const [small, smallPlayer] = await watch(cat, 'Cat', sizeOf(4));
    const stats = async (at, type) => [...(await connections[at].getStats()).values()].filter((it) => it.type === type && it.kind === 'video');
    const came = async (at) => (await stats(at, 'inbound-rtp')).find((it) => it.framesDecoded > 0);
    const story = async () => {
        const [out] = await stats(0, 'outbound-rtp');
        const [one, other] = [await came(1), await came(2)];
        const of = (it) => it && `${it.frameWidth}: ${it.framesDecoded} of ${it.framesReceived} frames, ${it.bytesReceived} bytes, `
            + `${it.keyFramesDecoded} keyframes, ${it.pliCount} PLIs, ${it.nackCount} NACKs, ${it.freezeCount} freezes (${it.totalFreezesDuration} s), ${it.decoderImplementation}`;
        return `sent ${out?.scalabilityMode} ${out?.frameWidth} ${out?.framesSent}, ${out?.keyFramesEncoded} keyframes (${out?.encoderImplementation}, ${out?.qualityLimitationReason}); Ben ${of(one)}; Cat ${of(other)}`;
    };
    // An encoder that is short of time sends somewhat less, but never the half.
    const isOf = (own, factor) => own <= width / factor && own > width / factor / 2;
    const waited = (what, probe, patience) => until(what, probe, patience)
        .catch(async (error) => { throw new Error(`${error.message}: ${await story()}`); });
    const shows = (player, factor, who) =>
        waited(`${who} to be shown a size of ${width / factor}`, () => isOf(player.videoWidth, factor), 40_000)
            .catch((error) => { throw new Error(`${error.message}; shown ${player.videoWidth}`); });
    await shows(largePlayer, 1, 'Ben');
    await shows(smallPlayer, 4, 'Cat');
    window.played = { ada, ben, cat, large, largePlayer, small, smallPlayer, sizeOf, stats, came, story, isOf, waited, shows };
";

const PLAYED: &str = "
    const { ada, ben, cat, large, largePlayer, small, smallPlayer, sizeOf, stats, came, story, isOf, waited, shows } = window.played;";

const WATCH: &str = r"
    // What they had to ask for to begin with is over.
    let calm = null;
    await waited('no more keyframes', async () => {
        const [out] = await stats(0, 'outbound-rtp');
        if (!isOf(out.frameWidth, 1)) calm = null;
        else if (calm?.keyFramesEncoded !== out.keyFramesEncoded) calm = out;
        return calm && out.framesSent - calm.framesSent >= 45;
    }, 60_000);
    // By the streams' own clocks, so that a slow machine is no fault.
    const first = [await came(1), await came(2)];
    const more = async (at) => waited('more', async () => {
        const now = await came(at);
        return now.framesDecoded - first[at - 1].framesDecoded > 60 && now;
    }, 60_000);
    const last = [await more(1), await more(2)];
    console.log(await story());
    const grown = (at, what) => last[at][what] - first[at][what];
    const rate = (at) => grown(at, 'bytesReceived') / grown(at, 'framesDecoded');
    const isFluent = [0, 1].every((at) => grown(at, 'totalFreezesDuration') < 2 && grown(at, 'pliCount') === 0 && grown(at, 'framesDecoded') + 5 > grown(at, 'framesReceived'));
    if (!isFluent) throw new Error(`freezes: ${await story()}`);
    if (!(rate(1) < 0.7 * rate(0))) throw new Error(`Cat is sent ${rate(1)} bytes a frame, Ben ${rate(0)}: ${await story()}`);
";

const RESIZE: &str = r"
    large.size = sizeOf(2);
    small.size = sizeOf(1);
    await shows(largePlayer, 2, 'Ben');
    await shows(smallPlayer, 1, 'Cat');
    small.size = sizeOf(4);
    await shows(smallPlayer, 4, 'Cat');
    console.log(await story());
";

const LEAVE_OUT: &str = r"
    const sends = (factor) => waited(`a size of 1/${factor} to be sent`, async () => {
        const [out] = await stats(0, 'outbound-rtp');
        // By its mode, too: an encoder that is short of room leaves the largest out by itself for a while.
        const isLeftOut = out.scalabilityMode.startsWith(`L${3 - Math.log2(factor)}`);
        return isLeftOut && isOf(out.frameWidth, factor) && out;
    }, 40_000);
    const half = await sends(2);
    large.size = sizeOf(4);
    const least = await sends(4);
    await shows(largePlayer, 4, 'Ben');
    const began = performance.now();
    large.size = sizeOf(1);
    await shows(largePlayer, 1, 'Ben');
    const modes = [half, least].map((it) => it.scalabilityMode).join(', ');
    console.log(`sent in ${modes}; the largest is seen again after ${Math.round(performance.now() - began)} ms; ${await story()}`);
    await shows(smallPlayer, 4, 'Cat');
    await Promise.all([ada.leave(), ben.leave(), cat.leave()]);
";
