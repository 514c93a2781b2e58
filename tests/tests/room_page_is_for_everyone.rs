//! A room's page with few and many in it, on small and wide screens, in light and dark, in German, by keyboard
//! alone; and what axe, which knows the rules for accessible pages, finds in each of these: nothing.

use anyhow::{Context, Result, ensure};
use ferrite_tests::looks::{axe_finds_nothing, emulate};
use ferrite_tests::{Browser, RoomPage, Scene, scene_with};
use serde_json::{Value, json};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// Others who come into the room, and neither see nor send anything: a WebSocket each.
const CROWD: &str = "
    window.crowd ??= [];
    const names = ['Bo', 'Cäcilie', 'Dmitri', 'Eşref', 'Fatima', 'Gwendolyn', 'Hiroko', 'Ísak', 'João',
        'Kwame', 'Ludmiła', 'Mónica von und zu Wohlgemuth', 'Nguyễn', 'Ольга', 'Pauline'];
    await Promise.all([...Array($count)].map(() => new Promise((done) => {
        const number = window.crowd.length;
        const socket = new WebSocket(new URL('/ws', location.href).href.replace(/^http/, 'ws'), 'ferrite.v1');
        window.crowd.push(socket);
        const send = (message) => socket.send(JSON.stringify(message));
        socket.onopen = () => send({ type: 'hello', version: 1 });
        socket.onmessage = ({ data }) => {
            const { type, id } = JSON.parse(data);
            if (type === 'welcome') send({ type: 'join', room: 'kitchen', name: names[number % names.length] });
            if (type === 'ping') send({ type: 'pong', id });
            if (type === 'joined') done();
        };
    })));";

async fn come(scene: &Scene, count: usize) -> Result<()> {
    let crowd = CROWD.replace("$count", &count.to_string());
    scene.run(&crowd).await.map(drop)
}

async fn say_of(scene: &Scene, who: usize, topic: &str, text: &str) -> Result<()> {
    let message = json!({ "type": "say", "topic": topic, "text": text }).to_string();
    let say = format!("window.crowd[{who}].send({message:?});");
    scene.run(&say).await.map(drop)
}

/// Waits until so many tiles are seen.
async fn sees(browser: &Browser, tiles: usize) -> Result<()> {
    let seen = "[...document.querySelectorAll('#grid .tile')].filter((it) => !it.hidden).length";
    let what = format!("{tiles} tiles to be seen");
    browser
        .until(&what, seen, |seen| *seen == tiles)
        .await
        .map(drop)
}

/// Waits until no tile reaches over the edge of the place for them.
async fn fits(browser: &Browser) -> Result<()> {
    let inside = "(() => {
        const grid = document.querySelector('#grid')?.getBoundingClientRect();
        return [...document.querySelectorAll('#grid .tile:not([hidden])')].every((tile) => {
            const it = tile.getBoundingClientRect();
            return it.bottom <= grid.bottom + 1 && it.right <= grid.right + 1;
        });
    })()";
    let all = |inside: &Value| *inside == true;
    browser
        .until("all tiles to fit", inside, all)
        .await
        .map(drop)
}

/// Looks at what is shown, as a picture and by axe.
async fn look(browser: &Browser, name: &str) -> Result<()> {
    fits(browser).await?;
    browser.screenshot(name).await?;
    axe_finds_nothing(browser, name).await
}

#[tokio::test]
async fn npm_axe_passes_few_and_many_on_every_screen() -> Result<()> {
    let flags = ["--max-sessions-per-address", "100"];
    scene_with("room_looks", &flags, &RoomPage::windows(), async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        emulate(browser, 1280, 800, "light").await?;
        browser.open(&scene.server.url("/")).await?;
        scene.app().shows("#room", true).await?;
        look(browser, "front").await?;
        browser.open(&scene.server.url(ROOM)).await?;
        scene.app().plays("#preview", 5).await?;
        look(browser, "prejoin").await?;
        page.enter("Ada").await?;
        page.plays("Ada", 5).await?;
        look(browser, "one").await?;
        come(scene, 1).await?;
        sees(browser, 2).await?;
        look(browser, "two").await?;
        come(scene, 3).await?;
        sees(browser, 5).await?;
        page.say("Shall we begin?").await?;
        say_of(scene, 1, "chat", "In a minute. Olga is on the train.").await?;
        say_of(scene, 1, "hand", "up").await?;
        say_of(scene, 2, "reaction", "🎉").await?;
        page.tile_is("Cäcilie", "tile.dataset.hand", "true").await?;
        page.reads(&[
            "Ada Shall we begin?",
            "Cäcilie In a minute. Olga is on the train.",
        ])
        .await?;
        look(browser, "five").await?;
        what_is_behind_buttons(scene).await?;
        many(scene).await
    })
    .await
}

