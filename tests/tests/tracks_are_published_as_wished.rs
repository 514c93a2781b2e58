//! A track is published as the SDK's options say: by what the browser sends, and what comes at another participant.

use anyhow::Result;
use ferrite_tests::{firefox_lab, scene};

async fn play(name: &str, script: &str) -> Result<()> {
    scene(name, async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{script}")).await?;
        Ok(())
    })
    .await
}

/// Two programs on one page, and what the first of them sends.
const PROGRAMS: &str = r"
    // Ada's own, which is not what anybody listens to.
    const connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) {
            super(...args);
            connections.push(this);
        }
    };
    const { Room } = await import('/sdk/index.js');
    const { expect, rejected, until } = lab;
    const [ada, ben] = [new Room(), new Room({ stereo: true })];
    const meet = async () => {
        await ada.connect({ room: 'kitchen', name: 'Ada' });
        await until('a connection', () => connections.length === 1);
        await ben.connect({ room: 'kitchen', name: 'Ben' });
    };
    const leave = () => Promise.all([ada.leave(), ben.leave()]);
    const coming = (key) => until(`what comes of ${key}`, () => {
        const person = ben.participants.get(ada.localParticipant.id);
        const publication = person?.publications.get(`${person.id}/${key}`);
        return publication?.track && publication;
    });
    const sender = (local) => connections[0].getSenders().find(({ track }) => track === local.track);
    const sent = async (local) => {
        const stats = await sender(local).getStats();
        const streams = [...stats.values()].filter(({ type }) => type === 'outbound-rtp');
        return streams.map((it) => ({ ...it, mimeType: stats.get(it.codecId)?.mimeType }));
    };
    const encodings = (local) => sender(local).getParameters().encodings;
";

#[tokio::test]
async fn the_first_codec_that_the_browser_has_is_sent_and_heard_of() -> Result<()> {
    play("wished_codecs", CODECS).await
}

const CODECS: &str = r"
    const lacking = RTCRtpReceiver.getCapabilities;
    // A browser without AV1, which it would else send.
    RTCRtpReceiver.getCapabilities = (kind) => {
        const { codecs, ...rest } = lacking.call(RTCRtpReceiver, kind);
        return { ...rest, codecs: codecs.filter(({ mimeType }) => mimeType !== 'video/AV1') };
    };
    const camera = ada.publish(lab.picture(), { codecs: ['AV1', 'VP9', 'VP8'], contentHint: 'motion' });
    await meet();
    await until('pictures in VP9', async () => (await sent(camera)).some((it) => it.framesEncoded > 5 && it.mimeType === 'video/VP9'));
    const { track } = await coming('cam');
    expect('the hint', camera.track.contentHint, 'motion');
    await until('pictures in VP9 at Ben', async () => {
        const stats = [...(await connections[1].getStats()).values()];
        const stream = stats.find((it) => it.type === 'inbound-rtp' && it.trackIdentifier === track.id);
        return stream?.framesDecoded > 5 && stats.find(({ id }) => id === stream.codecId).mimeType === 'video/VP9';
    });
    const again = lab.picture();
    camera.replace(again);
    expect('the hint of another track', again.contentHint, 'motion');
    await leave();
";

#[tokio::test]
async fn sound_is_sent_with_what_came_before() -> Result<()> {
    play("wished_red", RED).await
}

const RED: &str = r"
    const [plain, redundant] = [ada.publish(lab.tone(440)), ada.publish(lab.tone(440), { key: 'red', red: true })];
    await meet();
    // Statistics call the codec Opus either way, so what tells is how much is in a packet.
    const bytesAPacket = async (local) => {
        const count = async () => {
            const [stream] = sender(local) ? await sent(local) : [];
            return [stream?.packetsSent ?? 0, stream?.bytesSent ?? 0];
        };
        await until('a packet', async () => (await count())[0]);
        const before = await count();
        const now = await until('a hundred packets', async () => {
            const now = await count();
            return now[0] >= before[0] + 100 && now;
        });
        return (now[1] - before[1]) / (now[0] - before[0]);
    };
    const [one, two] = [await bytesAPacket(plain), await bytesAPacket(redundant)];
    if (two < 1.5 * one) throw new Error(`${two} bytes a packet, and ${one} without`);
    await coming('red');
    redundant.unpublish();
    const three = await bytesAPacket(ada.publish(lab.tone(440), { key: 'red' }));
    if (three > 1.5 * one) throw new Error(`${three} bytes a packet of what is published without, and ${one} of another`);
    await leave();
