//! The echo's page: `www/echo.html`.

use web_sys::{Document, HtmlElement};

use super::action::Action;
use super::chat::Log;
use super::element::{Finder, Missing, set_text, show};
use super::frame::Frame;
use super::numbers::Numbers;
use super::prejoin::Prejoin;
use super::stage::Stage;
use crate::dom::Post;

/// Which of the two screens is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Prejoin,
    Call,
}

/// The whole page.
pub(crate) struct View {
    pub(crate) frame: Frame,
    pub(crate) prejoin: Prejoin,
    pub(crate) stage: Stage,
    pub(crate) log: Log,
    pub(crate) numbers: Numbers,
    server_state: HtmlElement,
    call: HtmlElement,
    call_title: HtmlElement,
}

impl View {
    /// Binds the page's elements. Fails on a page that is not this app's.
    pub(crate) fn new(document: &Document, post: &Post<Action>) -> Result<Self, Missing> {
        let find = Finder(document);
        Ok(Self {
            frame: Frame::new(document, &post.map(Action::Page))?,
            prejoin: Prejoin::new(&find, post)?,
            stage: Stage::new(&find, post)?,
            log: Log::new(&find, post)?,
            numbers: Numbers::new(document),
            server_state: find.get("server-state")?,
            call: find.get("call")?,
            call_title: find.get("call-title")?,
        })
    }

    /// Shows one of the screens, and moves the keyboard's place there.
    pub(crate) fn screen(&self, screen: Screen) {
        self.prejoin.show(screen == Screen::Prejoin);
        show(&self.call, screen == Screen::Call);
        match screen {
            Screen::Prejoin => self.prejoin.focus(),
            Screen::Call => {
                let _ = self.call_title.focus();
            }
        }
    }

    /// Shows what the server sees, by name and in words, or that it sees nothing.
    pub(crate) fn server_state(&self, seen: Option<(&str, &str)>) {
        let (state, words) = seen.unwrap_or_default();
        let _ = self.server_state.dataset().set("state", state);
        set_text(&self.server_state, words);
        show(&self.server_state, seen.is_some());
    }
}
