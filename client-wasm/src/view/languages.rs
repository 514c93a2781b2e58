//! The choice of a language by hand.

use wasm_bindgen::JsCast;
use web_sys::{Document, HtmlElement};

use crate::dom::Listener;

/// Where `www/main.js` looks.
const KEY: &str = "ferrite.language";

/// Remembers the language whose button is pressed, and shows the page in it. In that language the button leads
/// back to English.
pub(super) fn listen(document: &Document) -> Listener {
    let button = document.query_selector("[data-language]").ok().flatten();
    let root = document.document_element();
    let spoken = root.and_then(|it| it.get_attribute("lang"));
    if let Some(button) = button.and_then(|it| it.dyn_into::<HtmlElement>().ok())
        && button.dataset().get("language") == spoken
    {
        let _ = button.dataset().set("language", "en");
        let _ = button.set_attribute("lang", "en");
        button.set_text_content(Some("English"));
    }
    Listener::new(document, "click", |event| {
        let pressed = event
            .target()
            .and_then(|it| it.dyn_into::<HtmlElement>().ok());
        let Some(language) = pressed.and_then(|it| it.dataset().get("language")) else {
            return;
        };
        let Some(window) = web_sys::window() else {
            return;
        };
        if let Some(storage) = window.local_storage().ok().flatten() {
            let _ = storage.set_item(KEY, &language);
        }
        let _ = window.location().reload();
    })
}
