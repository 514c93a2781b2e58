//! The JavaScript class brings programs together in rooms, as its TypeScript definitions and its document say.

use anyhow::Result;
use ferrite_tests::{RoomPage, readme, scene, scene_with, wait};
use serde_json::Value;

/// Two programs on one page, and what each was told.
const PROGRAMS: &str = r"
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    await init();
    const { rejected, expect } = lab;
    const KINDS = ['joined', 'participantJoined', 'participantChanged', 'participantLeft', 'published',
        'publicationChanged', 'unpublished', 'shown', 'said', 'complaint', 'muted', 'left'];
    const program = () => {
        const client = new FerriteClient();
        const heard = [];
        for (const kind of KINDS) client.on(kind, (it) => heard.push([kind, it]));
        const of = (kind) => heard.filter(([name]) => name === kind).map(([, it]) => it);
        const shown = (publication) =>
            of('shown').filter((it) => it.publication === publication).at(-1)?.track;
        return { client, heard, of, shown };
    };
    const [ada, ben] = [program(), program()];
    const told = (whom, words, is) => lab.until(words, () => is(whom)).catch((error) => {
        throw new Error(`${error.message}: ${JSON.stringify(whom.heard)}`);
    });
";

#[tokio::test]
async fn two_programs_see_hear_and_read_each_other() -> Result<()> {
    scene("class_meets", async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{MEETING}")).await?;
        Ok(())
    })
    .await
}

const MEETING: &str = r"
    const [picture, sound] = [lab.picture(), lab.tone(440)];
    ada.client.publishTrack(picture, { key: 'cam', label: 'Front' });
    ada.client.publishTrack(sound, { key: 'mic' });
    const room = await ada.client.join({ room: 'kitchen', name: 'Ada', metadata: 'seat 4' });
    expect('the room', [room.id, room.participants.map((it) => it.name)], ['kitchen', ['Ada']]);
    expect('what the getter says', ada.client.room.own, room.own);

    ben.client.publishTrack(lab.picture(), { key: 'slides', source: 'screen' });
    const own = (await ben.client.join({ room: 'kitchen', name: 'Ben' })).own;
    const [cam, mic, slides] = [`${room.own}/cam`, `${room.own}/mic`, `${own}/slides`];
    for (const [whom, publication] of [[ben, cam], [ben, mic], [ada, slides]]) {
        await told(whom, `a track of ${publication}`, (it) => it.shown(publication));
    }
    for (const track of [ben.shown(cam), ada.shown(slides)]) lab.eye(new MediaStream([track]));
    await lab.hears(lab.ear(new MediaStream([ben.shown(mic)])), 440);
    const eyes = [...document.querySelectorAll('video')].slice(-2);
    await lab.until('frames', () => eyes.every((it) => it.getVideoPlaybackQuality().totalVideoFrames > 20));
    const published = (whom, id) => whom.of('published').find((it) => it.id === id);
    expect('the label', published(ben, cam).label, 'Front');
    expect('the source', [published(ben, mic), published(ada, slides)].map((it) => it.source),
        ['microphone', 'screen']);
    const other = ben.of('participantJoined').find((it) => it.id === room.own);
    expect('the metadata', [other.metadata, other.state], ['seat 4', 'connected']);

    await ada.client.say('hello');
    await ada.client.say('psst', { topic: 'secret', to: [own] });
    await ben.client.say('hi', { to: [] });
    await told(ben, 'two messages', (it) => it.of('said').length >= 2);
    expect('what is said', ben.of('said').map(({ from, name, topic, text, to }) => [from, name, topic, text, to]),
        [[room.own, 'Ada', 'chat', 'hello', undefined], [room.own, 'Ada', 'secret', 'psst', [own]]]);

    ada.client.mute('cam');
    await told(ben, 'that it is muted', (it) => it.shown(cam) === null);
    const muted = (whom, id) => whom.client.room.participants
        .flatMap((it) => it.publications).find((it) => it.id === id).muted;
    expect('whether it is muted', muted(ben, cam), true);
    ada.client.unmute('cam');
    await told(ben, 'a track again', (it) => it.shown(cam));

    ben.client.watch([]);
    await told(ben, 'nothing to see', (it) => it.shown(cam) === null);
    ben.client.watch([{ publication: cam, width: 320, height: 180 }]);
    await told(ben, 'what is watched', (it) => it.shown(cam));

    ada.client.unpublishTrack('mic');
    await told(ben, 'that it is gone', (it) => it.of('unpublished').some(({ id }) => id === mic));
    expect('the track itself', sound.readyState, 'live');

    ben.client.leave();
    await told(ben, 'to be out', (it) => it.of('left').length);
    expect('why', ben.of('left'), [{ cause: 'asked' }]);
    expect('the room outside', ben.client.room, undefined);
    await told(ada, 'that Ben left', (it) => it.of('participantLeft').some(({ id, cause }) => id === own && cause === 'left'));
    expect('complaints', [...ada.of('complaint'), ...ben.of('complaint')], []);

    await ben.client.start(new MediaStream([lab.tone(440)]));
    await ben.client.send('an echo is a call like before');
    ben.client.close();
    ada.client.close();
    await told(ada, 'to be out', (it) => it.of('left').length);
";

