//! What is seen and heard of whom, and the dialogs.

use anyhow::Result;
use ferrite_tests::{RoomPage, Seat};
use serde_json::json;

use super::{DEFAULT, Guests, NONE};

const MORE: &str = ".round[popovertarget=more]";

pub(crate) async fn who_is_alone_invites(guests: &Guests<'_>, has_sheet: bool) -> Result<()> {
    let ada = guests.ada;
    let link = guests.proxy.url("/r/kitchen");
    let is_copied = format!("window.copied === {link:?}");
    ada.click("#alone [data-copy-link]").await?;
    guests.ada_has("the link", &is_copied).await?;
    guests
        .click_shows("#alone [data-invite]", "#invite", true)
        .await?;
    ada.click("#invite-link").await?;
    // Control and A.
    ada.type_into("#invite-link", "\u{e009}a").await?;
    let whole = format!(
        "(({{ value, selectionStart, selectionEnd }}) => value.slice(selectionStart, selectionEnd) === {link:?})
            (document.querySelector('#invite-link'))"
    );
    guests.ada_has("the whole link selected", &whole).await?;
    ada.run("window.copied = null;", vec![]).await?;
    ada.click("#invite [data-copy-link]").await?;
    guests.ada_has("the link again", &is_copied).await?;
    if has_sheet {
        ada.click("#invite-share").await?;
        let shared = format!("window.shared?.url === {link:?}");
        guests.ada_has("the share sheet", &shared).await?;
    }
    guests
        .click_shows("#invite form button", "#invite", false)
        .await
}

/// What Bo sees of Ada.
async fn bo_sees(guests: &Guests<'_>, what: &str, wanted: &str) -> Result<()> {
    let page = RoomPage(guests.bo);
    page.tile_is("Ada", &format!("tile.dataset.{what}"), wanted)
        .await
}

/// Without a display Firefox has no screen to choose from: a canvas stands for it.
const SCREEN: &str = "
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    let frame = 0;
    setInterval(() => context.fillRect((frame += 8) % 640, 0, 40, 360), 50);
    navigator.mediaDevices.getDisplayMedia = async () => canvas.captureStream(20);";

pub(crate) async fn the_switches(guests: &Guests<'_>) -> Result<()> {
    let ada = guests.ada;
    for (button, what, [on, off]) in [
        ("#mute", "muted", ["true", "false"]),
        ("#camera", "video", ["off", "on"]),
        ("#hand", "hand", ["true", "false"]),
    ] {
        for state in [on, off] {
            ada.click(button).await?;
            bo_sees(guests, what, state).await?;
        }
    }
    if matches!(ada, Seat::Firefox(_)) {
        ada.run(SCREEN, vec![]).await?;
    }
    ada.click("#screen").await?;
    RoomPage(guests.bo).plays_a_screen(3).await?;
    for (button, scale) in [(".closer", "scale(1.5)"), (".away", "scale(1)")] {
        ada.click(&format!("#grid [data-source=screen] {button}"))
            .await?;
        let zoomed = format!(
            "document.querySelector('#grid [data-source=screen] video').style.transform.startsWith({scale:?})"
        );
        guests
            .ada_has("another part of the screen", &zoomed)
            .await?;
    }
    ada.click("#screen").await?;
    let gone = "!document.querySelector('#grid [data-source=screen]')";
    guests.bo_has("no screen", gone).await
}

/// A reaction is seen for a moment.
const FEEL: &str = "
    window.felt = [];
    new MutationObserver((all) => {
        for (const { addedNodes } of all)
            for (const { className, textContent } of addedNodes) if (className === 'reaction') felt.push(textContent);
    }).observe(document.querySelector('#grid'), { childList: true, subtree: true });";

