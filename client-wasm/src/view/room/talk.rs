//! What people in a room write to each other, and the line to write something.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Element, Event, HtmlButtonElement, HtmlElement, HtmlFormElement, HtmlTemplateElement,
    HtmlTextAreaElement, KeyboardEvent,
};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, child, copy_of, on};
use crate::dom::{Listener, Post};
use crate::links::{self, Part};
use crate::words;

/// Lines kept on the page.
const KEPT: u32 = 500;

/// The conversation and the line.
pub(crate) struct Talk {
    frame: HtmlElement,
    list: HtmlElement,
    template: HtmlTemplateElement,
    input: HtmlTextAreaElement,
    button: HtmlButtonElement,
    failed: HtmlTemplateElement,
    _listeners: [Listener; 3],
}

impl Talk {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let form: HtmlFormElement = find.get("chat-form")?;
        let input: HtmlTextAreaElement = find.get("chat-input")?;
        let line = input.clone();
        let submitted = on(&form, "submit", post, move |event| {
            event.prevent_default();
            let text = line.value();
            line.set_value("");
            (!text.is_empty()).then_some(RoomAction::Say(text))
        });
        let entered = on(&input, "keydown", post, move |event| {
            if ends_message(&event) {
                event.prevent_default();
                let _ = form.request_submit();
            }
            None
        });
        let list: HtmlElement = find.get("chat-lines")?;
        let line = input.clone();
        let again = on(&list, "click", post, move |event| {
            let again = said_again(&event)?;
            // The button that had the keyboard went with its line.
            let _ = line.focus();
            Some(again)
        });
        Ok(Self {
            frame: find.get("chat-log")?,
            list,
            template: find.get("chat-item")?,
            input,
            button: find.get("chat-send")?,
            failed: find.get("chat-failed")?,
            _listeners: [submitted, entered, again],
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
        let words = [(".who", name), (".text", text)];
        if let Some(item) = self.put(&self.template, words)
            && own
        {
            let _ = item.set_attribute("data-self", "");
        }
    }

    /// Adds what could not be said, and why. It can be said again.
    pub(crate) fn fail(&self, text: &str, why: &str) {
        self.put(&self.failed, [(".text", text), (".note", why)]);
    }

    fn put(&self, template: &HtmlTemplateElement, words: [(&str, &str); 2]) -> Option<Element> {
        let item = copy_of(template)?;
        for (part, words) in words {
            if let Some(element) = child::<Element>(&item, part) {
                match part {
                    ".text" => write(&element, words),
                    _ => element.set_text_content(Some(words)),
                }
            }
        }
        let _ = self.list.append_child(&item);
        while self.list.child_element_count() > KEPT {
            let oldest = self.list.first_element_child();
            oldest.iter().for_each(Element::remove);
        }
        self.frame.set_scroll_top(self.frame.scroll_height());
        Some(item)
    }
}

/// Whether a key is the one that sends what was written: with Shift it begins a line, and while a word is composed it ends
/// that.
fn ends_message(event: &Event) -> bool {
    let event: Option<&KeyboardEvent> = event.dyn_ref();
    event.is_some_and(|it| it.key() == "Enter" && !it.shift_key() && !it.is_composing())
}

/// Writes what somebody wrote, with its addresses as links, which know nothing of this page.
fn write(element: &Element, text: &str) {
    element.set_text_content(None);
    for part in links::parts(text) {
        let _ = match part {
            Part::Plain(words) => element.append_with_str_1(words),
            Part::Link(address) => append_link(element, address),
        };
    }
}

fn append_link(element: &Element, address: &str) -> Result<(), JsValue> {
    let document = element.owner_document().ok_or(JsValue::NULL)?;
    let link = document.create_element("a")?;
    link.set_attribute("href", address)?;
    link.set_attribute("target", "_blank")?;
    link.set_attribute("rel", "noopener noreferrer")?;
    link.set_text_content(Some(address));
    element.append_child(&link)?;
    Ok(())
}

/// Which line that failed is to be said again. It goes, and comes back as what becomes of it.
fn said_again(event: &Event) -> Option<RoomAction> {
    let pressed: Element = event.target()?.dyn_into().ok()?;
    let line = pressed.closest(".again").ok()??.closest("li").ok()??;
    let text = child::<Element>(&line, ".text")?.text_content()?;
    line.remove();
    Some(RoomAction::Say(text))
}
