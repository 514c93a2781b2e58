//! Of two people.

use anyhow::{Result, ensure};
use fantoccini::wd::WindowHandle;
use ferrite_tests::{RoomPage, Scene};

use super::told;

async fn is_heard(scene: &Scene, heard: bool) -> Result<()> {
    let what = if heard {
        "Bo to hear Ada"
    } else {
        "Bo to hear nobody"
    };
    let level = format!("localStorage.heard !== '' && (localStorage.heard > 0.001) === {heard}");
    scene.holds(what, &level).await
}

pub(crate) async fn who_is_muted_is_told_and_heard_while_a_key_is_down(
    scene: &Scene,
) -> Result<()> {
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

pub(crate) async fn what_failed_is_said_again(scene: &Scene) -> Result<()> {
    let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
    scene.run(RoomPage::STRETCHES_A_LINE).await?;
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
pub(crate) async fn paste(scene: &Scene, name: &str, text: &str) -> Result<bool> {
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

pub(crate) async fn a_picture_that_came_is_seen(scene: &Scene) -> Result<()> {
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

pub(crate) async fn a_drag_that_leaves_is_forgotten(scene: &Scene) -> Result<()> {
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
pub(crate) async fn keys_look_into_the_large_screen(
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

pub(crate) async fn who_looks_elsewhere_sees_the_small_window(scene: &Scene) -> Result<()> {
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

pub(crate) async fn drop_on_the_tiles(scene: &Scene, name: &str) -> Result<()> {
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