";

#[tokio::test]
async fn what_cannot_be_published_takes_nothing_else_with_it() -> Result<()> {
    scene("wished_wrongly", async |scene| {
        // What the browser does not take is said there.
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{WRONGLY}")).await?;
        Ok(())
    })
    .await
}

const WRONGLY: &str = r"
    const camera = ada.publish(lab.picture(), { key: 'cam' });
    const wrong = await rejected((async () => ada.publish(lab.picture(), { key: 'cam', simulcast: [] }))());
    expect('what is wrong', wrong instanceof TypeError, true);
    expect('what is published', [camera.isOver, ada.localTracks.get('cam') === camera], [false, true]);
    camera.unpublish();
    // What the browser does not take.
    ada.publish(lab.picture(), { key: 'a', encodings: [{ scaleResolutionDownBy: 0.5 }] });
    ada.publish(lab.picture(), { key: 'b' });
    await meet();
    await coming('b');
    const person = ben.participants.get(ada.localParticipant.id);
    expect('what Ben sees', [...person.publications.keys()], [`${person.id}/b`]);
    await leave();
";

#[tokio::test]
async fn layers_and_bounds_are_those_that_are_wished_for() -> Result<()> {
    play("wished_layers", LAYERS).await
}

const LAYERS: &str = r"
    const { encodings: rule } = await import('/sdk/encodings.js');
    const camera = { kind: 'video', source: 'camera', size: 1280 };
    const shape = (options, about = {}) => rule(options, { ...camera, ...about })
        ?.map((it) => [it.rid, it.scaleResolutionDownBy, it.maxBitrate, it.maxFramerate, it.scalabilityMode]);
    expect('what is chosen elsewhere', shape({}), undefined);
    expect('three', shape({ maxBitrate: 900_000 }), [['q', 4, 100_000], ['h', 2, 300_000], ['f', 1, 900_000]]
        .map((it) => [...it, undefined, undefined]));
    expect('two', shape({ maxFramerate: 10 }, { size: 640 }), [['h', 2, undefined, 10, undefined], ['f', 1, undefined, 10, undefined]]);
    expect('one', shape({ maxBitrate: 7 }, { source: 'screen' }), [[undefined, undefined, 7, undefined, undefined]]);
    expect('none', shape({ simulcast: false, maxFramerate: 5 }), [[undefined, undefined, undefined, 5, undefined]]);
    expect('in VP9', shape({ maxBitrate: 7 }, { codec: 'VP9' }).length, 1);
    expect('in VP9, asked for', shape({ simulcast: true }, { codec: 'VP9' })[0], ['q', 4, undefined, undefined, 'L1T1']);
    expect('temporal layers', shape({ scalabilityMode: 'L1T3' }, { size: 640 }).map((it) => it[4]), ['L1T3', 'L1T3']);
    expect('of VP9', shape({ scalabilityMode: 'L1T2' }, { codec: 'VP9' }), [[undefined, undefined, undefined, undefined, 'L1T2']]);
    expect('of one layer', shape({ simulcast: [{ scalabilityMode: 'L1T2' }, {}] }).map((it) => it[4]), [undefined, 'L1T2']);
    expect('no mode', (await rejected((async () => shape({ scalabilityMode: 'L3T4' }))()) instanceof TypeError), true);
    expect('spatial layers', shape({ scalabilityMode: 'L3T3_KEY' }, { codec: 'VP9' }), [[undefined, undefined, undefined, undefined, 'L3T3_KEY']]);
    for (const [options, about] of [
        [{ scalabilityMode: 'L1T1_KEY' }, { codec: 'VP9' }], [{ scalabilityMode: 'L3T3' }, {}],
        [{ scalabilityMode: 'L3T3' }, { codec: 'AV1' }], [{ scalabilityMode: 'L3T3', simulcast: true }, { codec: 'VP9' }],
    ]) {
        expect('what does not work', (await rejected((async () => shape(options, about))())) instanceof TypeError, true);
    }
    const own = [{ maxBitrate: 5, maxFramerate: 30 }, { scaleResolutionDownBy: 3 }];
    expect('one by one', shape({ simulcast: own, maxFramerate: 15 }), [['h', 3, undefined, 15, undefined], ['f', 1, 5, 30, undefined]]);
    for (const simulcast of [[], Array(4).fill({})]) {
        expect('too few or many', (await rejected((async () => shape({ simulcast }))())) instanceof TypeError, true);
    }

    const plain = ada.publish(lab.picture(1280, 720), { key: 'plain', simulcast: false, maxBitrate: 150_000, maxFramerate: 10 });
    const layered = ada.publish(lab.picture(1280, 720), { key: 'layered', simulcast: [{ maxBitrate: 600_000 }, { maxBitrate: 90_000 }] });
    await meet();
    await coming('plain');
    await coming('layered');
    expect('what is sent as it is', encodings(plain).map((it) => [it.rid, it.maxBitrate, it.maxFramerate]), [[undefined, 150_000, 10]]);
    expect('layers', encodings(layered).map((it) => [it.rid, it.maxBitrate, it.scaleResolutionDownBy]),
        [['h', 90_000, 2], ['f', 600_000, 1]]);
    // By the stream's own clock, so that a slow machine is no fault.
    const rate = async () => {
        const [first] = await sent(plain);
        const later = await until('more of it', async () => {
            const [now] = await sent(plain);
            return now.timestamp - first.timestamp > 4000 && now.framesEncoded - first.framesEncoded > 10 && now;
        });
        const seconds = (later.timestamp - first.timestamp) / 1000;
        return [8 * (later.bytesSent - first.bytesSent) / seconds, (later.framesEncoded - first.framesEncoded) / seconds];
    };
    await until('frames', async () => (await sent(plain))[0].framesEncoded > 10);
    const [bits, frames] = await rate();
    // Where the machine is short of time the encoder is further from what it is asked for. Unasked it sends over a million.
    if (bits > 400_000 || frames > 12) throw new Error(`${bits} bit/s and ${frames} frames/s`);
    await until('both layers', async () => (await sent(layered)).filter((it) => it.framesEncoded > 5).length === 2);

    // The same again is the same section; what is wished for otherwise takes another.
    const sections = connections[0].getTransceivers().length;
    plain.unpublish();
    const same = ada.publish(plain.track, { key: 'plain', simulcast: false, maxBitrate: 150_000, maxFramerate: 10 });
    await until('it again', () => sender(same) && coming('plain'));
    expect('how many sections', connections[0].getTransceivers().length, sections);
    const other = ada.publish(plain.track, { key: 'plain', simulcast: false, maxBitrate: 80_000 });
    await until('it otherwise', () => sender(other) && encodings(other)[0].maxBitrate === 80_000);
    expect('how many sections', connections[0].getTransceivers().length, sections + 1);
    await until('it as another publication sees it', () => coming('plain'));
    await leave();