async fn what_is_behind_buttons(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    browser.click("#people-toggle").await?;
    look(browser, "people").await?;
    browser.click(".round[popovertarget=more]").await?;
    look(browser, "menu").await?;
    browser.click("#invite-open").await?;
    look(browser, "invite").await?;
    browser.press('\u{e00c}').await?;
    scene.app().shows("#invite", false).await?;
    browser.click(".round[popovertarget=more]").await?;
    browser.click("#layout").await?;
    look(browser, "speaker").await?;
    browser.press('l').await?;
    browser.press('?').await?;
    scene.app().shows("#help", true).await?;
    look(browser, "help").await?;
    browser.click("#help button").await?;
    browser.press('p').await
}

async fn many(scene: &Scene) -> Result<()> {
    let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
    come(scene, 7).await?;
    sees(browser, 12).await?;
    look(browser, "twelve").await?;
    emulate(browser, 1280, 800, "dark").await?;
    look(browser, "twelve-dark").await?;
    emulate(browser, 360, 740, "light").await?;
    scene.app().shows("#panel", false).await?;
    look(browser, "phone").await?;
    browser.click("#chat-toggle").await?;
    look(browser, "phone-chat").await?;
    browser.click("#chat-panel [data-close]").await?;
    come(scene, 37).await?;
    emulate(browser, 1280, 800, "dark").await?;
    scene.app().shows("#pager", true).await?;
    sees(browser, 30).await?;
    look(browser, "forty-nine").await?;
    browser.click("#page-next").await?;
    sees(browser, 19).await?;
    emulate(browser, 3440, 1300, "light").await?;
    let width = "document.querySelector('#grid .tile:not([hidden])').offsetWidth";
    let is_large = |width: &Value| width.as_u64() > Some(300);
    browser.until("larger tiles", width, is_large).await?;
    browser.screenshot("ultrawide").await?;
    emulate(browser, 1280, 800, "light").await?;
    sees(browser, 19).await?;
    // What one shows is to be seen at once, whatever page it is on.
    browser.click("#screen").await?;
    page.plays_a_screen(3).await?;
    let shown = "document.querySelector('#grid [data-source=screen]').checkVisibility()";
    browser
        .until("the screen to be seen", shown, |shown| *shown == true)
        .await?;
    look(browser, "share").await
}

#[tokio::test]
async fn nothing_jumps_while_people_join() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_calm", &[], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        browser.open(&scene.server.url(ROOM)).await?;
        page.enter("Ada").await?;
        page.plays("Ada", 5).await?;
        let watch = "
            window.shifted = 0;
            new PerformanceObserver((list) => {
                for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shifted += value;
            }).observe({ type: 'layout-shift' });";
        scene.run(watch).await?;
        for more in [1, 1, 3, 6] {
            come(scene, more).await?;
        }
        sees(browser, 12).await?;
        say_of(scene, 3, "chat", "Here we are.").await?;
        page.reads(&["Eşref Here we are."]).await?;
        let shifted = scene.run("return window.shifted;").await?;
        let shifted = shifted.as_f64().context("a number")?;
        ensure!(shifted < 0.02, "the layout shifted by {shifted}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn npm_axe_passes_german_where_the_browser_is() -> Result<()> {
    let options = RoomPage::windows().in_german();
    scene_with("room_german", &[], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        browser.open(&scene.server.url(ROOM)).await?;
        let eintreten = |text: &str| text == "Eintreten";
        scene.app().text("#enter-text", eintreten).await?;
        scene.app().plays("#preview", 5).await?;
        look(browser, "prejoin").await?;
        page.enter("Ada").await?;
        come(scene, 1).await?;
        let came = |text: &str| text == "Bo ist da";
        scene.app().text("#toasts", came).await?;
        browser.screenshot("room").await?;
        browser.click("#leave").await?;
        browser.click("[data-language]").await?;
        let enter = |text: &str| text == "Enter";
        scene.app().text("#enter-text", enter).await?;
        browser.click("[data-language]").await?;
        scene.app().text("#enter-text", eintreten).await?;
        the_echo_is_german(scene).await
    })
    .await
}

