//! Where the numbers of a call are shown. Owns the dialog's two events, by which `www/quality.js` asks, and is told; all
//! else is there, and is loaded when somebody wants to see it.

use js_sys::Object;
use wasm_bindgen::JsValue;
use web_sys::{CustomEvent, CustomEventInit, HtmlElement};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, on};
use crate::dom::{Listener, Post};

/// The dialog.
pub(crate) struct Quality {
    dialog: HtmlElement,
    _listener: Listener,
}

impl Quality {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let dialog: HtmlElement = find.get("quality")?;
        let listener = on(&dialog, "ask", post, |_| Some(RoomAction::Measure));
        Ok(Self {
            dialog,
            _listener: listener,
        })
    }

    /// Tells whoever asked.
    pub(crate) fn tell(&self, insight: &JsValue) {
        let options = CustomEventInit::new();
        options.set_detail(insight);
        let told = CustomEvent::new_with_event_init_dict("told", &options);
        let _ = told.and_then(|told| self.dialog.dispatch_event(&told));
    }

    /// There is no room any more: nobody need ask.
    pub(super) fn close(&self) {
        self.tell(&Object::new());
    }
}
