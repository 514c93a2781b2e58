//! What people who know other rooms look for in ours: it tells who speaks unheard, follows devices that come and
//! go, takes what is pasted or dropped, finds somebody in a crowd, and leads others in.

use anyhow::{Context, Result, ensure};
use fantoccini::wd::WindowHandle;
use ferrite_tests::{BrowserOptions, RoomPage, Scene, artefacts, scene_with, tone};
use serde_json::{Value, json};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8&processing=off";

/// Waits until what happened a moment ago is told.
async fn told(scene: &Scene, words: &str) -> Result<()> {
    let said = format!("document.querySelector('#toasts').textContent.includes({words:?})");
    scene.holds(words, &said).await
}

// Two people.

#[tokio::test]
async fn two_hear_and_hand_each_other_what_they_mean_to() -> Result<()> {
    let wav = artefacts::fresh("room_look_for_sound")?.join("tone.wav");
    tone::write(&wav, 440)?;
    let options = BrowserOptions {
        microphone: Some(wav),
        ..RoomPage::windows()
    };
    scene_with(
        "room_look_for_two",
        &["--shards", "1"],
        &options,
        async |scene| {
            let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
            let ada = browser.open_window(&scene.server.url(ROOM)).await?;
            page.enter("Ada").await?;
            let bo = browser.open_window(&scene.server.url(ROOM)).await?;
            let here = |text: &str| text == "Here: Ada.";
            scene.app().text("#door-people", here).await?;
            browser.screenshot("door").await?;
            page.enter("Bo").await?;
            page.hears(true).await?;
            // What Bo hears can be read in Ada's window.
            scene
                .run("setInterval(() => { localStorage.heard = loudness() ?? ''; }, 50);")
                .await?;
            browser.switch_to(&ada).await?;
            who_is_muted_is_told_and_heard_while_a_key_is_down(scene).await?;
            what_failed_is_said_again(scene).await?;
            ensure!(
                !paste(scene, "table.png", "milk\t2").await?,
                "text was taken for a picture of it"
            );
            ensure!(
                paste(scene, "picture.png", "").await?,
                "nobody took the picture"
            );
            browser.switch_to(&bo).await?;
            a_picture_that_came_is_seen(scene).await?;
            a_drag_that_leaves_is_forgotten(scene).await?;
            drop_on_the_tiles(scene, "notes.txt").await?;
            browser.switch_to(&ada).await?;
            let offered = "[...document.querySelectorAll('#file-lines [data-way=in] .what')]
            .some((it) => it.textContent === 'notes.txt')";
            scene
                .holds("what was dropped to be offered", offered)
                .await?;
            keys_look_into_the_large_screen(scene, &ada, &bo).await?;
            who_looks_elsewhere_sees_the_small_window(scene).await
        },
    )
    .await
}

async fn is_heard(scene: &Scene, heard: bool) -> Result<()> {
    let what = if heard {
        "Bo to hear Ada"
    } else {
        "Bo to hear nobody"
    };
    let level = format!("localStorage.heard !== '' && (localStorage.heard > 0.001) === {heard}");
    scene.holds(what, &level).await
}

async fn who_is_muted_is_told_and_heard_while_a_key_is_down(scene: &Scene) -> Result<()> {
    let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
    is_heard(scene, true).await?;
    browser.press('m').await?;
    told(scene, "You speak, and are muted.").await?;
    browser.screenshot("unheard").await?;
    // It is measured here, and nothing of it goes anywhere.
    is_heard(scene, false).await?;
    page.tile_is("Ada", "tile.dataset.muted", "true").await?;
    browser.hold(' ', true).await?;
    is_heard(scene, true).await?;
    page.tile_is("Ada", "tile.dataset.muted", "false").await?;
    browser.hold(' ', false).await?;
    is_heard(scene, false).await?;
    // Nobody sees a key that is let go in another window.
    browser.hold(' ', true).await?;
    is_heard(scene, true).await?;
    scene.run("dispatchEvent(new Event('blur'));").await?;
    is_heard(scene, false).await?;
    browser.hold(' ', false).await?;
    // Who mutes meanwhile lets go of nothing.
    browser.hold(' ', true).await?;
    is_heard(scene, true).await?;
    scene.run(PRESS_M).await?;
    is_heard(scene, false).await?;
    browser.hold(' ', false).await?;
    browser.hold(' ', true).await?;
    is_heard(scene, true).await?;
    browser.hold(' ', false).await?;
    is_heard(scene, false).await?;
    browser.press('m').await?;
    is_heard(scene, true).await
}

/// Another key while one is held down.
const PRESS_M: &str =
    "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'm', bubbles: true }));";

/// A line that the server refuses, since it is longer than any may be once it is on its way.
const STRETCH_ONE: &str = "
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (text) {
        const message = JSON.parse(text);
        if (message.type === 'say') {
            WebSocket.prototype.send = send;
            message.text = message.text.repeat(5000);
        }
        return send.call(this, JSON.stringify(message));
    };";

