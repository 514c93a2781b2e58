//! The panels: words, files, and who is there.

use anyhow::{Context, Result};
use ferrite_tests::{RoomPage, wait};

use super::{Guests, seeing};

pub(crate) async fn the_chat(guests: &Guests<'_>) -> Result<()> {
    let (ada, page) = (guests.ada, RoomPage(guests.bo));
    // There is room for it beside the tiles.
    guests.ada_sees("#chat-panel", true).await?;
    guests
        .click_shows("#chat-panel .close", "#panel", false)
        .await?;
    guests
        .click_shows("#chat-toggle", "#chat-panel", true)
        .await?;
    ada.type_into("#chat-input", "Tea?").await?;
    ada.click("#chat-send").await?;
    page.reads(&["Ada Tea?"]).await?;
    ada.run(RoomPage::STRETCHES_A_LINE, vec![]).await?;
    ada.type_into("#chat-input", "Now?").await?;
    ada.click("#chat-send").await?;
    ada.click("#chat-log .failed .again").await?;
    page.reads(&["Ada Tea?", "Ada Now?"]).await
}

pub(crate) async fn the_files(guests: &Guests<'_>) -> Result<()> {
    const NAME: &str = "tea.txt";
    const TEXT: &str = "milk, and no sugar";
    let (ada, bo) = (guests.ada, guests.bo);
    let dir = ferrite_tests::artefacts::fresh("controls_file")?;
    let path = dir.canonicalize()?.join(NAME);
    std::fs::write(&path, TEXT)?;
    let path = path.to_str().context("a path of text")?;

    // One is asked of two.
    seeing::come(guests, 1).await?;
    let two = "document.querySelectorAll('#file-to option').length === 3";
    guests.ada_has("two to choose from", two).await?;
    ada.type_into("#file-to", "Bo").await?;
    ada.type_into("#file-input", path).await?;
    let offered = "[...document.querySelectorAll('#file-lines [data-way=out] .note')]
        .map(({ textContent }) => textContent).join() === 'Offered to Bo, 18 B'";
    guests.ada_has("Bo asked", offered).await?;
    guests
        .bo_has("a file", "!!document.querySelector('[data-way=in] .take')")
        .await?;
    ada.click("[data-way=out] .drop").await?;
    guests
        .ada_has(
            "it cancelled",
            "document.querySelector('[data-way=out]').dataset.state === 'cancelled'",
        )
        .await?;

    bo.type_into("#file-input", path).await?;
    ada.click("[data-way=in] .take").await?;
    ada.click("[data-way=in] .save").await?;
    let saved = guests.saved.join(NAME);
    let read = async || Ok(std::fs::read_to_string(&saved).unwrap_or_default());
    let is_it = |text: &String| text == TEXT;
    wait::until("the file to be saved", wait::PATIENCE, read, is_it).await?;
    ada.screenshot("files").await
}

pub(crate) async fn the_others(guests: &Guests<'_>) -> Result<()> {
    let (ada, page) = (guests.ada, RoomPage(guests.bo));
    guests
        .click_shows("#people-toggle", "#people-panel", true)
        .await?;
    guests
        .click_shows("#people-panel .close", "#panel", false)
        .await?;
    guests
        .click_shows("#people-toggle", "#people-panel", true)
        .await?;
    ada.run("window.copied = null;", vec![]).await?;
    ada.click("#copy-link").await?;
    let link = guests.proxy.url("/r/kitchen");
    guests
        .ada_has("the link", &format!("window.copied === {link:?}"))
        .await?;
    ada.type_into("#people-search", "bo").await?;
    let found =
        "[...document.querySelectorAll('#people-lines li')].filter((it) => it.checkVisibility())
        .map((it) => it.querySelector('.name').textContent).join() === 'Bo'";
    guests.ada_has("Bo found", found).await?;
    ada.screenshot("people").await?;

    let bo = "#people-lines li:not([hidden])";
    ada.click(&format!("{bo} .mute-them")).await?;
    page.tile_is("Bo", "tile.dataset.muted", "true").await?;
    ada.click(&format!("{bo} .remove")).await?;
    guests
        .bo_has(
            "to go",
            "document.querySelector('#prejoin').checkVisibility()",
        )
        .await
}
