//! What a publication's numbers say of it, to whom sends it and to whom it comes.

use anyhow::Result;
use ferrite_tests::{firefox_lab, scene};

#[tokio::test]
async fn both_ends_say_the_same_of_a_picture_and_of_sound() -> Result<()> {
    scene("stats_by_track", async |scene| {
        scene.open_lab().await?;
        scene.run(STATS).await?;
        Ok(())
    })
    .await
}

const STATS: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { expect, rejected, until } = lab;
    const [ada, ben] = [new Room({ codec: 'VP9' }), new Room()];
    const camera = ada.publish(lab.picture(320, 240));
    const sound = ada.publish(lab.tone(440));
    expect('before it is seen', (await rejected(camera.getStats())).name, 'InvalidStateError');
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    await ben.connect({ room: 'kitchen', name: 'Ben' });
    const person = ben.participants.get(ada.localParticipant.id);
    const coming = (source) => until(`what comes of the ${source}`, () => person.from(source)?.track && person.from(source));
    const [picture, heard] = [await coming('camera'), await coming('microphone')];

    const names = ['bitrate', 'codec', 'framesPerSecond', 'height', 'jitter', 'layer', 'layers', 'loss', 'report', 'roundTrip', 'why', 'width'];
    const first = await camera.getStats();
    expect('what there is', Object.keys(first).sort(), names);
    expect('a rate, the first time', first.bitrate, null);
    // A browser that was held up by others says so for a moment, and catches up at more frames than there are.
    const likely = ({ bitrate, loss, framesPerSecond, why }) => bitrate > 500 && bitrate < 5e6 && loss <= 1 && framesPerSecond <= 25 && why === null;
    const known = (it, wanted) => wanted.every((name) => it[name] !== null) && likely(it);
    const all = async (what, ask, wanted) => {
        let seen;
        return until(`${what}'s numbers`, async () => (seen = await ask(), known(seen, wanted) && seen), 40_000)
            .catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(seen)}`); });
    };
    const both = ['bitrate', 'loss', 'jitter', 'roundTrip', 'codec'];
    const video = [...both, 'width', 'height', 'framesPerSecond'];
    const sent = await all('what is sent', () => camera.getStats(), video);
    const came = await all('what comes', () => picture.getStats(), video);
    for (const it of [sent, came]) {
        expect('a picture', [it.codec, it.width, it.height], ['VP9', 320, 240]);
        if (![...it.report.values()].some(({ type }) => type === 'candidate-pair')) throw new Error('no report');
    }
    expect('how many layers are sent', sent.layers, 1);
    const own = await all('the sound that is sent', () => sound.getStats(), both);
    const ear = await all('the sound that comes', () => heard.getStats(), both);
    for (const it of [own, ear]) {
        expect('sound', [it.codec, it.width, it.layer], ['opus', null, null]);
        if (it.bitrate > 200_000) throw new Error(`${it.bitrate} bit/s`);
    }

    picture.pause();
    await until('a pause', () => picture.idle === 'paused');
    expect('what is not sent', await picture.getStats().then((it) => [it.why, it.bitrate, it.width]), ['paused', null, null]);
    sound.mute();
    await until('that it is muted', () => heard.muted);
    expect('what is muted', [(await sound.getStats()).why, (await heard.getStats()).why], ['muted', 'muted']);
    await Promise.all([ada.leave(), ben.leave()]);
    expect('what is over', (await rejected(picture.getStats())).name, 'InvalidStateError');
";

#[test]
fn firefox_says_it_too() -> Result<()> {
    firefox_lab("firefox_stats", async |firefox| {
        firefox
            .run(&format!("{{ {STATS} }}"), vec![])
            .await
            .map(drop)
    })
}
