//! What happened a moment ago: who came and went. It is read out, covers nothing, and goes by itself.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

use super::super::element::{Finder, Missing};
use crate::dom::Timeout;

/// How long a line stays.
const SHOWN_MS: u32 = 4_000;
/// So many at a time: of a crowd the last are told.
const MOST: usize = 4;

/// The lines.
pub(crate) struct Toasts {
    document: Document,
    list: HtmlElement,
    lines: Vec<Toast>,
}

struct Toast {
    line: Element,
    _timeout: Timeout,
}

impl Drop for Toast {
    fn drop(&mut self) {
        self.line.remove();
    }
}

impl Toasts {
    pub(super) fn new(document: &Document, find: &Finder<'_>) -> Result<Self, Missing> {
        Ok(Self {
            document: document.clone(),
            list: find.get("toasts")?,
            lines: Vec::new(),
        })
    }

    /// Says something for a moment.
    pub(crate) fn say(&mut self, words: &str) {
        let Ok(line) = self.document.create_element("li") else {
            return;
        };
        line.set_text_content(Some(words));
        let _ = self.list.append_child(&line);
        let gone: HtmlElement = line.clone().unchecked_into();
        self.lines.push(Toast {
            line,
            _timeout: Timeout::new(SHOWN_MS, move || gone.remove()),
        });
        if self.lines.len() > MOST {
            self.lines.remove(0);
        }
    }

    /// Says nothing any more.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }
}
