//! The front page: `www/index.html`.

use web_sys::{Document, Element, HtmlElement, HtmlFormElement, HtmlInputElement};

use super::element::{Finder, Missing, on, show};
use super::languages;
use crate::dom::{Listener, Post};

/// What can be done on the front page.
#[derive(Debug)]
pub(crate) enum FrontAction {
    /// Go to the page of the room of this name.
    Visit(String),
}

/// The whole page.
pub(crate) struct FrontView {
    document: Document,
    recent: HtmlElement,
    lines: Element,
    input: HtmlInputElement,
    _listeners: [Listener; 2],
}

impl FrontView {
    /// Binds the page's elements. Fails on a page that is not this app's.
    pub(crate) fn new(document: &Document, post: &Post<FrontAction>) -> Result<Self, Missing> {
        let find = Finder(document);
        let form: HtmlFormElement = find.get("room-form")?;
        let input: HtmlInputElement = find.get("room")?;
        let room = input.clone();
        let submitted = on(&form, "submit", post, move |event| {
            event.prevent_default();
            let name = room.value().trim().to_owned();
            (!name.is_empty()).then_some(FrontAction::Visit(name))
        });
        Ok(Self {
            document: document.clone(),
            recent: find.get("recent")?,
            lines: find.get("recent-lines")?,
            input,
            _listeners: [submitted, languages::listen(document)],
        })
    }

    /// Shows these rooms, each with its address, and gives the keyboard to the field.
    pub(crate) fn show(&self, rooms: &[(String, String)]) {
        show(&self.recent, !rooms.is_empty());
        for (name, address) in rooms {
            let made = |tag| self.document.create_element(tag).ok();
            if let (Some(line), Some(link)) = (made("li"), made("a")) {
                link.set_text_content(Some(name));
                let _ = link.set_attribute("href", address);
                let _ = link.set_attribute("dir", "auto");
                let _ = line.append_child(&link);
                let _ = self.lines.append_child(&line);
            }
        }
        let _ = self.input.focus();
    }
}
