//! The log of messages and the line to write one.

use web_sys::{
    Element, HtmlButtonElement, HtmlElement, HtmlFormElement, HtmlInputElement, HtmlTemplateElement,
};

use super::action::Action;
use super::element::{Finder, Missing, child, copy_of, on, set_text};
use crate::chat::Line;
use crate::decimal::decimal;
use crate::dom::{Listener, Post};
use crate::words;

/// Lines kept on the page.
const KEPT: u32 = 200;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LineState {
    Sent,
    /// After so many milliseconds.
    Returned(f64),
    Lost,
    /// Nobody here said it.
    Received,
}

/// The log and the line.
pub(crate) struct Log {
    frame: HtmlElement,
    list: HtmlElement,
    template: HtmlTemplateElement,
    input: HtmlInputElement,
    button: HtmlButtonElement,
    _submitted: Listener,
}

impl Log {
    pub(super) fn new(find: &Finder<'_>, post: &Post<Action>) -> Result<Self, Missing> {
        let form: HtmlFormElement = find.get("chat-form")?;
        let input: HtmlInputElement = find.get("chat-input")?;
        let line = input.clone();
        let submitted = on(&form, "submit", post, move |event| {
            event.prevent_default();
            let text = line.value();
            (!text.is_empty()).then_some(Action::Say(text))
        });
        Ok(Self {
            frame: find.get("chat-log")?,
            list: find.get("chat-lines")?,
            template: find.get("chat-item")?,
            input,
            button: find.get("chat-send")?,
            _submitted: submitted,
        })
    }

    /// Whether one can write.
    pub(crate) fn enable(&self, enabled: bool) {
        self.input.set_disabled(!enabled);
        self.button.set_disabled(!enabled);
        self.input.set_placeholder(&words::chat(enabled));
    }

    /// Empties the line, once what stood there is on its way.
    pub(crate) fn clear_input(&self) {
        self.input.set_value("");
    }

    /// Forgets the conversation.
    pub(crate) fn clear(&self) {
        self.list.set_text_content(None);
    }

    /// Adds a line.
    pub(crate) fn add(&self, line: Option<Line>, text: &str, state: LineState) {
        let Some(item) = copy_of(&self.template) else {
            return;
        };
        if let Some(line) = line {
            let _ = item.set_attribute("data-line", &line.to_string());
        }
        if let Some(element) = child::<Element>(&item, ".text") {
            element.set_text_content(Some(text));
        }
        mark(&item, state);
        let _ = self.list.append_child(&item);
        while self.list.child_element_count() > KEPT {
            self.list
                .first_element_child()
                .iter()
                .for_each(Element::remove);
        }
        self.frame.set_scroll_top(self.frame.scroll_height());
    }

    /// Shows what became of a line.
    pub(crate) fn mark(&self, line: Line, state: LineState) {
        let selector = format!("[data-line=\"{line}\"]");
        if let Some(item) = child::<Element>(&self.list, &selector) {
            mark(&item, state);
        }
    }
}

fn mark(item: &Element, state: LineState) {
    let (name, note) = match state {
        LineState::Sent => ("sent", words::line_sent()),
        LineState::Returned(ms) => {
            let ms = decimal(ms, 1);
            let _ = item.set_attribute("data-rtt", &ms);
            ("returned", words::line_returned(&ms))
        }
        LineState::Lost => ("lost", words::line_lost()),
        LineState::Received => ("received", words::line_received()),
    };
    let _ = item.set_attribute("data-state", name);
    if let Some(element) = child::<Element>(item, ".note") {
        set_text(&element, &note);
    }
}
