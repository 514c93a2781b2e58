//! A room on a phone, with a finger: from the front page into the room, muted and not, through the chat and out again,
//! on small screens and large ones, and everything that is tapped is seen and large enough for a finger.

use anyhow::{Context, Result};
use ferrite_tests::{Browser, RoomPage, Scene, scene_with};
use serde_json::{Value, json};

/// Phones, by their width and height.
const PHONES: [(u32, u32); 3] = [(320, 568), (360, 740), (390, 844)];

/// What a finger can hit, in pixels (WCAG 2.2, 2.5.8). All controls of a room have a place beside each other where they are
/// not much wider.
const FINGER: u32 = 24;

/// How high those are (2.5.5).
const HIGH: u32 = 44;

#[tokio::test]
async fn one_finger_is_enough_on_a_phone() -> Result<()> {
    scene_with("room_phone", &[], &RoomPage::windows(), async |scene| {
        let browser = &scene.browser;
        let room = scene.server.url("/r/kitchen?resolution=360&codec=VP8");
        let bo = browser.open_window(&room).await?;
        RoomPage(browser).enter("Bo").await?;
        let ada = browser.open_window(&scene.server.url("/healthz")).await?;
        for (width, height) in PHONES {
            browser.switch_to(&ada).await?;
            be_a_phone(browser, width, height).await?;
            comes_in(scene, width).await?;
            for muted in ["true", "false"] {
                browser.switch_to(&ada).await?;
                tap(scene, "#mute").await?;
                browser.switch_to(&bo).await?;
                let page = RoomPage(browser);
                page.tile_is("Ada", "tile.dataset.muted", muted).await?;
            }
            browser.switch_to(&ada).await?;
            says_something(scene, width).await?;
            browser.switch_to(&bo).await?;
            let read = "document.querySelector('#chat-log li:last-child .text')?.textContent";
            let said = format!("{read} === 'from {width}'");
            scene.holds("Bo to read it", &said).await?;
            browser.switch_to(&ada).await?;
            goes(scene).await?;
            browser.switch_to(&bo).await?;
            RoomPage(browser).shows(&["Bo"]).await?;
        }
        Ok(())
    })
    .await
}

/// Has the current window be a phone's, which is touched and has no pointer.
async fn be_a_phone(browser: &Browser, width: u32, height: u32) -> Result<()> {
    let metrics = json!({
        "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true
    });
    let touch = json!({ "enabled": true, "maxTouchPoints": 5 });
    for (command, how) in [
        ("Emulation.setDeviceMetricsOverride", metrics),
        ("Emulation.setTouchEmulationEnabled", touch),
    ] {
        browser.devtools(command, how).await?;
    }
    Ok(())
}

async fn comes_in(scene: &Scene, width: u32) -> Result<()> {
    let browser = &scene.browser;
    browser.open(&scene.server.url("/")).await?;
    tap(scene, "#room").await?;
    types(scene, "kitchen").await?;
    fits(scene).await?;
    browser.screenshot(&format!("{width}-front")).await?;
    tap(scene, "#room-form [type=submit]").await?;
    scene.app().plays("#preview", 5).await?;
    tap(scene, "#name").await?;
    scene.run("document.activeElement.select();").await?;
    types(scene, "Ada").await?;
    fits(scene).await?;
    browser.screenshot(&format!("{width}-door")).await?;
    tap(scene, "#enter").await?;
    scene.app().phase("connected").await?;
    RoomPage(browser).plays("Bo", 5).await?;
    scene.app().shows("#panel", false).await?;
    fits(scene).await?;
    controls_are_in_reach(scene).await?;
    browser.screenshot(&format!("{width}-room")).await
}

async fn says_something(scene: &Scene, width: u32) -> Result<()> {
    tap(scene, "#chat-toggle").await?;
    tap(scene, "#chat-input").await?;
    types(scene, &format!("from {width}")).await?;
    fits(scene).await?;
    scene.browser.screenshot(&format!("{width}-chat")).await?;
    tap(scene, "#chat-send").await?;
    tap(scene, "#chat-panel .close").await?;
    scene.app().shows("#panel", false).await
}

async fn goes(scene: &Scene) -> Result<()> {
    // No mouse did any of this.
    let touched = "matchMedia('(pointer: coarse)').matches && window.pointers === 'touch'";
    scene.holds("to be touched", touched).await?;
    tap(scene, "#leave").await?;
    scene.app().shows("#prejoin", true).await
}

/// Where an element is that can be seen, is not under another, and is large enough; scrolled to, as who looks for it does.
const PLACE: &str = "(() => {
    const it = document.querySelector(args[0]);
    if (!it?.checkVisibility() || it.disabled) return null;
    it.scrollIntoView({ block: 'nearest' });
    const { x, y, width, height } = it.getBoundingClientRect();
    const middle = [x + width / 2, y + height / 2];
    if (width < args[1] || height < args[1]) return `${args[0]} is ${width} by ${height}`;
    return it.contains(document.elementFromPoint(...middle)) ? middle : 'under another';
})()";

/// With which kinds of pointers this page was pressed.
const POINTERS: &str = "
    window.pointers ??= (addEventListener('pointerdown', ({ pointerType }) => {
        if (!window.pointers.includes(pointerType)) window.pointers += pointerType;
    }, true), '');";

/// Waits until a finger can hit it, and does.
async fn tap(scene: &Scene, css: &str) -> Result<()> {
    let browser = &scene.browser;
    browser.run(POINTERS, vec![]).await?;
    let place = PLACE.replace("args[0]", &format!("{css:?}"));
    let place = place.replace("args[1]", &FINGER.to_string());
    let what = format!("{css} in reach");
    let place = browser.until(&what, &place, Value::is_array).await?;
    let at = |index: usize| place[index].as_f64().context("a number");
    let finger = json!([{ "x": at(0)?, "y": at(1)? }]);
    for (kind, fingers) in [("touchStart", finger), ("touchEnd", json!([]))] {
        let touch = json!({ "type": kind, "touchPoints": fingers });
        let dispatch = "Input.dispatchTouchEvent";
        browser.devtools(dispatch, touch).await?;
    }
    Ok(())
}

/// Types where the finger has put the keyboard.
async fn types(scene: &Scene, text: &str) -> Result<()> {
    let writes = "document.activeElement.matches('input, textarea')";
    scene.holds("a field to write into", writes).await?;
    for key in text.chars() {
        scene.browser.press(key).await?;
    }
    Ok(())
}

/// Nothing reaches over the side. Some phones magnify a page, and leave it so, once somebody writes in smaller letters
/// than these.
async fn fits(scene: &Scene) -> Result<()> {
    let fits = "document.documentElement.scrollWidth <= innerWidth && visualViewport.scale === 1";
    scene.holds("the page to fit", fits).await?;
    let small = "[...document.querySelectorAll('input:not([type=checkbox], [type=file]), textarea, select')]
        .filter((it) => parseFloat(getComputedStyle(it).fontSize) < 16).map(({ id }) => id).join()";
    let none = |small: &Value| *small == "";
    let what = "no field with small letters";
    scene.browser.until(what, small, none).await.map(drop)
}

async fn controls_are_in_reach(scene: &Scene) -> Result<()> {
    let all = format!(
        "[...document.querySelectorAll('.controls .round')].filter((it) => it.checkVisibility()).every((it) => {{
            const {{ left, right, top, bottom, width, height }} = it.getBoundingClientRect();
            return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight
                && width >= {FINGER} && height >= {HIGH};
        }})"
    );
    scene.holds("all controls in reach", &all).await
}
