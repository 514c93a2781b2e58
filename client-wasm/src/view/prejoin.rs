//! The echo's screen before a call: the choices, and start.

use web_sys::{HtmlButtonElement, HtmlElement, HtmlFormElement};

use super::action::Action;
use super::element::{Finder, Missing, on, set_text, show};
use super::setup::Setup;
use crate::dom::{Listener, Post};

/// The screen before a call.
pub(crate) struct Prejoin {
    pub(crate) setup: Setup,
    section: HtmlElement,
    title: HtmlElement,
    start: HtmlButtonElement,
    start_text: HtmlElement,
    start_without: HtmlButtonElement,
    _listeners: [Listener; 2],
}

impl Prejoin {
    pub(super) fn new(find: &Finder<'_>, post: &Post<Action>) -> Result<Self, Missing> {
        let start_without: HtmlButtonElement = find.get("start-without")?;
        let form: HtmlFormElement = find.get("start-form")?;
        let listeners = [
            on(&form, "submit", post, |event| {
                event.prevent_default();
                Some(Action::Start)
            }),
            on(&start_without, "click", post, |_| {
                Some(Action::StartWithout)
            }),
        ];
        Ok(Self {
            setup: Setup::new(find, &post.map(Action::Page))?,
            section: find.get("prejoin")?,
            title: find.get("prejoin-title")?,
            start: find.get("start")?,
            start_text: find.get("start-text")?,
            start_without,
            _listeners: listeners,
        })
    }

    pub(super) fn show(&self, shown: bool) {
        show(&self.section, shown);
    }

    pub(super) fn focus(&self) {
        let _ = self.title.focus();
    }

    /// Whether one can start, and what the button says.
    pub(crate) fn start(&self, enabled: bool, words: &str) {
        self.start.set_disabled(!enabled);
        set_text(&self.start_text, words);
    }

    /// Whether one can start without devices.
    pub(crate) fn start_without(&self, enabled: bool) {
        self.start_without.set_disabled(!enabled);
    }
}