#[tokio::test]
async fn whoever_may_mutes_removes_and_ends() -> Result<()> {
    scene("class_moderates", async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{MODERATION}")).await?;
        Ok(())
    })
    .await
}

/// Who enters an empty room may do that, where the server has no keys.
const MODERATION: &str = r"
    expect('an error outside', (await rejected(ada.client.say('nobody'))).code, 'outside');
    const { own: chair } = await ada.client.join({ room: 'kitchen', name: 'Ada' });
    ben.client.publishTrack(lab.tone(440), { key: 'mic' });
    const { own: guest } = await ben.client.join({ room: 'kitchen', name: 'Ben' });
    const mic = `${guest}/mic`;
    await told(ada, 'sound', (it) => it.shown(mic));

    const refusal = await rejected(ben.client.kick(chair));
    expect('the refusal', [refusal.name, refusal.code], ['FerriteError', 'notAllowed']);
    if (!refusal.message) throw new Error('no words for a refusal');

    await ada.client.mutePublication(mic, 'there is an echo');
    await told(ben, 'that it is muted', (it) => it.of('muted').length);
    expect('why', ben.of('muted'), [{ publication: mic, reason: 'there is an echo' }]);
    await told(ada, 'silence', (it) => it.shown(mic) === null);
    const sender = () => ben.client.peerConnection.getSenders().find((it) => it.track?.kind === 'audio');
    await lab.until('nothing sent', () => !sender());
    ben.client.unmute('mic');
    await told(ada, 'sound again', (it) => it.shown(mic));

    await ada.client.kick(guest, 'noise');
    await told(ben, 'to be out', (it) => it.of('left').length);
    expect('why', ben.of('left'), [{ cause: 'kicked', reason: 'noise' }]);
    const removed = ({ id, cause }) => id === guest && cause === 'kicked';
    await told(ada, 'that he was removed', (it) => it.of('participantLeft').some(removed));
    expect('what goes before', ben.heard.slice(-2).map(([kind]) => kind), ['participantLeft', 'left']);

    await ben.client.join({ room: 'kitchen' });
    await ada.client.endRoom('time is up');
    await told(ben, 'the end', (it) => it.of('left').length === 2);
    expect('why', ben.of('left')[1], { cause: 'roomEnded', reason: 'time is up' });
    await told(ada, 'the end', (it) => it.of('left').length);
    expect('the room at the end', ben.client.room, undefined);
";

#[tokio::test]
async fn it_refuses_nonsense_about_rooms_with_words() -> Result<()> {
    scene("class_refuses_rooms", async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{NONSENSE}")).await?;
        Ok(())
    })
    .await
}

const NONSENSE: &str = r"
    const thrown = (act) => rejected((async () => act())());
    const errors = [
        await rejected(ada.client.join({ name: 'Ada' })),
        await thrown(() => ada.client.publishTrack(lab.picture(), { key: 'a/b' })),
        await thrown(() => ada.client.publishTrack(lab.picture(), { key: '' })),
        await thrown(() => ada.client.watch({ publication: 'a/cam' })),
        ...await Promise.all([0, 33, 1.5, '5', null].map((voices) => thrown(() => new FerriteClient({ voices })))),
    ];
    for (const error of errors) {
        if (!(error instanceof TypeError) || !error.message) throw new Error(`threw ${error}`);
    }
    const refusal = await rejected(ada.client.join({ room: '' }));
    expect('the refusal', refusal.name, 'FerriteError');
    expect('the room', ada.client.room, undefined);
    const going = ada.client.join({ room: 'kitchen' });
    ada.client.leave();
    expect('the code of who left before', (await rejected(going)).code, 'hungUp');
";

#[tokio::test]
async fn the_class_meets_others_as_its_own_document_says() -> Result<()> {
    meets_as_in("Rooms").await
}

#[tokio::test]
async fn rooms_as_objects_do_as_their_document_says() -> Result<()> {
    meets_as_in("Rooms as objects").await
}

/// Two windows run what is in the section with this heading, and their users see and read each other.
async fn meets_as_in(heading: &str) -> Result<()> {
    let code = readme::listing("client-wasm/README.md", heading, "js")?;
    let windows = RoomPage::windows();
    let name = heading.replace(' ', "_").to_lowercase();
    scene_with(&format!("document_{name}"), &[], &windows, async |scene| {
        let code = code.replace("https://call.example.com/", &scene.server.url("/"));
        let browser = &mut scene.browser;
        let url = scene.server.url("/healthz");
        let windows = [browser.open_window(&url).await?, {
            browser.paste(&code).await?;
            browser.open_window(&url).await?
        }];
        browser.paste(&code).await?;
        for window in &windows {
            browser.switch_to(window).await?;
            let moves = |frames: &Value| frames.as_u64() > Some(30);
            browser.until("the other's picture", SHOWN, moves).await?;
            let said = async || {
                let lines = browser.console().await?;
                Ok(lines
                    .iter()
                    .any(|line| line.message.contains("Ada: hello, everybody")))
            };
            wait::until("a line", wait::PATIENCE, said, |said| *said).await?;
        }
        Ok(())
    })
    .await
}

const SHOWN: &str = r"Math.max(0, ...[...document.querySelectorAll('video')]
    .map((video) => video.getVideoPlaybackQuality().totalVideoFrames))";
