//! Of one person.

use anyhow::{Context, Result, ensure};
use ferrite_tests::{RoomPage, Scene};
use serde_json::{Value, json};

use super::told;

/// Cameras and microphones that can be plugged and unplugged by their names, as far as the page sees.
pub(crate) const PLUGS: &str = "
    window.unplugged = ['fake_device_1'];
    const media = navigator.mediaDevices;
    const list = media.enumerateDevices.bind(media);
    const get = media.getUserMedia.bind(media);
    const there = ({ label }) => !unplugged.includes(label);
    media.enumerateDevices = async () => (await list()).filter(there);
    media.getUserMedia = async (wish) => {
        if (wish.video) asked += 1;
        const devices = await media.enumerateDevices();
        for (const kind of ['audio', 'video'].filter((kind) => wish[kind])) {
            const all = devices.filter((it) => it.kind === `${kind}input`);
            const wanted = wish[kind].deviceId?.exact;
            if (all.every(({ deviceId }) => wanted && deviceId !== wanted))
                throw new DOMException('', all.length > 0 ? 'OverconstrainedError' : 'NotFoundError');
            if (!wanted && unplugged.length > 0)
                wish = { ...wish, [kind]: { ...wish[kind], deviceId: { exact: all[0].deviceId } } };
        }
        const stream = await get(wish);
        for (const track of stream.getAudioTracks()) window.microphone = track;
        return stream;
    };
    window.asked = 0;
    window.own = () => document.querySelector('#grid [data-self] video')?.srcObject?.getVideoTracks()[0];
    window.plug = (names) => {
        unplugged = names;
        for (const track of [own(), microphone])
            if (names.includes(track?.label)) track.dispatchEvent(new Event('ended'));
        media.dispatchEvent(new Event('devicechange'));
    };
    window.shared = null;
    navigator.share = async (what) => { shared = what; };";

async fn camera_is(scene: &Scene, label: &str) -> Result<()> {
    let is_it = format!("own()?.label === {label:?}");
    scene
        .holds(&format!("the camera to be {label}"), &is_it)
        .await?;
    RoomPage(&scene.browser).plays("Ada", 5).await
}

pub(crate) async fn devices_come_and_go(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    camera_is(scene, "fake_device_0").await?;
    scene.run("plug([]);").await?;
    is_offered(scene, "fake_device_1 was connected. Use it?").await?;
    browser.screenshot("newcomer").await?;
    use_what_is_offered(scene).await?;
    camera_is(scene, "fake_device_1").await?;

    scene.run("asked = 0; plug(['fake_device_1']);").await?;
    is_offered(scene, "Use fake_device_0 instead?").await?;
    no_camera_is_opened(scene).await?;
    browser.screenshot("instead").await?;
    use_what_is_offered(scene).await?;
    camera_is(scene, "fake_device_0").await?;
    scene.app().shows("#device-error", false).await?;

    // It is there still: the user, or the browser, does not want it to be used.
    scene
        .run("asked = 0; own().dispatchEvent(new Event('ended'));")
        .await?;
    let stopped = |text: &str| text.starts_with("The camera was stopped by the browser");
    scene.app().text("#device-error-text", stopped).await?;
    no_camera_is_opened(scene).await?;
    scene.app().shows("#newcomer", false).await?;
    browser.click("#device-retry").await?;
    camera_is(scene, "fake_device_0").await?;
    scene
        .run("plug(['fake_device_0', 'fake_device_1']);")
        .await?;
    let missed = |text: &str| text == "The camera was disconnected. Reconnect it, then try again.";
    scene.app().text("#device-error-text", missed).await?;
    browser.screenshot("unplugged").await?;
    scene.run("asked = 0; plug(['fake_device_1']);").await?;
    is_offered(scene, "fake_device_0 was connected. Use it?").await?;
    no_camera_is_opened(scene).await?;
    use_what_is_offered(scene).await?;
    scene.app().shows("#device-error", false).await?;
    camera_is(scene, "fake_device_0").await
}

async fn is_offered(scene: &Scene, words: &str) -> Result<()> {
    scene
        .app()
        .text("#newcomer-text", |text| text == words)
        .await
        .map(drop)
}

async fn use_what_is_offered(scene: &Scene) -> Result<()> {
    scene.browser.click("#newcomer-use").await?;
    scene.app().shows("#newcomer", false).await
}

/// What a camera shows is for its owner to say.
async fn no_camera_is_opened(scene: &Scene) -> Result<()> {
    let seen = scene.run("return `${asked} ${own()?.label}`;").await?;
    ensure!(seen == "0 undefined", "a camera was opened: {seen}");
    Ok(())
}

/// Who talks wants to be heard on, and what is heard is the same.
pub(crate) async fn a_microphone_is_replaced_by_itself(scene: &Scene) -> Result<()> {
    let first = scene.run("return microphone.label;").await?;
    let first = first.as_str().context("a name")?;
    scene
        .run("plug(['fake_device_1', microphone.label]);")
        .await?;
    told(scene, &format!("{first} was disconnected. ")).await?;
    scene.browser.screenshot("fell-back").await?;
    let another = format!("microphone.label !== {first:?} && microphone.readyState === 'live'");
    scene.holds("another microphone", &another).await
}