/// What the page says while it runs, too.
async fn the_echo_is_german(scene: &Scene) -> Result<()> {
    scene.browser.open(&scene.server.url("/echo")).await?;
    scene.app().plays("#preview", 5).await?;
    let begin = |text: &str| text == "Anfangen";
    scene.app().text("#start-text", begin).await?;
    scene.app().call().await?;
    scene.app().say("hallo").await?;
    let back = |text: &str| text.starts_with("kam nach ");
    scene.app().text("#chat-log .note", back).await?;
    scene.browser.click("#camera").await?;
    let off = |text: &str| text == "Kamera aus";
    scene.app().text("#local-text", off).await?;
    scene.browser.screenshot("echo").await
}

#[tokio::test]
async fn with_the_keyboard_alone() -> Result<()> {
    let options = RoomPage::windows();
    scene_with("room_keyboard", &[], &options, async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        browser.open(&scene.server.url("/")).await?;
        let focused = "document.activeElement?.id";
        let is_room = |id: &Value| id == "room";
        browser
            .until("the keyboard in the field", focused, is_room)
            .await?;
        browser.type_into("#room", "kitchen\n").await?;
        scene.app().plays("#preview", 5).await?;
        tab_to(browser, "name").await?;
        browser.type_into("#name", "Ada\n").await?;
        scene.app().phase("connected").await?;
        page.shows(&["Ada"]).await?;
        let is = |what: &str, id: &str, name: &str, wanted: &str| {
            let seen = format!("document.querySelector('#{id}').getAttribute('{name}')");
            (what.to_owned(), seen, wanted.to_owned())
        };
        for (key, (what, seen, wanted)) in [
            ('m', is("to be muted", "mute", "aria-pressed", "true")),
            ('m', is("to be heard", "mute", "aria-pressed", "false")),
            ('v', is("no camera", "camera", "aria-pressed", "true")),
            ('h', is("a hand", "hand", "aria-pressed", "true")),
            ('p', is("people", "people-toggle", "aria-expanded", "true")),
            ('l', is("another layout", "layout", "aria-pressed", "true")),
        ] {
            browser.press(key).await?;
            let is_so = |seen: &Value| *seen == *wanted;
            browser.until(&what, &seen, is_so).await?;
        }
        page.tile_is("Ada", "tile.dataset.hand", "true").await?;
        page.tile_is("Ada", "tile.dataset.muted", "false").await?;
        tab_to(browser, "leave").await?;
        browser.press('\u{e007}').await?;
        scene.app().shows("#prejoin", true).await?;
        scene.app().phase("idle").await
    })
    .await
}

/// Presses the tab key until an element has the focus.
async fn tab_to(browser: &Browser, id: &str) -> Result<()> {
    for _ in 0..40 {
        let focused = "return document.activeElement?.id ?? '';";
        if browser.run(focused, vec![]).await? == id {
            return Ok(());
        }
        browser.press('\u{e004}').await?;
    }
    anyhow::bail!("40 presses of the tab key did not get to #{id}")
}

/// Media features, by name.
type Features = &'static [(&'static str, &'static str)];

/// What eyes ask browsers for, and how many times as large everything is to be, as a browser's zoom has it.
const WISHES: [(&str, Features, u32); 4] = [
    ("forced-colours", &[("forced-colors", "active")], 1),
    ("more-contrast", &[("prefers-contrast", "more")], 1),
    ("less-motion", &[("prefers-reduced-motion", "reduce")], 1),
    ("twice-as-large", &[], 2),
];

