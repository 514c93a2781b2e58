//! Whose browser blurs the background of a camera's picture itself may choose that: on the page, and in a program. No
//! browser here has such a camera. A script stands for it, in front of what the browser says of its tracks and takes.

use anyhow::Result;
use ferrite_tests::{RoomPage, scene};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// A camera that blurs, and what was asked of it: when it was opened, and later.
const CAMERA: &str = r"
    window.opened = [];
    window.asked = [];
    window.blurring = new WeakMap();
    const { prototype } = MediaStreamTrack;
    const { getCapabilities, getConstraints, getSettings, applyConstraints } = prototype;
    const wished = new WeakMap();
    const { getUserMedia } = MediaDevices.prototype;
    MediaDevices.prototype.getUserMedia = async function (wish) {
        const stream = await getUserMedia.call(this, wish);
        for (const track of stream.getVideoTracks()) {
            opened.push(wish.video.backgroundBlur ?? null);
            blurring.set(track, wish.video.backgroundBlur ?? false);
        }
        return stream;
    };
    prototype.getCapabilities = function () {
        const blur = blurring.has(this) ? { backgroundBlur: [false, true] } : {};
        return { ...getCapabilities.call(this), ...blur };
    };
    prototype.getSettings = function () {
        const blur = blurring.has(this) ? { backgroundBlur: blurring.get(this) } : {};
        return { ...getSettings.call(this), ...blur };
    };
    prototype.getConstraints = function () {
        return { ...getConstraints.call(this), ...wished.get(this) };
    };
    prototype.applyConstraints = async function ({ backgroundBlur, ...others }) {
        asked.push([backgroundBlur, others.width]);
        if (window.isBusy) throw new DOMException('', 'NotReadableError');
        await window.gate;
        await applyConstraints.call(this, others);
        wished.set(this, { backgroundBlur });
        if (!window.isDeaf) blurring.set(this, backgroundBlur);
    };
    const shown = () => document.querySelector('#preview').srcObject.getVideoTracks()[0];
    window.change = () => shown().dispatchEvent(new Event('configurationchange'));
    // The system has a switch of its own.
    window.press = () => {
        blurring.set(shown(), !blurring.get(shown()));
        change();
    };
";

const PROGRAM: &str = r"
    const { openDevices, Room } = await import('/sdk/index.js');
    const { expect, rejected } = lab;
    const stream = await openDevices({ video: { width: 640 } });
    const room = new Room();
    const camera = room.publish(stream.getVideoTracks()[0]);
    expect('at first', camera.backgroundBlur, false);
    await camera.setBackgroundBlur(true);
    expect('what it is asked', [camera.backgroundBlur, asked.at(-1)], [true, [true, 640]]);
    window.isBusy = true;
    const busy = await rejected(camera.setBackgroundBlur(false));
    expect('what it cannot', [busy.name, busy.code, camera.backgroundBlur], ['DeviceError', 'busy', true]);
    const { deviceId } = camera.track.getSettings();
    await camera.setDevice(deviceId);
    expect('another camera', [camera.backgroundBlur, opened.at(-1)], [true, true]);
    const painted = room.publish(lab.picture(), { key: 'painted' });
    const unfit = await rejected(painted.setBackgroundBlur(true));
    expect('what has no background', [painted.backgroundBlur, unfit.code, unfit.constraint], [undefined, 'unfit', 'backgroundBlur']);
";

#[tokio::test]
async fn who_has_such_a_camera_may_choose() -> Result<()> {
    scene("blur", async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        let room = scene.server.url(ROOM);
        let blur = |state: &str| {
            format!(
                "document.querySelector('#preview').srcObject && !document.querySelector('#blur-choice').hidden
                    && document.querySelector('#blur').checked === {state}"
            )
        };
        let remembers = |state: &str| format!("JSON.parse(localStorage.getItem('ferrite.settings')).blur === {state}");
        browser.open(&room).await?;
        let none = "document.querySelector('#preview').srcObject !== null && document.querySelector('#blur-choice').hidden";
        scene.holds("no choice with a camera without", none).await?;

        scene.before_pages(CAMERA).await?;
        browser.open(&room).await?;
        scene.holds("a choice", &blur("false")).await?;
        scene.holds("nothing asked", "opened.at(-1) === null").await?;
        // Whoever tells a camera to sees that, although it takes its time and other things happen.
        scene.run("window.gate = new Promise((go) => { window.go = go; });").await?;
        browser.click("#blur").await?;
        let width = "asked.length === 1 && asked[0][0] === true && asked[0][1] === 640";
        scene.holds("the camera to blur", width).await?;
        scene.run("change();").await?;
        scene.holds("what will be", &blur("true")).await?;
        scene.run("go();").await?;
        scene.holds("it to be remembered", &remembers("true")).await?;
        scene.holds("what is", &blur("true")).await?;
        browser.screenshot("blurred").await?;
        scene.run("press();").await?;
        scene.holds("what the system did", &blur("false")).await?;
        scene.run("press();").await?;
        scene.holds("what it undid", &blur("true")).await?;
        scene.run("window.isDeaf = true;").await?;
        browser.click("#blur").await?;
        scene.holds("what it does not do", &blur("true")).await?;
        scene.holds("nothing of that to stay", &format!("asked.length === 2 && {}", remembers("true"))).await?;

        browser.open(&room).await?;
        scene.holds("it to be remembered", &blur("true")).await?;
        scene.holds("it to be asked", "opened.at(-1) === true").await?;
        page.enter("Ada").await?;
        for item in ["[popovertarget=more]", "#devices-open", "#blur"] {
            browser.click(item).await?;
        }
        let cleared = "!document.querySelector('#blur').checked && asked.at(-1)[0] === false";
        scene.holds("it to be clear in the room", cleared).await?;
        scene.holds("the same camera", "opened.length === 1").await?;

        scene.open_lab().await?;
        scene.run(PROGRAM).await.map(drop)
    })
    .await
}
