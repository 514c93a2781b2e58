//! What somebody publishes is replaced, muted and unmuted, and nobody says anything of it in SDP: no offer goes over any
//! WebSocket.

use anyhow::Result;
use ferrite_tests::{firefox_lab, scene};

/// Two who publish pictures and see each other's, and how often anybody offered.
const MEETING: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { expect, until } = lab;
    let offers = 0;
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
        if (JSON.parse(text).type === 'offer') offers += 1;
        return send.call(this, text);
    };
    const [ada, ben] = [new Room(), new Room()];
    const camera = ada.publish(lab.picture(320, 240, '#e00000'));
    ben.publish(lab.picture(320, 240));
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    await ben.connect({ room: 'kitchen', name: 'Ben' });
    const coming = async (source) => {
        const person = ben.participants.get(ada.localParticipant.id);
        return until(source, () => person.from(source)?.track && person.from(source));
    };
    const picture = await coming('camera');
    const player = picture.attach();
    document.body.append(player);
    const sees = (colour, part) => until(`${colour} to be seen`, () => {
        const left = lab.colours(player)?.left;
        return left && left[part] > 120 && left[1 - part] < 80;
    });
    await sees('red', 0);
    // Each offered once, or twice where there were not slots enough.
    const before = offers;
    if (before < 2) throw new Error(`${before} offers of two`);
";

const PICTURES: &str = r"
    camera.replace(lab.picture(640, 360, '#00a000'));
    await sees('green', 1);
    camera.mute();
    await until('no picture', () => picture.muted && picture.track === null);
    camera.replace(lab.picture(320, 240, '#e00000'));
    camera.unmute();
    await until('a picture', () => !picture.muted && picture.track);
    await sees('red again', 0);
    expect('offers because of pictures', offers - before, 0);
";

/// Firefox plays no tone where there is no loudspeaker.
const SOUND: &str = r"
    const mic = ada.publish(lab.tone(440));
    const sound = await coming('microphone');
    const hears = (hertz) => lab.hears(lab.ear(new MediaStream([sound.track])), hertz);
    await hears(440);
    const since = offers;
    mic.replace(lab.tone(880));
    await hears(880);
    mic.mute();
    await until('silence', () => sound.muted && sound.track === null);
    mic.unmute();
    await until('sound', () => !sound.muted && sound.track);
    await hears(880);
    expect('offers because of sound', offers - since, 0);
";

#[tokio::test]
async fn which_takes_none_in_chromium() -> Result<()> {
    scene("no_offers", async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{MEETING}{PICTURES}{SOUND}")).await?;
        Ok(())
    })
    .await
}

#[test]
fn firefox_makes_none_either() -> Result<()> {
    firefox_lab("firefox_no_offers", async |firefox| {
        let script = format!("{MEETING}{PICTURES}");
        firefox.run(&script, vec![]).await.map(drop)
    })
}
