//! Sound that is sent once more with what follows it (RED, RFC 2198): whoever takes it so gets it so, and others
//! get the sound alone.

use anyhow::Result;
use ferrite_tests::scene;

/// Programs on one page, that prefer, take or refuse RED; their connections and what each hears.
const PROGRAMS: &str = r"
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    await init();
    const ORDERS = {
        prefers: (codecs) => codecs.sort((a, b) => b.mimeType.endsWith('/red') - a.mimeType.endsWith('/red')),
        takes: (codecs) => codecs,
        refuses: (codecs) => codecs.filter((codec) => !codec.mimeType.endsWith('/red')),
    };
    let program;
    const { addTransceiver } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.addTransceiver = function (...given) {
        const transceiver = addTransceiver.apply(this, given);
        if (transceiver.receiver.track.kind === 'audio') {
            transceiver.setCodecPreferences(
                ORDERS[program.order](RTCRtpReceiver.getCapabilities('audio').codecs));
        }
        program.connection = this;
        return transceiver;
    };
    const enter = async (name, order) => {
        program = { name, order, client: new FerriteClient() };
        const entered = program;
        entered.client.on('shown', ({ publication, track }) => {
            if (track && publication.endsWith('/mic')) entered.heard = track;
        });
        if (order === 'prefers') entered.client.publishTrack(lab.tone(440), { key: 'mic' });
        await entered.client.join({ room: 'kitchen', name });
        return entered;
    };
    // Statistics call the codec Opus either way, so what tells is how much is in a packet: in the next hundred.
    const count = async ({ connection }, type) => {
        const streams = [...(await connection.getStats()).values()];
        const counts = (it) => [it.packetsSent ?? it.packetsReceived, it.bytesSent ?? it.bytesReceived];
        const found = streams.filter((it) => it.type === type && it.kind === 'audio').map(counts);
        return found.find(([packets]) => packets > 0) ?? [0, 0];
    };
    const bytesAPacket = async (who, type) => {
        const before = await count(who, type);
        const since = await lab.until(`packets of ${who.name}`, async () => {
            const now = await count(who, type);
            return now[0] >= before[0] + 100 && now;
        });
        return (since[1] - before[1]) / (since[0] - before[0]);
    };
";

#[tokio::test]
async fn for_those_who_take_it_and_alone_for_the_others() -> Result<()> {
    scene("red", async |scene| {
        scene.open_lab().await?;
        scene
            .run(&format!(
                r"{PROGRAMS}
                const ada = await enter('Ada', 'prefers');
                const ben = await enter('Ben', 'takes');
                const cleo = await enter('Cleo', 'refuses');
                for (const who of [ben, cleo]) {{
                    await lab.until(`${{who.name}} to be given the sound`, () => who.heard);
                    await lab.hears(lab.ear(new MediaStream([who.heard])), 440);
                }}
                const [sent, taken, alone] = await Promise.all([
                    bytesAPacket(ada, 'outbound-rtp'),
                    bytesAPacket(ben, 'inbound-rtp'),
                    bytesAPacket(cleo, 'inbound-rtp'),
                ]);
                if (taken < 0.8 * sent || alone > 0.65 * sent) {{
                    throw new Error(`of ${{sent}} bytes Ben gets ${{taken}}, Cleo ${{alone}}`);
                }}"
            ))
            .await?;
        Ok(())
    })
    .await
}