";

#[tokio::test]
async fn a_mode_that_the_browser_refuses_is_left_out() -> Result<()> {
    play("wished_mode_refused", REFUSED).await
}

const REFUSED: &str = r"
    const refused = [];
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function addTransceiver(track, init = {}) {
        if (init.sendEncodings?.some((it) => it.scalabilityMode)) {
            refused.push(init.sendEncodings.length);
            throw new DOMException('no such mode', 'OperationError');
        }
        return add.call(this, track, init);
    };
    const camera = ada.publish(lab.picture(), { scalabilityMode: 'L1T3', maxBitrate: 100_000 });
    await meet();
    await coming('cam');
    expect('what is sent instead', encodings(camera).map((it) => it.maxBitrate), [100_000]);
    expect('how many it refused', refused, [1]);
    await leave();
";

#[tokio::test]
async fn layers_in_vp9_are_passed_on_one_by_one() -> Result<()> {
    play("wished_vp9_layers", VP9).await
}

const VP9: &str = r"
    const camera = ada.publish(lab.picture(1280, 720), { codecs: ['VP9'], simulcast: true });
    await meet();
    const publication = await coming('cam');
    const player = publication.attach();
    document.body.append(player);
    const shows = (width) => until(`${width} pixels`, () => player.videoWidth === width, 60_000)
        .catch((error) => { throw new Error(`${error.message}: ${player.videoWidth}`); });
    publication.size = { width: 320, height: 180 };
    await shows(320);
    publication.size = { width: 1280, height: 720 };
    await shows(1280);
    expect('the codec', [...new Set((await sent(camera)).map((it) => it.mimeType).filter(Boolean))], ['video/VP9']);
    await leave();