/// These, and no others.
async fn allow(scene: &Scene, permissions: &[&str]) -> Result<()> {
    let may = json!({ "permissions": permissions });
    let grant = "Browser.grantPermissions";
    scene.browser.devtools(grant, may).await.map(drop)
}

pub(crate) async fn what_is_withdrawn_is_not_asked_for_again(scene: &Scene) -> Result<()> {
    let clipboard = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    scene.run("asked = 0;").await?;
    allow(scene, &clipboard).await?;
    let stopped = |text: &str| text.starts_with("The camera or microphone was stopped");
    scene.app().text("#device-error-text", stopped).await?;
    scene.app().shows("#newcomer", false).await?;
    no_camera_is_opened(scene).await?;
    scene.browser.screenshot("withdrawn").await?;
    let devices = ["audioCapture", "videoCapture"];
    allow(scene, &[&clipboard[..], &devices].concat()).await?;
    scene.browser.click("#device-retry").await?;
    camera_is(scene, "fake_device_0").await?;
    scene.app().shows("#device-error", false).await?;
    // Their names came back with permission, and nothing was plugged in.
    scene.app().shows("#newcomer", false).await
}

pub(crate) async fn the_room_fills_the_screen(scene: &Scene) -> Result<()> {
    let full = "document.fullscreenElement === document.documentElement";
    scene.browser.press('f').await?;
    scene.holds("the room to fill the screen", full).await?;
    scene.browser.press('f').await?;
    let not_full = "document.fullscreenElement === null";
    scene.holds("the room to leave the screen", not_full).await
}

pub(crate) async fn others_are_invited(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    let link = scene.server.url("/r/kitchen");
    browser.click("#alone [data-invite]").await?;
    let shown = format!("document.querySelector('#invite-link').value === {link:?}");
    scene.holds("the link to be shown", &shown).await?;
    let code = "document.querySelector('#invite-code').checkVisibility()
        && document.querySelector('#invite-path').getBBox().width >= 21";
    scene.holds("a code", code).await?;
    browser.screenshot("invite").await?;
    browser.click("#invite [data-copy-link]").await?;
    let copied = |text: &str| text.starts_with("The link is copied.");
    scene.app().text("#invite-news", copied).await?;
    browser.click("#invite-share").await?;
    let shared = format!("shared?.url === {link:?} && shared.title.startsWith('kitchen')");
    scene.holds("the share sheet", &shared).await?;
    browser.press('\u{e00c}').await?;
    scene.app().shows("#invite", false).await
}

pub(crate) async fn the_link_is_copied(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    browser.click("#alone [data-copy-link]").await?;
    told(scene, "The link is copied.").await?;
    let link = scene.server.url("/r/kitchen");
    let copied = format!("await navigator.clipboard.readText() === {link:?}");
    scene.holds("the link on the clipboard", &copied).await
}

pub(crate) async fn somebody_is_found_in_a_crowd(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    let names = ["Bo", "Cäcilie", "Dmitri", "Eşref", "Fatima", "Ольга"];
    browser.run(RoomPage::CROWD, vec![json!(names)]).await?;
    browser.press('p').await?;
    scene.app().shows("#people-search", true).await?;
    let found = |names: &'static str| {
        let seen = "[...document.querySelectorAll('#people-lines li')].filter((it) => it.checkVisibility())
            .map((it) => it.querySelector('.name').textContent).sort().join()";
        let what = format!("to find {names}");
        async move {
            let is_it = |seen: &Value| *seen == names;
            browser.until(&what, seen, is_it).await.map(drop)
        }
    };
    found("Ada (you),Bo,Cäcilie,Dmitri,Eşref,Fatima,Ольга").await?;
    browser.type_into("#people-search", "о").await?;
    found("Ольга").await?;
    browser.screenshot("found").await?;
    browser.type_into("#people-search", "x").await?;
    found("").await?;
    scene.app().shows("#people-none", true).await?;
    scene
        .run("document.querySelector('#people-search').value = '';")
        .await?;
    browser.type_into("#people-search", "CÄ").await?;
    found("Cäcilie").await
}

/// Drags from a point by so many pixels, as a hand does.
async fn drag(scene: &Scene, from: (f64, f64), by: (f64, f64)) -> Result<()> {
    let to = (from.0 + by.0, from.1 + by.1);
    for (kind, (x, y), buttons) in [
        ("mousePressed", from, 1),
        (
            "mouseMoved",
            ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0),
            1,
        ),
        ("mouseMoved", to, 1),
        ("mouseReleased", to, 0),
    ] {
        let event = json!({
            "type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1
        });
        let dispatch = "Input.dispatchMouseEvent";
        scene.browser.devtools(dispatch, event).await?;
    }
    Ok(())
}