pub(crate) async fn the_menu(guests: &Guests<'_>, has_float: bool) -> Result<()> {
    let ada = guests.ada;
    guests.bo.run(FEEL, vec![]).await?;
    guests.click_shows(MORE, "#more", true).await?;
    for emoji in ["👍", "❤️", "😂", "👏", "🎉", "😮"] {
        ada.click(&format!("[data-reaction='{emoji}']")).await?;
        guests
            .bo_has(emoji, &format!("felt.at(-1) === {emoji:?}"))
            .await?;
    }
    ada.screenshot("menu").await?;
    guests.click_shows(MORE, "#more", false).await?;

    let own = "#grid [data-self]";
    for (state, layout) in [(true, "speaker"), (false, "grid")] {
        guests.more("#layout").await?;
        let so = format!("document.querySelector('#room').dataset.layout === {layout:?}");
        guests.ada_has(layout, &so).await?;
        guests.more("#hide-self").await?;
        guests.ada_sees(own, !state).await?;
        guests.more("#full-screen").await?;
        let full = format!("(document.fullscreenElement === document.documentElement) === {state}");
        guests.ada_has("the screen for the room", &full).await?;
    }
    if has_float {
        // Browsers leave the full screen for such a window.
        for state in [true, false] {
            guests.more("#float").await?;
            let floats = format!("(documentPictureInPicture.window !== null) === {state}");
            guests.ada_has("a small window", &floats).await?;
        }
    }
    Ok(())
}

pub(crate) async fn the_dialogs(guests: &Guests<'_>) -> Result<()> {
    let ada = guests.ada;
    guests.more("#devices-open").await?;
    guests.ada_sees("#devices #camera-select", true).await?;
    ada.screenshot("devices").await?;
    for (select, what, [off, on]) in [
        ("#camera-select", "video", ["off", "on"]),
        ("#microphone-select", "muted", ["true", "false"]),
    ] {
        ada.type_into(select, NONE).await?;
        bo_sees(guests, what, off).await?;
        ada.type_into(select, DEFAULT).await?;
        bo_sees(guests, what, on).await?;
    }
    RoomPage(guests.bo).plays("Ada", 5).await?;
    guests
        .click_shows("#devices form button", "#devices", false)
        .await?;

    guests.more("#invite-open").await?;
    guests
        .click_shows("#invite form button", "#invite", false)
        .await?;

    guests.more("#quality-open").await?;
    guests.ada_sees("#quality-rows", true).await?;
    ada.click("#quality-copy").await?;
    let report = "window.copied.includes('browser: ')";
    guests.ada_has("a report", report).await?;
    guests
        .click_shows("#quality form button", "#quality", false)
        .await?;

    guests.more("#help-open").await?;
    guests.ada_sees("#help .keys", true).await?;
    guests
        .click_shows("#help form button", "#help", false)
        .await
}

const OWN: &str = "document.querySelector('#grid [data-self]')";
const BO: &str = "document.querySelector('#grid .tile:not([data-self])')";

pub(crate) async fn the_tiles(guests: &Guests<'_>) -> Result<()> {
    let ada = guests.ada;
    let pin = "#grid .tile:not([data-self]) .pin";
    ada.click(pin).await?;
    let large = format!("{BO}.offsetWidth > 1.5 * {OWN}.offsetWidth");
    guests.ada_has("Bo pinned", &large).await?;
    ada.click(pin).await?;
    guests
        .ada_has("Bo as large as all", &format!("!({large})"))
        .await?;

    let place = ada
        .run(&format!("return {OWN}.style.transform;"), vec![])
        .await?;
    let is_there = format!("{OWN}.style.transform === {place}");
    ada.run(&format!("{OWN}.querySelector('.move').focus();"), vec![])
        .await?;
    ada.press('\u{e014}').await?;
    guests
        .ada_has("her picture moved", &format!("!({is_there})"))
        .await?;
    ada.click("#grid [data-self] .move").await?;
    guests.ada_has("it back in its place", &is_there).await
}

/// So many come in from Bo's place.
pub(crate) async fn come(guests: &Guests<'_>, count: usize) -> Result<()> {
    let names = vec!["Cy"; count];
    let come = guests.bo.run(RoomPage::CROWD, vec![json!(names)]);
    come.await.map(drop)
}

pub(crate) async fn the_pages_of_a_crowd(guests: &Guests<'_>) -> Result<()> {
    come(guests, 45).await?;
    let text = "document.querySelector('#page-text').textContent";
    for (button, page) in [("#page-next", "2 / "), ("#page-back", "1 / ")] {
        ada_turns(guests, button).await?;
        guests
            .ada_has(page, &format!("{text}.startsWith({page:?})"))
            .await?;
        // One's own tile is the first.
        let first = page.starts_with('1');
        guests
            .ada_has(
                "other tiles",
                &format!("{OWN}.checkVisibility() === {first}"),
            )
            .await?;
    }
    guests.ada.screenshot("crowd").await
}

async fn ada_turns(guests: &Guests<'_>, button: &str) -> Result<()> {
    guests.ada_sees(button, true).await?;
    guests.ada.click(button).await
}
