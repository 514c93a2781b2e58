//! What is offered where something is wrong, or new.

use anyhow::Result;
use ferrite_tests::RoomPage;
use serde_json::json;

use super::{Guests, notes};

/// Nothing is plugged into a machine by a test: a device more in the list stands for it.
const PLUG: &str = "
    const { mediaDevices } = navigator;
    const all = await mediaDevices.enumerateDevices();
    const [deviceId, label] = args;
    const about = { kind: 'audioinput', deviceId, label, groupId: '' };
    const values = Object.entries(about).map(([name, value]) => [name, { value }]);
    const headset = Object.create(MediaDeviceInfo.prototype, Object.fromEntries(values));
    mediaDevices.enumerateDevices = async () => [...all, headset];
    mediaDevices.dispatchEvent(new Event('devicechange'));";

pub(crate) async fn the_newcomers(guests: &Guests<'_>) -> Result<()> {
    let ada = guests.ada;
    for (id, name, button, used) in [
        ("headset-1", "Old headset", "#newcomer-leave", false),
        ("headset-2", "New headset", "#newcomer-use", true),
    ] {
        ada.run(PLUG, vec![json!(id), json!(name)]).await?;
        let offered =
            format!("document.querySelector('#newcomer-text').textContent.startsWith({name:?})");
        guests.ada_has("an offer", &offered).await?;
        ada.screenshot(name).await?;
        guests.click_shows(button, "#newcomer", false).await?;
        if used {
            let opened = format!("opened.at(-1).audio?.deviceId?.exact === {id:?}");
            guests.ada_has("what she chose", &opened).await?;
        }
    }
    // By now it would have been opened.
    let left = "opened.every((it) => it.audio?.deviceId?.exact !== 'headset-1')";
    guests.ada_has("what she left", left).await?;
    Ok(())
}

pub(crate) async fn what_stopped_goes_on(guests: &Guests<'_>) -> Result<()> {
    let (ada, page) = (guests.ada, RoomPage(guests.bo));
    ada.click("#camera").await?;
    page.tile_is("Ada", "tile.dataset.video", "off").await?;
    ada.run("window.isBusy = true;", vec![]).await?;
    guests.click_shows("#camera", "#device-retry", true).await?;
    ada.screenshot("busy").await?;
    ada.run("window.isBusy = false;", vec![]).await?;
    guests
        .click_shows("#device-retry", "#device-error", false)
        .await?;
    page.plays("Ada", 5).await?;

    // As a telephone does for a call.
    let sounds = "[...document.querySelectorAll('#sinks audio')]";
    ada.run(&format!("{sounds}.forEach((it) => it.pause());"), vec![])
        .await?;
    guests
        .click_shows("#sound-allow", "#sound-blocked", false)
        .await?;
    let plays = format!("{sounds}.length > 0 && {sounds}.every((it) => !it.paused)");
    guests.ada_has("sound", &plays).await?;

    // By itself it tries again in a while.
    let never = "
        const later = window.setTimeout;
        window.setTimeout = (what, after, ...more) => after > 200 ? 0 : later(what, after, ...more);";
    ada.run(never, vec![]).await?;
    guests.proxy.cut();
    guests.ada_sees("#retry", true).await?;
    ada.screenshot("away").await?;
    guests.proxy.mend();
    guests.click_shows("#retry", "#error", false).await?;
    let ready = "document.querySelector('#state').dataset.link === 'ready'";
    guests.ada_has("the server again", ready).await?;
    guests.bo_has("the server again", ready).await?;
    page.plays("Ada", 5).await
}

/// A module whose one function does what a panic ends with: `unreachable`. It has to be the page's own, which is not what
/// a script of Firefox's driver has by that name.
const TRAP: &str = "
    const trap = Uint8Array.of(
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
        7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11);
    const { instance } = await window.WebAssembly.instantiate(trap);
    window.before = true;
    window.setTimeout(instance.exports.f);";

pub(crate) async fn the_page_breaks(guests: &Guests<'_>) -> Result<()> {
    guests.ada.run(TRAP, vec![]).await?;
    guests.ada_sees("#crash", true).await?;
    guests.ada.screenshot("crash").await?;
    guests.ada.click("#reload").await?;
    let anew = "!window.before && document.querySelector('#enter')?.disabled === false";
    guests.ada_has("a new page", anew).await?;
    notes::begin(guests.ada).await
}