";

#[tokio::test]
async fn music_is_heard_in_two_channels_and_silence_is_not_sent() -> Result<()> {
    play("wished_sound", &format!("{MUSIC}{SILENT}{SOUND}")).await
}

/// 440 Hz to the left, 880 Hz to the right.
const MUSIC: &str = r"
    const context = new AudioContext();
    const music = () => {
        const out = new MediaStreamAudioDestinationNode(context, { channelCount: 2, channelCountMode: 'explicit' });
        const merger = new ChannelMergerNode(context, { numberOfInputs: 2 });
        [440, 880].forEach((frequency, at) => {
            const oscillator = new OscillatorNode(context, { frequency });
            oscillator.connect(merger, 0, at);
            oscillator.start();
        });
        merger.connect(out);
        return out.stream.getAudioTracks()[0];
    };
    // How loud each tone is in each channel.
    const ears = (track) => {
        const mediaStream = new MediaStream([track]);
        // Chromium decodes what an element plays.
        Object.assign(new Audio(), { srcObject: mediaStream, muted: true }).play();
        const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
        new MediaStreamAudioSourceNode(context, { mediaStream }).connect(splitter);
        return [0, 1].map((at) => {
            const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
            splitter.connect(analyser, at);
            return () => {
                const bins = new Float32Array(analyser.frequencyBinCount);
                analyser.getFloatFrequencyData(bins);
                return [440, 880].map((hertz) => bins[Math.round(hertz * analyser.fftSize / context.sampleRate)]);
            };
        });
    };
    // A tone is some 60 dB above what comes through from the other side.
    const isApart = ([left, right]) => {
        const [[low, high], [other, higher]] = [left(), right()];
        return low > -60 && higher > -60 && low - high > 20 && higher - other > 20;
    };
    const said = ([left, right]) => JSON.stringify([left(), right()]);
";

const SOUND: &str = r"
    const track = music();
    const sound = ada.publish(track, { stereo: true, maxBitrate: 128_000, contentHint: 'music' });
    const quiet = ada.publish(lab.tone(660), { key: 'quiet', dtx: true });
    await meet();
    const listen = ears((await coming('mic')).track);
    await until('two channels', () => isApart(listen)).catch((error) => { throw new Error(`${error.message}: ${said(listen)}`); });
    expect('its bitrate', encodings(sound).map((it) => it.maxBitrate), [128_000]);

    const media = async () => {
        const stats = [...(await sender(quiet).getStats()).values()];
        const [stream, source] = ['outbound-rtp', 'media-source'].map((type) => stats.find((it) => it.type === type));
        return { packets: stream.packetsSent, seconds: source.totalSamplesDuration };
    };
    // By the sound's own clock: of 20 ms each, as long as there is something to hear.
    const perSecond = async () => {
        const first = await media();
        const last = await until('some seconds', async () => {
            const now = await media();
            return now.seconds - first.seconds > 3 && now;
        });
        return (last.packets - first.packets) / (last.seconds - first.seconds);
    };
    const loud = await perSecond();
    quiet.replace(silent());
    await until('a silent source', async () => sender(quiet) && (await media()).seconds > 1);
    const still = await until('silence', async () => {
        const rate = await perSecond();
        return rate < 10 && [rate];
    });
    if (loud < 40) throw new Error(`${loud} packets a second of what is heard`);
    await leave();
    return [loud, ...still];
