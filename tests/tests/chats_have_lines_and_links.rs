//! What people write in a room's chat: lines break where they were broken, addresses lead there and nowhere else, and
//! nothing else of it is more than words.

use anyhow::Result;
use ferrite_tests::{RoomPage, scene_with};
use serde_json::json;

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8&processing=off";

/// WebDriver's Shift and Enter (§17.4.2).
const BREAK: &str = "\u{E008}\u{E007}\u{E008}";

const SAID: &str = "
    const lines = [...document.querySelectorAll('#chat-lines .text')];
    const links = (line) => [...line.querySelectorAll('*')].map((it) =>
        [it.localName, it.getAttribute('href'), it.target, it.rel]);
    return lines.map((line) => [line.innerText, links(line)]);";

#[tokio::test]
async fn lines_break_and_addresses_are_links() -> Result<()> {
    scene_with("chat_lines", &[], &RoomPage::windows(), async |scene| {
        let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
        browser.open_window(&scene.server.url(ROOM)).await?;
        page.enter("Ada").await?;
        page.say(&format!(
            "see https://a.example/b_(c)?d#e.{BREAK}<b>javascript:alert(1)</b>"
        ))
        .await?;
        page.say("(HTTP://b.example)").await?;
        let link = |address: &str| json!([["a", address, "_blank", "noopener noreferrer"]]);
        let expected = json!([
            [
                "see https://a.example/b_(c)?d#e.\n<b>javascript:alert(1)</b>",
                link("https://a.example/b_(c)?d#e")
            ],
            ["(HTTP://b.example)", link("HTTP://b.example")],
        ]);
        let read = format!("(() => {{ {SAID} }})()");
        browser
            .until("both lines", &read, |said| *said == expected)
            .await?;
        let held = "[document.querySelector('#chat-input').value, document.activeElement.id]";
        browser
            .until("an empty line to write", held, |held| {
                *held == json!(["", "chat-input"])
            })
            .await?;
        browser.screenshot("chat-lines").await?;
        Ok(())
    })
    .await
}
