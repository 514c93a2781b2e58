//! Why there is no device is said as a code, whatever the browser throws.

use anyhow::Result;
use ferrite_tests::{BrowserOptions, Permission, scene, scene_with};

#[tokio::test]
async fn who_says_no_is_told_apart_from_what_is_not_there() -> Result<()> {
    let options = BrowserOptions {
        permission: Permission::Denied,
        ..BrowserOptions::default()
    };
    scene_with("devices_denied", &[], &options, async |scene| {
        scene.open_lab().await?;
        scene.run(DENIED).await?;
        Ok(())
    })
    .await
}

const DENIED: &str = r"
    const { DeviceError, openDevices, Room } = await import('/sdk/index.js');
    const { expect, rejected } = lab;
    const denied = await rejected(openDevices({ video: true }));
    expect('without permission', [denied instanceof DeviceError, denied.code, denied.cause.name], [true, 'denied', 'NotAllowedError']);
    const camera = new Room().publish(lab.picture());
    const { track } = camera;
    // Who may see none is not told which there are.
    expect('another device', (await rejected(camera.setDevice('any'))) instanceof DeviceError, true);
    expect('what is sent', [camera.track === track, track.readyState], [true, 'live']);
";

#[tokio::test]
async fn what_is_missing_unfit_or_busy_has_a_code() -> Result<()> {
    scene("devices_trouble", async |scene| {
        scene.open_lab().await?;
        scene.run(TROUBLE).await?;
        Ok(())
    })
    .await
}

/// Busy and insecure are played: the browser's fake devices are open to all, and its own machine is always secure.
const TROUBLE: &str = r"
    const { openDevices, openScreen, Room } = await import('/sdk/index.js');
    const { expect, rejected } = lab;
    const code = async (constraints) => {
        const { code, constraint } = await rejected(openDevices(constraints));
        return [code, constraint];
    };
    const stream = await openDevices({ audio: true, video: { width: 640 } });
    expect('what there is', stream.getTracks().map(({ kind }) => kind).sort(), ['audio', 'video']);
    expect('no such device', await code({ video: { deviceId: { exact: 'none' } } }), ['missing', 'deviceId']);
    expect('no such picture', await code({ video: { width: { exact: 100_000 } } }), ['unfit', 'width']);
    expect('nothing', (await code({}))[0], 'other');
    const room = new Room();
    const [track] = stream.getVideoTracks();
    const camera = room.publish(track);
    const wrong = await rejected(camera.setDevice('none'));
    expect('another device', [wrong.name, wrong.code, track.readyState], ['DeviceError', 'missing', 'live']);
    await camera.setDevice(track.getSettings().deviceId);
    expect('the same again', [track.readyState, camera.track.readyState], ['ended', 'live']);
    const screen = room.publish(lab.picture(), { key: 'screen', source: 'screen' });
    expect('the device of what has none', (await rejected(screen.setDevice('none'))).code, 'missing');

    const devices = navigator.mediaDevices;
    const play = (name) => async () => { throw new DOMException('', name); };
    devices.getUserMedia = play('NotReadableError');
    expect('what others use', (await code({ video: true }))[0], 'busy');
    devices.getDisplayMedia = play('NotAllowedError');
    expect('a screen that nobody chose', (await rejected(openScreen())).code, 'denied');
    Object.defineProperty(navigator, 'mediaDevices', { value: undefined });
    const insecure = await rejected(openDevices({ video: true }));
    expect('a page that is not secure', [insecure.code, insecure.message.includes('https')], ['insecure', true]);
";