async fn what_failed_is_said_again(scene: &Scene) -> Result<()> {
    let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
    scene.run(STRETCH_ONE).await?;
    page.say("Tea?").await?;
    let note = |text: &str| text.starts_with("Not sent. The server says:");
    scene.app().text("#chat-log .failed .note", note).await?;
    let kept = |text: &str| text == "Tea?";
    scene.app().text("#chat-log .failed .text", kept).await?;
    browser.screenshot("not-sent").await?;
    browser.click("#chat-log .failed .again").await?;
    let writes = "document.activeElement.id === 'chat-input'";
    scene
        .holds("the keyboard to be on the line", writes)
        .await?;
    page.reads(&["Ada Tea?"]).await
}

/// Pastes a picture of 64 pixels, with this text if there is any. Says whether the page took it.
async fn paste(scene: &Scene, name: &str, text: &str) -> Result<bool> {
    let paste = format!(
        "const canvas = new OffscreenCanvas(64, 64);
        const context = canvas.getContext('2d');
        context.fillStyle = '#b4470f';
        context.fillRect(0, 0, 64, 64);
        const picture = await canvas.convertToBlob({{ type: 'image/png' }});
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([picture], {name:?}));
        if ({text:?}) clipboardData.items.add({text:?}, 'text/plain');
        const paste = new ClipboardEvent('paste', {{ clipboardData, bubbles: true, cancelable: true }});
        document.querySelector('#chat-input').dispatchEvent(paste);
        return paste.defaultPrevented;"
    );
    Ok(scene.run(&paste).await? == true)
}

async fn a_picture_that_came_is_seen(scene: &Scene) -> Result<()> {
    scene
        .browser
        .click("#file-lines [data-way=in] .take")
        .await?;
    let picture = "document.querySelector('#file-lines [data-way=in] .picture')";
    let seen = format!("{picture}?.checkVisibility() && {picture}.naturalWidth === 64");
    scene.holds("the picture", &seen).await?;
    let name = format!("{picture}.alt === 'picture.png'");
    scene.holds("its name", &name).await?;
    scene.browser.screenshot("picture").await
}

/// Where a file is dragged about, and what the page makes of it: whether the browser is kept from going there, and
/// whether there is a border.
const DRAG: &str = "
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['tea'], 'tea.txt'));
    const fire = (kind, at, relatedTarget = null) => {
        const init = { dataTransfer, relatedTarget, bubbles: true, cancelable: true };
        const event = new DragEvent(kind, init);
        document.querySelector(at).dispatchEvent(event);
        return `${event.defaultPrevented ? 'kept' : 'free'} ${document.querySelector('#room').dataset.dropping}`;
    };
    const [bar, panel] = ['.bar', '#panel'].map((it) => document.querySelector(it));
    return [
        fire('dragover', '#grid'), fire('dragleave', '#grid', panel), fire('dragleave', '#grid', bar),
        fire('dragover', '.bar'), fire('drop', '.bar'),
        fire('dragstart', '#grid'), fire('dragover', '#grid'), fire('dragend', '#grid'),
    ].join();";

async fn a_drag_that_leaves_is_forgotten(scene: &Scene) -> Result<()> {
    let seen = scene.run(DRAG).await?;
    let inside = "kept true,free true,free false";
    let outside = "kept false,kept false";
    let own = "free false,kept false,free false";
    ensure!(
        seen == format!("{inside},{outside},{own}").as_str(),
        "the drag was {seen}"
    );
    Ok(())
}

/// Ada's own screen is the first of all, and Bo's is the one she looks at.
async fn keys_look_into_the_large_screen(
    scene: &Scene,
    ada: &WindowHandle,
    bo: &WindowHandle,
) -> Result<()> {
    let browser = &scene.browser;
    for window in [ada, bo] {
        browser.switch_to(window).await?;
        browser.click("#screen").await?;
        let own = "document.querySelector('#grid [data-self][data-source=screen]') !== null";
        scene.holds("the own screen", own).await?;
    }
    browser.switch_to(ada).await?;
    let two = "document.querySelectorAll('#grid [data-source=screen]').length === 2";
    scene.holds("two screens", two).await?;
    scene.run("document.activeElement.blur();").await?;
    browser.press('+').await?;
    let zoomed = "document.querySelector('#grid [data-zoomed=true]:not([data-self])') !== null";
    scene.holds("Bo's screen to be looked into", zoomed).await
}

/// The page in front of the small window is hidden, as far as it sees.
const LOOK_ELSEWHERE: &str = "
    Object.defineProperty(document, 'hidden', { value: true });
    const video = documentPictureInPicture.window.document.querySelector('video');
    const frames = () => video.getVideoPlaybackQuality().totalVideoFrames;
    const first = frames();
    window.goesOn = () => frames() > first + 40;";

