//! What people in a room write to each other, and the line to write something.

use web_sys::{
    Element, HtmlButtonElement, HtmlElement, HtmlFormElement, HtmlInputElement, HtmlTemplateElement,
};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, child, copy_of, on};
use crate::dom::{Listener, Post};
use crate::words;

/// Lines kept on the page.
const KEPT: u32 = 500;

/// The conversation and the line.
pub(crate) struct Talk {
    frame: HtmlElement,
    list: HtmlElement,
    template: HtmlTemplateElement,
    input: HtmlInputElement,
    button: HtmlButtonElement,
    _submitted: Listener,
}

impl Talk {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let form: HtmlFormElement = find.get("chat-form")?;
        let input: HtmlInputElement = find.get("chat-input")?;
        let line = input.clone();
        let submitted = on(&form, "submit", post, move |event| {
            event.prevent_default();
            let text = line.value();
            line.set_value("");
            (!text.is_empty()).then_some(RoomAction::Say(text))
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
        self.input.set_placeholder(&words::talk(enabled));
    }

    /// Forgets the conversation.
    pub(crate) fn clear(&self) {
        self.list.set_text_content(None);
    }

    /// Adds what somebody said.
    pub(crate) fn add(&self, name: &str, text: &str, own: bool) {
        let Some(item) = copy_of(&self.template) else {
            return;
        };
        for (part, words) in [(".who", name), (".text", text)] {
            if let Some(element) = child::<Element>(&item, part) {
                element.set_text_content(Some(words));
            }
        }
        if own {
            let _ = item.set_attribute("data-self", "");
        }
        let _ = self.list.append_child(&item);
        while self.list.child_element_count() > KEPT {
            let oldest = self.list.first_element_child();
            oldest.iter().for_each(Element::remove);
        }
        self.frame.set_scroll_top(self.frame.scroll_height());
    }
}