/// Where the middle of an element is.
async fn middle(scene: &Scene, css: &str) -> Result<(f64, f64)> {
    let place = format!(
        "const it = document.querySelector({css:?}).getBoundingClientRect();
        return [it.x + it.width / 2, it.y + it.height / 2];"
    );
    let place = scene.run(&place).await?;
    let number = |at: usize| place[at].as_f64().context("a number");
    Ok((number(0)?, number(1)?))
}

async fn is_at(scene: &Scene, css: &str, (x, y): (f64, f64)) -> Result<()> {
    let there = format!(
        "(() => {{
            const it = document.querySelector({css:?}).getBoundingClientRect();
            return Math.hypot(it.x + it.width / 2 - {x}, it.y + it.height / 2 - {y}) < 3;
        }})()"
    );
    scene
        .holds(&format!("{css} to be at {x}, {y}"), &there)
        .await
}

pub(crate) async fn ones_own_tile_is_moved(scene: &Scene) -> Result<()> {
    const OWN: &str = "#grid [data-self][data-source=camera]";
    let browser = &scene.browser;
    let (x, y) = middle(scene, OWN).await?;
    drag(scene, (x, y), (120.0, 90.0)).await?;
    is_at(scene, OWN, (x + 120.0, y + 90.0)).await?;
    browser.screenshot("moved").await?;
    scene
        .run("document.querySelector('#grid [data-self] .move').focus();")
        .await?;
    for _ in 0..2 {
        browser.press('\u{e012}').await?;
    }
    is_at(scene, OWN, (x + 72.0, y + 90.0)).await?;
    // Never beyond the edge.
    drag(scene, (x + 72.0, y + 90.0), (-900.0, -900.0)).await?;
    is_at(scene, OWN, (x, y)).await?;
    drag(scene, (x, y), (50.0, 50.0)).await?;
    is_at(scene, OWN, (x + 50.0, y + 50.0)).await?;
    scene
        .run("document.querySelector('#grid [data-self] .move').focus();")
        .await?;
    browser.press('\u{e007}').await?;
    is_at(scene, OWN, (x, y)).await
}

pub(crate) async fn a_screen_is_looked_into(scene: &Scene) -> Result<()> {
    const SCREEN: &str = "#grid [data-source=screen]";
    let browser = &scene.browser;
    browser.click("#screen").await?;
    RoomPage(browser).plays_a_screen(3).await?;
    let shown = |transform: &'static str| {
        let seen = format!("document.querySelector('{SCREEN} video').style.transform");
        let what = format!("the screen to be shown at {transform}");
        async move {
            let is_it = |seen: &Value| *seen == transform;
            browser.until(&what, &seen, is_it).await.map(drop)
        }
    };
    scene.run("document.activeElement.blur();").await?;
    browser.press('+').await?;
    browser.press('+').await?;
    shown("scale(2.25) translate(0%, 0%)").await?;
    let width = format!("return document.querySelector('{SCREEN}').clientWidth;");
    let width = scene.run(&width).await?.as_f64().context("a width")?;
    drag(scene, middle(scene, SCREEN).await?, (width * 0.225, 0.0)).await?;
    // Pointers move by whole pixels.
    let moved = format!(
        "(({{ style }}) => Math.abs(/translate\\((.*?)%, 0%\\)/.exec(style.transform)?.[1] - 10) < 1)
            (document.querySelector('{SCREEN} video'))"
    );
    scene.holds("another part of the screen", &moved).await?;
    browser.screenshot("zoomed").await?;
    browser.press('0').await?;
    shown("scale(1) translate(0%, 0%)").await?;
    browser.click(&format!("{SCREEN} .closer")).await?;
    shown("scale(1.5) translate(0%, 0%)").await?;
    browser.click(&format!("{SCREEN} .away")).await?;
    shown("scale(1) translate(0%, 0%)").await?;
    browser.click("#screen").await
}

pub(crate) async fn a_small_window_floats(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    let float = "documentPictureInPicture.window";
    browser.click(".round[popovertarget=more]").await?;
    browser.click("#float").await?;
    let plays = format!(
        "({float}?.document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0) > 5"
    );
    let name = format!("{float}?.document.querySelector('p')?.textContent === 'Bo'");
    scene.holds("the small window to show Bo", &name).await?;
    scene
        .run("document.querySelector('#grid [data-self] .pin').click();")
        .await?;
    scene.holds("the small window to play", &plays).await?;
    scene
        .run(&format!(
            "{float}.document.querySelector('button').click();"
        ))
        .await?;
    RoomPage(browser)
        .tile_is("Ada", "tile.dataset.muted", "true")
        .await?;
    browser.click(".round[popovertarget=more]").await?;
    browser.click("#float").await?;
    scene
        .holds("the small window to be gone", &format!("{float} === null"))
        .await?;
    // Most browsers have such windows only for pictures.
    scene.run("delete window.documentPictureInPicture;").await?;
    for (floats, what) in [("=", "a picture to float"), ("!", "no picture to float")] {
        browser.click(".round[popovertarget=more]").await?;
        browser.click("#float").await?;
        let own = "document.querySelector('#grid [data-self] video')";
        let own = format!("document.pictureInPictureElement {floats}== {own}");
        scene.holds(what, &own).await?;
    }
    Ok(())
}