async fn who_looks_elsewhere_sees_the_small_window(scene: &Scene) -> Result<()> {
    // What is on a screen seldom changes.
    scene
        .run("document.querySelector('#grid [data-source=camera]:not([data-self]) .pin').click();")
        .await?;
    scene.browser.click(".round[popovertarget=more]").await?;
    scene.browser.click("#float").await?;
    let there = "(({ document } = {}) => document?.querySelector('p').textContent === 'Bo'
        && document.querySelector('video').videoWidth > 0)(documentPictureInPicture.window ?? undefined)";
    scene.holds("the small window", there).await?;
    scene.run(LOOK_ELSEWHERE).await?;
    scene.holds("the small window to go on", "goesOn()").await
}

async fn drop_on_the_tiles(scene: &Scene, name: &str) -> Result<()> {
    let drop = format!(
        "const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(['milk, tea'], {name:?}));
        const fire = (kind) => {{
            const event = new DragEvent(kind, {{ dataTransfer, bubbles: true, cancelable: true }});
            document.querySelector('#grid').dispatchEvent(event);
            return event.defaultPrevented;
        }};
        const over = fire('dragover');
        const marked = document.querySelector('#room').dataset.dropping;
        const dropped = fire('drop');
        return `${{over}} ${{marked}} ${{dropped}} ${{document.querySelector('#room').dataset.dropping}}`;"
    );
    let seen = scene.run(&drop).await?;
    ensure!(seen == "true true true false", "the drop was {seen}");
    Ok(())
}

// One person.

/// Cameras and microphones that can be plugged and unplugged by their names, as far as the page sees.
const PLUGS: &str = "
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

#[tokio::test]
async fn one_finds_what_other_rooms_have() -> Result<()> {
    let mut options = RoomPage::windows();
    let cameras = "--use-fake-device-for-media-stream=fps=30,device-count=2";
    options.flags.push(cameras.to_owned());
    scene_with(
        "room_look_for_one",
        &["--shards", "1"],
        &options,
        async |scene| {
            scene.before_pages(PLUGS).await?;
            scene.browser.open(&scene.server.url(ROOM)).await?;
            RoomPage(&scene.browser).enter("Ada").await?;
            RoomPage(&scene.browser).plays("Ada", 5).await?;
            devices_come_and_go(scene).await?;
            a_microphone_is_replaced_by_itself(scene).await?;
            what_is_withdrawn_is_not_asked_for_again(scene).await?;
            the_room_fills_the_screen(scene).await?;
            the_link_is_copied(scene).await?;
            others_are_invited(scene).await?;
            somebody_is_found_in_a_crowd(scene).await?;
            ones_own_tile_is_moved(scene).await?;
            a_screen_is_looked_into(scene).await?;
            a_small_window_floats(scene).await
        },
    )
    .await
}

async fn camera_is(scene: &Scene, label: &str) -> Result<()> {
    let is_it = format!("own()?.label === {label:?}");
    scene
        .holds(&format!("the camera to be {label}"), &is_it)
        .await?;
    RoomPage(&scene.browser).plays("Ada", 5).await
}

async fn devices_come_and_go(scene: &Scene) -> Result<()> {
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
async fn a_microphone_is_replaced_by_itself(scene: &Scene) -> Result<()> {
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

async fn what_is_withdrawn_is_not_asked_for_again(scene: &Scene) -> Result<()> {
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

async fn the_room_fills_the_screen(scene: &Scene) -> Result<()> {
    let full = "document.fullscreenElement === document.documentElement";
    scene.browser.press('f').await?;
    scene.holds("the room to fill the screen", full).await?;
    scene.browser.press('f').await?;
    let not_full = "document.fullscreenElement === null";
    scene.holds("the room to leave the screen", not_full).await
}

async fn others_are_invited(scene: &Scene) -> Result<()> {
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

async fn the_link_is_copied(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    browser.click("#alone [data-copy-link]").await?;
    told(scene, "The link is copied.").await?;
    let link = scene.server.url("/r/kitchen");
    let copied = format!("await navigator.clipboard.readText() === {link:?}");
    scene.holds("the link on the clipboard", &copied).await
}

/// Others who come into the room, and neither see nor send anything: a WebSocket each.
const CROWD: &str = "
    window.crowd = [];
    const come = (name) => new Promise((done) => {
        const socket = new WebSocket(new URL('/ws', location.href).href.replace(/^http/, 'ws'), 'ferrite.v1');
        crowd.push(socket);
        const send = (message) => socket.send(JSON.stringify(message));
        socket.onopen = () => send({ type: 'hello', version: 1 });
        socket.onmessage = ({ data }) => {
            const { type, id } = JSON.parse(data);
            if (type === 'welcome') send({ type: 'join', room: 'kitchen', name });
            if (type === 'ping') send({ type: 'pong', id });
            if (type === 'joined') done();
        };
    });
    await Promise.all(['Bo', 'Cäcilie', 'Dmitri', 'Eşref', 'Fatima', 'Ольга'].map(come));";

async fn somebody_is_found_in_a_crowd(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    scene.run(CROWD).await?;
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

async fn ones_own_tile_is_moved(scene: &Scene) -> Result<()> {
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

async fn a_screen_is_looked_into(scene: &Scene) -> Result<()> {
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

async fn a_small_window_floats(scene: &Scene) -> Result<()> {
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
