//! A call's sections change direction, stop, and are used again for something else.

use anyhow::Result;
use ferrite_tests::scene;
use serde_json::json;

/// Has a picture offered in one direction beside a tone. None must come back, and it must once it
/// is offered both ways.
async fn goes_both_ways_later(direction: &str, answered: &str) -> Result<()> {
    scene(&format!("from_{direction}"), async |scene| {
        scene.open_lab().await?;
        let arguments = vec![json!(direction), json!(answered)];
        let seen = scene.browser.run(DIRECTIONS, arguments).await?;
        println!("{direction}: {seen}");
        Ok(())
    })
    .await
}

const DIRECTIONS: &str = r"
    const [direction, answered] = args;
    const call = new lab.Call();
    call.pc.addTrack(lab.tone(440));
    const transceiver = call.pc.addTransceiver(lab.picture(), { direction });
    await call.connect();
    const sent = async () => {
        const stats = [...(await call.pc.getStats()).values()];
        const video = stats.filter(({ type, kind }) => type === 'outbound-rtp' && kind === 'video');
        return video.reduce((sum, { framesEncoded }) => sum + (framesEncoded ?? 0), 0);
    };
    const { sdp } = call.pc.remoteDescription;
    const section = sdp.slice(sdp.indexOf('m=video'));
    if (!section.includes(`a=${answered}`)) throw new Error(`answered ${section}`);
    await lab.hears(lab.ear(await call.returned('audio')), 440);
    if (direction === 'sendonly') await lab.until('30 frames to be sent', async () => await sent() >= 30);
    const early = (await call.inbound('video'))?.packetsReceived ?? 0;
    if (early > 0) throw new Error(`${early} packets came back`);

    transceiver.direction = 'sendrecv';
    await call.offer();
    lab.eye(new MediaStream([transceiver.receiver.track]));
    const { framesDecoded } = await lab.until('30 frames', async () => {
        const now = await call.inbound('video');
        return now?.framesDecoded >= 30 && now;
    });
    return { early, framesDecoded, sent: await sent() };
";

#[tokio::test]
async fn from_inactive() -> Result<()> {
    goes_both_ways_later("inactive", "inactive").await
}

#[tokio::test]
async fn from_sendonly() -> Result<()> {
    goes_both_ways_later("sendonly", "recvonly").await
}

#[tokio::test]
async fn from_recvonly() -> Result<()> {
    goes_both_ways_later("recvonly", "sendonly").await
}

#[tokio::test]
async fn a_stopped_picture_makes_room_for_a_tone() -> Result<()> {
    scene("a_section_is_recycled", async |scene| {
        scene.open_lab().await?;
        scene.run(RECYCLED).await?;
        Ok(())
    })
    .await
}

/// What was stopped is offered and answered with port 0 once, and its place is then free (RFC 9429
/// §5.2.2).
const RECYCLED: &str = r"
    const call = new lab.Call();
    const channel = call.pc.createDataChannel('echo');
    const transceiver = call.pc.addTransceiver(lab.picture());
    await call.connect();
    lab.eye(await call.returned('video'));
    await lab.until('10 frames', async () => (await call.inbound('video'))?.framesDecoded >= 10);
    const kinds = () => [...call.pc.remoteDescription.sdp.matchAll(/^m=(\w+ \d+)/gm)].map(([, kind]) => kind);
    const before = kinds();

    transceiver.stop();
    await call.offer();
    if (!kinds().includes('video 0')) throw new Error(`answered ${kinds()}`);
    call.pc.addTrack(lab.tone(440));
    await call.offer();
    const after = kinds();
    if (after.length !== before.length || after.some((kind) => kind.startsWith('video')))
        throw new Error(`${before} became ${after}`);
    await lab.hears(lab.ear(await call.returned('audio')), 440);
    const [back] = await lab.exchange(channel, ['still here']);
    if (back !== 'still here') throw new Error(`got ${back}`);
";
