//! What every page has around its screens: how the call is, what is wrong, and what the user does
//! anywhere.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement, PageTransitionEvent};

use super::action::PageAction;
use super::element::{Finder, Missing, on, set_text, show};
use crate::call::Status;
use crate::dom::{Listener, Post};
use crate::words;

/// The frame of a page.
pub(crate) struct Frame {
    state: HtmlElement,
    state_text: Element,
    error: HtmlElement,
    error_text: Element,
    retry: HtmlElement,
    device_error: HtmlElement,
    device_error_text: Element,
    _listeners: Vec<Listener>,
}

impl Frame {
    pub(super) fn new(document: &Document, post: &Post<PageAction>) -> Result<Self, Missing> {
        let find = Finder(document);
        let retry: HtmlElement = find.get("retry")?;
        let device_retry: HtmlElement = find.get("device-retry")?;
        let mut listeners = vec![
            on(&retry, "click", post, |_| Some(PageAction::Retry)),
            on(&device_retry, "click", post, |_| {
                Some(PageAction::RetryDevices)
            }),
            on(document, "pointerdown", post, |_| Some(PageAction::Gesture)),
            on(document, "keydown", post, |_| Some(PageAction::Gesture)),
        ];
        if let Some(window) = document.default_view() {
            listeners.push(on(&window, "pagehide", post, |_| Some(PageAction::Leave)));
            listeners.push(on(&window, "pageshow", post, |event| {
                let event: PageTransitionEvent = event.dyn_into().ok()?;
                event.persisted().then_some(PageAction::Return)
            }));
        }
        Ok(Self {
            state: find.get("state")?,
            state_text: find.get("state-text")?,
            error: find.get("error")?,
            error_text: find.get("error-text")?,
            retry,
            device_error: find.get("device-error")?,
            device_error_text: find.get("device-error-text")?,
            _listeners: listeners,
        })
    }

    /// Shows how the call is.
    pub(crate) fn status(&self, status: &Status) {
        let state = self.state.dataset();
        let _ = state.set("phase", words::phase_name(status.phase));
        let _ = state.set("link", words::link_name(status.link));
        set_text(&self.state_text, &words::phase(status.phase));
        self.trouble(words::trouble(status).as_deref(), true);
    }

    /// Shows what is wrong with the call, and whether trying again may help.
    pub(crate) fn trouble(&self, words: Option<&str>, retry: bool) {
        banner(&self.error, &self.error_text, words);
        show(&self.retry, retry);
    }

    /// Shows what is wrong with camera and microphone.
    pub(crate) fn device_trouble(&self, words: Option<&str>) {
        banner(&self.device_error, &self.device_error_text, words);
    }
}

fn banner(banner: &HtmlElement, text: &Element, words: Option<&str>) {
    set_text(text, words.unwrap_or_default());
    show(banner, words.is_some());
}
