//! Rooms as objects, as the SDK's TypeScript definitions say: handles that stay, and that say when they are over.

use anyhow::Result;
use ferrite_tests::{BrowserOptions, firefox_lab, scene, scene_with};

/// Two programs on one page.
const PROGRAMS: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { rejected, expect, until } = lab;
    const [ada, ben] = [new Room(), new Room()];
    const of = (room, whom, key) => room.participants.get(whom.localParticipant.id)?.publications
        .get(`${whom.localParticipant.id}/${key}`);
    const meet = async () => {
        await ada.connect({ room: 'kitchen', name: 'Ada', metadata: 'seat 4' });
        await ben.connect({ room: 'kitchen', name: 'Ben' });
    };
    const leave = () => Promise.all([ada.leave(), ben.leave()]);
    // Firefox keeps the W3C's counter for files only.
    const frames = (player) => player.mozPaintedFrames ?? player.getVideoPlaybackQuality().totalVideoFrames;
";

async fn play(name: &str, script: &str) -> Result<()> {
    scene(name, async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{script}")).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn handles_stay_until_they_say_that_they_are_over() -> Result<()> {
    play("objects_stay", HANDLES).await
}

const HANDLES: &str = r"
    const told = [];
    for (const event of ['participantJoined', 'published', 'publicationChanged', 'unpublished', 'participantLeft', 'left']) {
        ben.on(event, (it) => told.push([event, it]));
    }
    const heard = (event, is = () => true) => until(event, () => told.find(([name, it]) => name === event && is(it)));
    const mic = ada.publish(lab.tone(440), { label: 'Front' });
    expect('the state before', [ada.state, mic.key, mic.publication], ['idle', 'mic', undefined]);
    await meet();
    const person = ben.participants.get(ada.localParticipant.id);
    expect('who is there', [person.name, person.metadata, person.state, person.isLocal, person.connectionQuality],
        ['Ada', 'seat 4', 'connected', false, 'good']);
    expect('everybody', [...ben.participants.values()].map((it) => it.name), ['Ada', 'Ben']);
    await heard('published');
    const publication = person.from('microphone');
    expect('what is published', [publication.key, publication.kind, publication.label, publication.participant === person],
        ['mic', 'audio', 'Front', true]);
    await until('its sound', () => publication.track);
    await lab.hears(lab.ear(new MediaStream([publication.track])), 440);
    await until('who speaks', () => person.isSpeaking && ben.speakers.includes(person) && ben.activeSpeaker === person);

    mic.mute();
    expect('muted at once', [mic.muted, mic.publication.muted], [true, false]);
    await until('that it is muted', () => publication.muted && mic.muted && mic.publication.muted);
    mic.unmute();
    expect('not muted at once', mic.muted, false);
    await until('that it is not', () => !publication.muted && publication.track);
    mic.replace(lab.tone(880));
    expect('what one sends oneself', mic.publication.track, mic.track);
    await lab.hears(lab.ear(new MediaStream([publication.track])), 880);
    publication.unsubscribe();
    await lab.silence(lab.ear(new MediaStream([publication.track])));
    publication.subscribe();
    await lab.hears(lab.ear(new MediaStream([publication.track])), 880);

    const wrong = await rejected((async () => mic.replace(lab.picture()))());
    expect('a picture for sound', wrong instanceof TypeError, true);
    mic.stop();
    await heard('unpublished', (it) => it === publication);
    expect('what is over', [publication.isOver, publication.track, person.isOver, mic.isOver, mic.track.readyState],
        [true, null, false, true, 'ended']);
    expect('its use', (await rejected((async () => mic.mute())())).name, 'InvalidStateError');
    expect('its element', (await rejected((async () => publication.attach())())).name, 'InvalidStateError');

    await ada.end('time is up');
    const [, why] = await heard('left');
    expect('why', [why, ben.state, ben.participants.size], [{ cause: 'roomEnded', reason: 'time is up' }, 'idle', 0]);
    expect('who is over', [person.isOver, told.at(-2)[0], told.at(-1)[0]], [true, 'participantLeft', 'left']);
    await until('the end', () => ada.state === 'idle');
    await meet();
    const again = ben.participants.get(ada.localParticipant.id);
    expect('who came again', [again.name, again === person, person.isOver, again.isOver], ['Ada', false, true, false]);
    await ada.leave();
    expect('the state after', [ada.state, ada.participants.size, ada.localParticipant], ['idle', 0, undefined]);
    await heard('participantLeft', (it) => it === again);
    await leave();
";

#[tokio::test]
async fn a_camera_gives_way_to_another_one_in_the_same_publication() -> Result<()> {
    play("objects_devices", DEVICES).await
}

const DEVICES: &str = r"
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640 } });
    const [first] = media.getTracks();
    const camera = ada.publish(first, { label: 'Front' });
    await meet();
    const publication = await until('a picture', () => of(ben, ada, 'cam')?.track && of(ben, ada, 'cam'));
    const missing = await rejected(camera.setDevice('no such device'));
    expect('a device that is not there', [missing.name, missing.code], ['DeviceError', 'missing']);
    expect('what is sent then', [camera.track === first, first.readyState], [true, 'live']);
    await camera.setDevice(first.getSettings().deviceId);
    expect('what is sent now', [camera.track === first, first.readyState, camera.track.readyState], [false, 'ended', 'live']);
    const player = publication.attach();
    document.body.append(player);
    const before = frames(player);
    await until('frames of it', () => frames(player) > before + 10);
    expect('the publication', [publication.isOver, of(ben, ada, 'cam') === publication, publication.label], [false, true, 'Front']);
    const last = camera.track;
    const late = rejected(camera.setDevice(last.getSettings().deviceId));
    camera.stop();
    expect('a device for what is over', [(await late).name, last.readyState], ['InvalidStateError', 'ended']);
    await leave();
