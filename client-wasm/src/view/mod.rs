//! The page: finds the elements of `www/index.html`, shows what it is told and posts what the user
//! does. DOM only: it decides nothing and remembers nothing but the elements.

mod action;
mod chat;
mod element;
mod numbers;
mod prejoin;
mod stage;

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement, PageTransitionEvent};

pub(crate) use action::{Action, Choice, Toggle};
pub(crate) use chat::{LineState, Log};
pub(crate) use element::Missing;
use element::{Finder, on, set_text, show};
pub(crate) use numbers::Numbers;
pub(crate) use prejoin::Prejoin;
pub(crate) use stage::Stage;

use crate::call::Status;
use crate::dom::{Listener, Post};
use crate::words;

/// Which of the two screens is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Prejoin,
    Call,
}

/// The whole page.
pub(crate) struct View {
    pub(crate) prejoin: Prejoin,
    pub(crate) stage: Stage,
    pub(crate) log: Log,
    pub(crate) numbers: Numbers,
    state: HtmlElement,
    state_text: Element,
    server_state: HtmlElement,
    error: HtmlElement,
    error_text: Element,
    retry: HtmlElement,
    device_error: HtmlElement,
    device_error_text: Element,
    call: HtmlElement,
    call_title: HtmlElement,
    _listeners: Vec<Listener>,
}

impl View {
    /// Binds the page's elements. Fails on a page that is not this app's.
    pub(crate) fn new(document: &Document, post: &Post<Action>) -> Result<Self, Missing> {
        let find = Finder(document);
        let retry: HtmlElement = find.get("retry")?;
        let device_retry: HtmlElement = find.get("device-retry")?;
        let mut listeners = vec![
            on(&retry, "click", post, |_| Some(Action::Retry)),
            on(&device_retry, "click", post, |_| Some(Action::RetryDevices)),
            on(document, "pointerdown", post, |_| Some(Action::Gesture)),
            on(document, "keydown", post, |_| Some(Action::Gesture)),
        ];
        if let Some(window) = document.default_view() {
            listeners.push(on(&window, "pagehide", post, |_| Some(Action::Leave)));
            listeners.push(on(&window, "pageshow", post, |event| {
                let event: PageTransitionEvent = event.dyn_into().ok()?;
                event.persisted().then_some(Action::Return)
            }));
        }
        Ok(Self {
            prejoin: Prejoin::new(&find, post)?,
            stage: Stage::new(&find, post)?,
            log: Log::new(&find, post)?,
            numbers: Numbers::new(document),
            state: find.get("state")?,
            state_text: find.get("state-text")?,
            server_state: find.get("server-state")?,
            error: find.get("error")?,
            error_text: find.get("error-text")?,
            retry,
            device_error: find.get("device-error")?,
            device_error_text: find.get("device-error-text")?,
            call: find.get("call")?,
            call_title: find.get("call-title")?,
            _listeners: listeners,
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

    /// Shows how the call is.
    pub(crate) fn status(&self, status: &Status) {
        let state = self.state.dataset();
        let _ = state.set("phase", words::phase_name(status.phase));
        let _ = state.set("link", words::link_name(status.link));
        set_text(&self.state_text, words::phase(status.phase));
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

    /// Shows what the server sees, by name and in words, or that it sees nothing.
    pub(crate) fn server_state(&self, seen: Option<(&str, &str)>) {
        let (state, words) = seen.unwrap_or_default();
        let _ = self.server_state.dataset().set("state", state);
        set_text(&self.server_state, words);
        show(&self.server_state, seen.is_some());
    }
}

fn banner(banner: &HtmlElement, text: &Element, words: Option<&str>) {
    set_text(text, words.unwrap_or_default());
    show(banner, words.is_some());
}
