//! Firefox's sound, picture and data come back to it as it sent them. Its peer connection shares no
//! code with ours, its offers have another shape than Chromium's, and it has no H264.

use anyhow::Result;
use ferrite_tests::firefox_lab;
use serde_json::json;

/// Sends a canvas in one codec. The picture must come back in that codec, go on coming, and have
/// its colours where they were.
fn video_comes_back(codec: &str) -> Result<()> {
    let test = format!("firefox_{}", codec.to_lowercase());
    firefox_lab(&test, async |firefox| {
        let seen = firefox.run(VIDEO, vec![json!(codec)]).await?;
        println!("{codec}: {seen}");
        Ok(())
    })
}

const VIDEO: &str = r"
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
    return { ...view, framesDecoded, packetsLost, mimeType };
";

#[test]
fn firefox_gets_back_vp8() -> Result<()> {
    video_comes_back("VP8")
}

#[test]
fn firefox_gets_back_vp9() -> Result<()> {
    video_comes_back("VP9")
}

#[test]
fn firefox_gets_back_av1() -> Result<()> {
    video_comes_back("AV1")
}

#[test]
fn firefox_gets_back_its_sound() -> Result<()> {
    firefox_lab("firefox_sound", async |firefox| {
        let heard = firefox.run(&format!("{EAR}{SOUND}"), vec![]).await?;
        println!("opus: {heard}");
        Ok(())
    })
}

const SOUND: &str = r"
    const call = new lab.Call();
    call.pc.addTrack(await microphone());
    await call.connect();
    return hears(call, 440);
";

/// Firefox plays no tone where there is no loudspeaker (`lab.frequency`), so that it is the fake microphone's.
const EAR: &str = r"
    const microphone = async () =>
        (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks()[0];
    const hears = async (call, wanted) => {
        const returned = await call.returned('audio');
        const element = Object.assign(new Audio(), { srcObject: returned, muted: true });
        element.play();
        const { mimeType } = await lab.until('sound', async () => {
            const now = await call.inbound('audio');
            return now?.audioLevel > 0.01 && now;
        });
        if (mimeType !== 'audio/opus') throw new Error(`came back as ${mimeType}`);
        const hertz = await lab.frequency(returned);
        if (Math.abs(hertz - wanted) > 12) throw new Error(`sent ${wanted} Hz, got ${hertz} Hz`);
        return hertz;
    };
";

/// Every section but the first is offered with port 0, for those only who bundle (RFC 9143 §6).
#[test]
fn firefox_offers_sections_to_those_who_bundle_only() -> Result<()> {
    firefox_lab("firefox_max_bundle", async |firefox| {
        let seen = firefox.run(&format!("{EAR}{BUNDLE_ONLY}"), vec![]).await?;
        println!("max-bundle: {seen}");
        Ok(())
    })
}

const BUNDLE_ONLY: &str = r"
    const call = new lab.Call({ bundlePolicy: 'max-bundle' });
    call.pc.addTrack(await microphone());
    const widths = [320, 160];
    const pictures = widths.map((width) => call.pc.addTransceiver(lab.picture(width, 120)));
    const channel = call.pc.createDataChannel('echo');
    await call.connect();
    const { sdp } = call.pc.localDescription;
    const offered = [...sdp.matchAll(/^m=\w+ 0 (?:(?!\nm=).)*a=bundle-only/gms)].length;
    if (offered !== 3) throw new Error(`${offered} sections for bundles only: ${sdp}`);

    const hertz = await hears(call, 440);
    for (const [n, { receiver }] of pictures.entries()) {
        const look = lab.eye(new MediaStream([receiver.track]));
        await lab.until(`picture ${n}`, () => look()?.width === widths[n] && look().left[0] > 150);
    }
    const [back] = await lab.exchange(channel, ['bundled']);
    if (back !== 'bundled') throw new Error(`got ${back}`);
    return { hertz, offered };
";

#[test]
fn firefox_gets_back_its_data() -> Result<()> {
    firefox_lab("firefox_data", async |firefox| {
        firefox.run(DATA, vec![]).await.map(drop)
    })
}

const DATA: &str = r"
    const call = new lab.Call();
    const channel = call.pc.createDataChannel('echo');
    await call.connect();
    const sizes = [0, 1, 64 * 1024, 256 * 1024];
    const sent = sizes.flatMap((size) => [lab.message(size, false), lab.message(size, true)]);
    const back = await lab.exchange(channel, sent);
    sent.forEach((message, n) => {
        if (!lab.same(message, back[n])) throw new Error(`message ${n} came back changed`);
    });
";

/// What a web page can ask for, and what older devices have: their certificates are not of the kind
/// that the server's own is.
#[test]
fn firefox_connects_with_an_rsa_certificate() -> Result<()> {
    with_an_rsa_certificate("firefox_rsa_certificate", "active")
}

/// The server is the DTLS client then: the suite must suit a certificate that is not its own.
#[test]
fn firefox_is_the_dtls_server_with_an_rsa_certificate() -> Result<()> {
    with_an_rsa_certificate("firefox_rsa_passive", "passive")
}

fn with_an_rsa_certificate(test: &str, setup: &str) -> Result<()> {
    firefox_lab(test, async |firefox| {
        let setup = vec![json!(setup)];
        firefox.run(&format!("{EAR}{RSA}"), setup).await.map(drop)
    })
}

const RSA: &str = r"
    const [setup] = args;
    const certificate = await RTCPeerConnection.generateCertificate({
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
    });
    const call = new lab.Call({ certificates: [certificate] });
    call.edit = (sdp) => sdp.replaceAll('a=setup:actpass', `a=setup:${setup}`);
    call.pc.addTrack(await microphone());
    const channel = call.pc.createDataChannel('echo');
    await call.connect();
    const role = setup === 'passive' ? 'active' : 'passive';
    if (!call.pc.remoteDescription.sdp.includes(`a=setup:${role}`)) throw new Error('another role');
    const [back] = await lab.exchange(channel, ['signed']);
    if (back !== 'signed') throw new Error(`got ${back}`);
    await hears(call, 440);
";