";

#[tokio::test]
async fn as_many_are_heard_as_was_said() -> Result<()> {
    play("objects_voices", VOICES).await
}

const VOICES: &str = r"
    const connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) {
            super(...args);
            connections.push(this);
        }
    };
    const mics = new Map([[ada, ada.publish(lab.tone(440))], [ben, ben.publish(lab.tone(880))]]);
    await meet();
    const before = await until('two connections', () => connections.length >= 2 && connections.length);
    const cem = new Room({ voices: 1 });
    await cem.connect({ room: 'kitchen', name: 'Cem' });
    const heard = () => [ada, ben].filter((it) => of(cem, it, 'mic')?.track);
    await until('a voice', () => heard().length === 1);
    const [one] = heard();
    mics.get(one).mute();
    await until('the other', () => heard().length === 1 && heard()[0] !== one);
    const kinds = connections[before].getTransceivers().map((it) => it.receiver.track.kind);
    const count = (kind) => kinds.filter((it) => it === kind).length;
    expect('slots', [count('audio'), count('video')], [1, 4]);
    const refused = await rejected(new Room({ voices: 33 }).connect({ room: 'kitchen' }));
    expect('too many', [refused instanceof TypeError, refused.message], [true, 'FerriteOptions.voices is not 1 to 32']);
    await cem.leave();
    await leave();
";

#[tokio::test]
async fn its_definitions_name_what_it_has() -> Result<()> {
    play("objects_definitions", MEMBERS).await
}