";

const SILENT: &str = r"
    const silent = () => {
        const out = new MediaStreamAudioDestinationNode(context);
        new ConstantSourceNode(context, { offset: 0 }).connect(out);
        return out.stream.getAudioTracks()[0];
    };
";

#[tokio::test]
async fn an_offer_says_of_each_section_what_is_wished_for_and_no_more() -> Result<()> {
    play("wished_words", WORDS).await
}

const WORDS: &str = r"
    const { written } = await import('/sdk/describe.js');
    const sdp = ['v=0',
        'm=audio 9 UDP/TLS/RTP/SAVPF 111 63', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1',
        'a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/111',
        'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
        'm=video 9 UDP/TLS/RTP/SAVPF 96', 'a=rtpmap:96 VP9/90000', 'a=fmtp:96 profile-id=0',
        'm=audio 9 UDP/TLS/RTP/SAVPF 109', 'a=rtpmap:109 opus/48000/2', 'a=fmtp:109 stereo=1;useinbandfec=1', ''].join('\r\n');
    const fmtp = (sounds) => written(sdp, sounds).split('\r\n').filter((line) => line.startsWith('a=fmtp'));
    expect('what is wished for', fmtp([{ stereo: true, dtx: true }, { stereo: true }, { stereo: true }]), [
        'a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1;usedtx=1', 'a=fmtp:63 111/111', 'a=fmtp:96 profile-id=0',
        'a=fmtp:109 stereo=1;useinbandfec=1;sprop-stereo=1']);
    expect('one of them', written(sdp, [{ dtx: true }, {}, {}]), sdp.replace('useinbandfec=1', 'useinbandfec=1;usedtx=1'));
    expect('nothing', [written(sdp, [{}, { stereo: true }, {}]), written(sdp, [])], [sdp, sdp]);
";

#[test]
fn firefox_sends_what_is_wished_for() -> Result<()> {
    firefox_lab("firefox_wished", async |firefox| {
        let script = format!("{{ {PROGRAMS}{FIREFOX} }}");
        firefox.run(&script, vec![]).await.map(drop)
    })
}

/// Nobody hears a thing there, without a click on the page.
const FIREFOX: &str = r"
    const sound = ada.publish(lab.tone(440), { stereo: true, dtx: true, maxBitrate: 128_000 });
    const camera = ada.publish(lab.picture(1280, 720), { codecs: ['VP9', 'VP8'], simulcast: false, maxBitrate: 300_000, maxFramerate: 10 });
    await meet();
    await coming('mic');
    const { mid } = connections[0].getTransceivers().find((it) => it.sender === sender(sound));
    const said = connections[0].remoteDescription.sdp.split(/^(?=m=)/m).find((it) => it.includes(`a=mid:${mid}\r`));
    const [, opus] = said.match(/^a=fmtp:\d+ (.*stereo=1.*)\r$/m) ?? [];
    expect('what the server says of the sound', [opus?.includes('usedtx=1'), encodings(sound)[0].maxBitrate], [true, 128_000]);
    await coming('cam');
    await until('pictures in VP9', async () => (await sent(camera)).some((it) => it.framesEncoded > 5 && it.mimeType === 'video/VP9'));
    expect('bounds', encodings(camera).map((it) => [it.maxBitrate, it.maxFramerate]), [[300_000, 10]]);
    await leave();
";