#[tokio::test]
async fn npm_axe_passes_what_eyes_ask_for() -> Result<()> {
    scene_with("room_eyes", &[], &RoomPage::windows(), async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        emulate(browser, 1280, 900, "light").await?;
        browser.open(&scene.server.url(ROOM)).await?;
        page.enter("Ada").await?;
        page.plays("Ada", 5).await?;
        come(scene, 2).await?;
        let named = json!({ "type": "update", "name": RIGHT_TO_LEFT }).to_string();
        scene
            .run(&format!("window.crowd[0].send({named:?});"))
            .await?;
        page.tile_is(RIGHT_TO_LEFT, DIRECTION, "rtl").await?;
        page.tile_is("Cäcilie", DIRECTION, "ltr").await?;
        for (name, wishes, times) in WISHES {
            let features: Vec<_> = wishes
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect();
            let media = json!({ "features": features });
            browser
                .devtools("Emulation.setEmulatedMedia", media)
                .await?;
            let metrics = json!({
                "width": 1280 / times, "height": 900 / times, "deviceScaleFactor": times, "mobile": false
            });
            browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
            match name {
                // What axe reads are the page's colours, which are not those that are seen then.
                "forced-colours" => {
                    fits(browser).await?;
                    browser.screenshot(name).await?;
                }
                _ => look(browser, name).await?,
            }
            scene
                .holds("nothing to be cut off at the side", ALL_IN_SIGHT)
                .await?;
            if name == "less-motion" {
                scene.run(MOVES).await?;
                browser.click("#people-toggle").await?;
                scene
                    .holds("nothing to glide", "window.moved.length === 0")
                    .await?;
            }
        }
        Ok(())
    })
    .await
}

const RIGHT_TO_LEFT: &str = "ليلى بنت أحمد";

/// In which direction a tile's name is read.
const DIRECTION: &str = "getComputedStyle(tile.querySelector('.name')).direction";

/// Whether the page is no wider than its window, and nothing of the controls reaches over the edge.
const ALL_IN_SIGHT: &str = "document.documentElement.scrollWidth <= innerWidth
    && [...document.querySelectorAll('#room .round')].filter((it) => it.checkVisibility()).every((it) => {
        const { left, right } = it.getBoundingClientRect();
        return left >= 0 && right <= innerWidth;
    })";

/// Notes what takes its time to move.
const MOVES: &str = "
    window.moved = [];
    const note = ({ type, propertyName, animationName, elapsedTime, target }) =>
        window.moved.push([type, propertyName ?? animationName, target.id || target.className]);
    for (const type of ['transitionrun', 'animationstart']) document.addEventListener(type, note, true);";

/// How wide windows are, each with and without something beside the tiles.
const WIDTHS: [u32; 4] = [1024, 1150, 1280, 1440];

#[tokio::test]
async fn nothing_lies_over_the_way_to_other_pages() -> Result<()> {
    let flags = ["--max-sessions-per-address", "100"];
    // Words are longer there.
    let options = RoomPage::windows().in_german();
    scene_with("room_pager", &flags, &options, async |scene| {
        let browser = &scene.browser;
        browser.open(&scene.server.url(ROOM)).await?;
        RoomPage(browser).enter("Ada").await?;
        come(scene, 48).await?;
        for panel in ["chat", ""] {
            let is_so = format!("document.querySelector('#room').dataset.panel === '{panel}'");
            scene.holds("the panel", &is_so).await?;
            for width in WIDTHS {
                emulate(browser, width, 800, "light").await?;
                scene.app().shows("#pager", true).await?;
                scene.holds("the pager in sight", PAGER_IN_SIGHT).await?;
                // However long the names are that one can send files to.
                scene.holds("all of it in sight", ALL_IN_SIGHT).await?;
                fits(browser).await?;
                browser.screenshot(&format!("{width}-{panel}")).await?;
            }
            browser.click("#chat-toggle").await?;
        }
        emulate(browser, 1280, 800, "light").await?;
        scene.run("window.crowd[0].close();").await?;
        scene
            .holds("the name of who is lost to be read", NAME_OF_THE_LOST)
            .await?;
        browser.screenshot("lost").await
    })
    .await
}

/// Whose tile is small is still named.
const NAME_OF_THE_LOST: &str =
    "(({ clientWidth, scrollWidth } = {}) => clientWidth > 0 && scrollWidth <= clientWidth)(
    document.querySelector('#grid [data-state=reconnecting] .name') ?? undefined)";

const PAGER_IN_SIGHT: &str = "(() => {
    const [pager, controls] = ['#pager', '.controls'].map((it) => document.querySelector(it).getBoundingClientRect());
    return pager.right <= controls.left || pager.left >= controls.right || pager.bottom <= controls.top;
})()";
