//! The controls of a room's page, used one after the other.

pub(crate) mod door;
pub(crate) mod notes;
pub(crate) mod seeing;
pub(crate) mod talking;
pub(crate) mod trouble;

use std::path::PathBuf;

use anyhow::Result;
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{Browser, RoomPage, Seat};

/// The keys (WebDriver §17.4.2) that choose the first and the last of what there is to choose from: the device that the
/// browser likes best, and none.
pub(crate) const DEFAULT: &str = "\u{e011}";
pub(crate) const NONE: &str = "\u{e010}";

/// Who is there: Ada, who uses everything, and Bo, who sees what it does.
pub(crate) struct Guests<'a> {
    pub(crate) ada: Seat<'a>,
    pub(crate) bo: &'a Browser,
    /// Between Ada and the server.
    pub(crate) proxy: Proxy,
    /// Where Ada's browser saves files.
    pub(crate) saved: PathBuf,
}

impl Guests<'_> {
    /// Bo enters, by Ada's way to the server, and sees her.
    pub(crate) async fn bo_comes(&self) -> Result<()> {
        let page = RoomPage(self.bo);
        let room = "/r/kitchen?resolution=360&codec=VP8";
        self.bo.open(&self.proxy.url(room)).await?;
        page.enter("Bo").await?;
        page.plays("Ada", 5).await
    }

    /// Waits until Bo's page has this so.
    pub(crate) async fn bo_has(&self, what: &str, expression: &str) -> Result<()> {
        let bo = Seat::Chromium(self.bo);
        bo.holds(&format!("Bo to have {what}"), expression).await
    }

    /// Waits until Ada's page has this so.
    pub(crate) async fn ada_has(&self, what: &str, expression: &str) -> Result<()> {
        let what = format!("Ada to have {what}");
        self.ada.holds(&what, expression).await
    }

    /// Waits until an element of Ada's page is seen, or is not.
    pub(crate) async fn ada_sees(&self, css: &str, seen: bool) -> Result<()> {
        let is_seen =
            format!("(document.querySelector({css:?})?.checkVisibility() ?? false) === {seen}");
        let what = if seen { "there" } else { "gone" };
        self.ada_has(&format!("{css} {what}"), &is_seen).await
    }

    /// Ada clicks, and an element is seen then, or is not.
    pub(crate) async fn click_shows(&self, css: &str, shown: &str, seen: bool) -> Result<()> {
        self.ada.click(css).await?;
        self.ada_sees(shown, seen).await
    }

    /// Ada chooses what is behind "More".
    pub(crate) async fn more(&self, css: &str) -> Result<()> {
        self.ada.click(".round[popovertarget=more]").await?;
        self.ada.click(css).await
    }
}