/// What the definitions declare of each class, and what its objects have: but for what the classes have for each other
/// only, below a line that says so.
const MEMBERS: &str = r"
    const sdk = await import('/sdk/index.js');
    const types = await (await fetch('/sdk/index.d.ts')).text();
    const list = (names) => [...new Set(names)].filter((name) => name !== 'constructor').sort().join(' ');
    const files = { Room: 'room', Participant: 'participant', Publication: 'publication', LocalTrack: 'local_track' };
    for (const [name, file] of Object.entries(files)) {
        const [, body] = types.match(new RegExp(`^export declare class ${name}\\b[^]*?\\{\n([^]*?)^\\}`, 'm'));
        const declared = [...body.matchAll(/^  (?:readonly )?(\w+)[(<:]/gm)].map(([, member]) => member);
        const [open] = (await (await fetch(`/sdk/${file}.js`)).text()).split(/^  \/\/ .*(?:not for users|are for LocalTrack)/m);
        const has = [...open.matchAll(/^  (?:get |set |async )?(\w+)\(/gm), ...open.matchAll(/^    this\.(\w+) = /gm)];
        expect(`what ${name} has`, list(has.map(([, member]) => member)), list(declared));
    }
    const classes = [...types.matchAll(/^export declare (?:class|function) (\w+)/gm)];
    expect('what there is', list(Object.keys(sdk)), list(classes.map(([, name]) => name)));
";

#[tokio::test]
async fn as_much_comes_of_a_picture_as_is_seen() -> Result<()> {
    play("objects_are_seen", SIGHT).await
}

const SIGHT: &str = r"
    const watched = [];
    const { FerriteClient } = await import('/ferrite_client.js');
    const watch = FerriteClient.prototype.watch;
    FerriteClient.prototype.watch = function (views) {
        watched.push(views);
        return watch.call(this, views);
    };
    ada.publish(lab.picture());
    await meet();
    const publication = await until('a picture', () => of(ben, ada, 'cam'));
    const player = publication.attach();
    player.style.cssText = 'display: block; inline-size: 320px; block-size: 180px';
    document.body.prepend(player);
    const wants = (what, is) => until(what, () => watched.at(-1)?.length === 1 && is(watched.at(-1)[0]))
        .catch((error) => { throw new Error(`${error.message}: ${JSON.stringify(watched)}`); });
    const [width, height] = [320 * devicePixelRatio, 180 * devicePixelRatio];
    await wants('its size', (it) => it.width === width && it.height === height && !it.paused);
    await until('frames', () => frames(player) > 10);
    player.style.inlineSize = '160px';
    await wants('another size', (it) => it.width === width / 2);
    const spacer = document.createElement('div');
    spacer.style.blockSize = '9000px';
    document.body.prepend(spacer);
    await wants('nothing while nobody sees it', (it) => it.paused);
    await until('nothing', () => publication.track === null && publication.idle === 'paused');
    spacer.remove();
    await wants('it again', (it) => !it.paused);
    await until('a track', () => publication.track);
    const turn = (page) => {
        Object.defineProperty(document, 'hidden', { configurable: true, value: page === 'back' });
        document.dispatchEvent(new Event('visibilitychange'));
    };
    turn('back');
    await wants('nothing in a page at the back', (it) => it.paused);
    turn('front');
    await wants('it once more', (it) => !it.paused);
    delete document.hidden;
    await until('its track', () => publication.track);

    publication.size = { width: 64, height: 36 };
    publication.priority = 'high';
    await wants('what is said by hand', (it) => it.width === 64 && it.height === 36 && it.priority === 'high');
    publication.pause();
    await wants('a pause', (it) => it.paused);
    publication.resume();
    publication.unsubscribe();
    await until('none', () => watched.at(-1).length === 0);
    publication.subscribe();
    publication.size = null;
    const before = frames(player);
    await until('more frames', () => frames(player) > before + 5);
    expect('without sound', player.muted, true);
    publication.detach(player);
    expect('with sound', player.muted, false);
    expect('what it plays', player.srcObject, null);
    await wants('the best there is', (it) => it.width === undefined && !it.paused);
    await leave();
    expect('what is over', publication.isOver, true);
";

#[tokio::test]
async fn listeners_end_when_they_are_told_to_and_aborts_go_no_further() -> Result<()> {
    play("objects_listen", LISTENERS).await
}

const LISTENERS: &str = r"
    const heard = [];
    const ending = new AbortController();
    const every = () => heard.push('every');
    ada.on('status', every);
    ada.on('status', () => heard.push('signal'), ending);
    ada.once('status', () => heard.push('once'));
    ada.on('status', () => { ending.abort(); ada.off('status', every); });
    await ada.connect({ room: 'kitchen' });
    await until('a call', () => ada.state === 'connected');
    expect('who heard how often', heard.sort(), ['every', 'once', 'signal']);
    expect('a second room', (await rejected(ada.connect({ room: 'hall' }))).name, 'InvalidStateError');
    await ada.leave();
    expect('words in no room', (await rejected((async () => ada.say('nobody'))())).name, 'InvalidStateError');

    // A loop over events, which waits for its turn.
    const read = [];
    const reading = new AbortController();
    const loop = (async () => {
        for await (const { text } of ada.events('said', reading)) {
            await new Promise((later) => setTimeout(later, 20));
            read.push(text);
            if (text === 'last') break;
        }
    })();
    await ada.connect({ room: 'kitchen' });
    for (const text of ['one', 'two', 'last', 'late']) await ada.say(text);
    await loop;
    expect('what was read', read, ['one', 'two', 'last']);
    const before = [];
    ben.on('said', ({ participant, text }) => before.push([participant?.id === ada.localParticipant.id, text]), reading);
    await ben.connect({ room: 'kitchen' });
    await until('what was said before', () => before.length >= 4);
    expect('who said it', before, ['one', 'two', 'last', 'late'].map((text) => [true, text]));
    await ben.leave();
    const none = ada.events('said', reading);
    reading.abort();
    expect('what comes after an abort', await none.next(), { done: true });
    const person = ada.localParticipant;
    const own = person.events('participantChanged');
    await ada.leave();
    expect('what comes of who is over', await own.next(), { done: true });
    expect('what is asked for then', await person.events('participantChanged').next(), { done: true });

    const late = new AbortController();
    late.abort();
    expect('late', (await rejected(ben.connect({ room: 'kitchen', signal: late.signal }))).name, 'AbortError');
    const soon = new AbortController();
    ben.once('status', () => soon.abort());
    const going = ben.connect({ room: 'kitchen', signal: soon.signal });
    expect('soon', (await rejected(going)).name, 'AbortError');
    expect('the state', ben.state, 'idle');
    expect('a refusal', (await rejected(ben.connect({ room: '' }))).name, 'FerriteError');
    const first = ben.connect({ room: 'kitchen' });
    expect('a second at once', (await rejected(ben.connect({ room: 'hall' }))).name, 'InvalidStateError');
    await first;
    await ben.leave();
    const left = ben.connect({ room: 'kitchen' });
    await ben.leave();
    expect('left on the way', (await rejected(left)).name, 'AbortError');
    const wrong = ben.publish(lab.tone(440), { key: 'a/b' });
    await rejected(ben.connect({ room: 'kitchen' }));
    expect('the state after a wrong key', [ben.state, (await rejected((async () => ben.stats())())).name],
        ['idle', 'InvalidStateError']);
    wrong.unpublish();
    await ben.connect({ room: 'kitchen' });
    await ben.leave();
";

#[tokio::test]
async fn what_somebody_else_mutes_is_muted_when_it_is_told() -> Result<()> {
    play("objects_muted", MUTED).await
}

/// Who enters first may mute what others publish.
const MUTED: &str = r"
    const mic = ben.publish(lab.tone(440));
    await meet();
    const publication = await until('sound', () => of(ada, ben, 'mic'));
    // It is so already: no answer comes that would have to be waited for.
    mic.unmute();
    const seen = [];
    ben.on('publicationChanged', (it) => it === mic.publication && seen.push(mic.muted));
    await ada.mutePublication(publication);
    await until('that it is muted', () => seen.length);
    expect('what is seen', seen, [true]);
    mic.unmute();
    await until('that it is not', () => !publication.muted);

    // The server may merge these and tell nothing.
    seen.length = 0;
    mic.mute();
    mic.unmute();
    expect('at once', mic.muted, false);
    await ben.say('I am here');
    await ada.mutePublication(publication);
    await until('that it is muted again', () => seen.includes(true) && publication.muted);
    expect('what was seen last', [seen.at(-1), mic.muted], [true, true]);
    mic.unmute();
    await until('that it is not again', () => !publication.muted);
    await leave();
";

/// Also who publishes something, and so has a peer connection that ends with it.
#[tokio::test]
async fn who_is_not_let_in_hears_what_the_server_says() -> Result<()> {
    let options = BrowserOptions::default();
    let full = ["--max-participants", "1"];
    scene_with("objects_refused", &full, &options, async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{REFUSED}")).await?;
        Ok(())
    })
    .await
}

const REFUSED: &str = r"
    await ada.connect({ room: 'kitchen' });
    for (const publishes of [false, true]) {
        if (publishes) ben.publish(lab.tone(440));
        const { name, code, message } = await rejected(ben.connect({ room: 'kitchen' }));
        expect('the refusal', [name, code, ben.state], ['FerriteError', 'limitExceeded', 'idle']);
        if (!message.includes('1 participant')) throw new Error(`not in the server's words: ${message}`);
    }
    await ada.leave();
    await ben.connect({ room: 'kitchen' });
    await ben.leave();
";

#[tokio::test]
async fn they_are_the_same_when_a_connection_was_cut() -> Result<()> {
    scene("objects_resume", async |scene| {
        // It speaks to a socket that is being cut.
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene
            .run(&format!(
                "const sockets = lab.collectSockets();{PROGRAMS}{CUT}"
            ))
            .await?;
        Ok(())
    })
    .await
}

const CUT: &str = r"
    const mic = ada.publish(lab.tone(440));
    await meet();
    const person = ben.participants.get(ada.localParticipant.id);
    const publication = await until('sound', () => person.from('microphone'));
    const states = [];
    person.on('participantChanged', ({ state }) => states.push(state));
    const own = ada.localParticipant;
    sockets[0].close(4002);
    await until('to be back', () => states.at(-1) === 'connected');
    expect('how they were', states, ['reconnecting', 'connected']);
    expect('who is there', [ben.participants.get(person.id) === person, person.isOver, ada.localParticipant === own], [true, false, true]);
    mic.mute();
    await until('that it is muted', () => publication.muted);
    await leave();
";

#[test]
fn firefox_is_sent_as_much_as_it_shows_and_stops_where_it_is_told_to() -> Result<()> {
    firefox_lab("firefox_objects", async |firefox| {
        for script in [SIGHT, LISTENERS] {
            let script = format!("{{ {PROGRAMS}{script} }}");
            firefox.run(&script, vec![]).await?;
        }
        Ok(())
    })
}
