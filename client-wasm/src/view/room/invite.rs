//! The ways to lead others into a room: its link, the system's share sheet, and a picture that a phone reads.

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlDialogElement, HtmlElement, HtmlInputElement, Navigator};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, on, show};
use crate::dom::{Listener, Post};
use crate::qr::Code;

/// Light modules around a code, without which it is not found (ISO/IEC 18004 §9.1).
const QUIET: usize = 4;

/// The dialog.
pub(crate) struct Invite {
    dialog: HtmlDialogElement,
    link: HtmlInputElement,
    /// Has both kinds of `hidden`: an element of SVG has none of its own.
    picture: HtmlElement,
    code: Element,
    path: Element,
    news: Element,
    _listeners: [Listener; 2],
}

impl Invite {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let Finder(document): &Finder<'_> = find;
        let share: HtmlElement = find.get("invite-share")?;
        show(&share, sheet().is_some());
        let listeners = [
            on(&share, "click", post, |_| Some(RoomAction::Share)),
            // There are several of these.
            on(document, "click", post, |event| {
                let pressed: Element = event.target()?.dyn_into().ok()?;
                pressed.closest("[data-invite]").ok()??;
                Some(RoomAction::Invite)
            }),
        ];
        Ok(Self {
            dialog: find.get("invite")?,
            link: find.get("invite-link")?,
            picture: find.get("invite-picture")?,
            code: find.get("invite-code")?,
            path: find.get("invite-path")?,
            news: find.get("invite-news")?,
            _listeners: listeners,
        })
    }

    /// Shows the ways to this link. One that is too long for a picture has none.
    pub(crate) fn open(&self, link: &str) {
        self.link.set_value(link);
        self.news.set_text_content(None);
        let code = Code::of(link.as_bytes());
        show(&self.picture, code.is_some());
        if let Some(code) = code {
            let side = code.size() + 2 * QUIET;
            let place = format!("-{QUIET} -{QUIET} {side} {side}");
            let _ = self.code.set_attribute("viewBox", &place);
            let _ = self.path.set_attribute("d", &code.path());
        }
        if !self.dialog.open() {
            let _ = self.dialog.show_modal();
        }
    }

    /// Gives the link to the system's share sheet; from within what the user does.
    pub(crate) fn share(&self, document: &Document) {
        let Some((navigator, sheet)) = sheet() else {
            return;
        };
        let data = Object::new();
        let members = [("title", document.title()), ("url", self.link.value())];
        for (name, value) in members {
            let _ = Reflect::set(&data, &name.into(), &value.into());
        }
        // Whoever thinks better of it rejects the promise.
        let promise = sheet.call1(&navigator, &data);
        if let Ok(promise) = promise.and_then(JsCast::dyn_into::<js_sys::Promise>) {
            wasm_bindgen_futures::spawn_local(async move {
                let _ = promise.await;
            });
        }
    }

    /// Says something there while it is open: what is behind it is not read out.
    pub(crate) fn say(&self, words: &str) -> bool {
        let is_open = self.dialog.open();
        if is_open {
            self.news.set_text_content(Some(words));
        }
        is_open
    }

    pub(super) fn close(&self) {
        self.dialog.close();
    }
}

/// `navigator.share`, which not all browsers have.
fn sheet() -> Option<(Navigator, Function)> {
    let navigator = web_sys::window()?.navigator();
    let sheet: JsValue = Reflect::get(&navigator, &"share".into()).ok()?;
    Some((navigator, sheet.dyn_into().ok()?))
}
