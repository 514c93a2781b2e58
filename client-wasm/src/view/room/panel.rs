//! What is open beside the tiles: the chat, who is there, or nothing.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

use super::super::action::{Panel, RoomAction};
use super::super::element::{Finder, Missing, on, set_text, show};
use crate::dom::{Listener, Post};

/// The place for panels, and the buttons that open them.
pub(crate) struct Panels {
    room: HtmlElement,
    frame: HtmlElement,
    panels: [(Panel, HtmlElement, HtmlElement); 2],
    unread: HtmlElement,
    count: HtmlElement,
    _listeners: [Listener; 3],
}

impl Panels {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let frame: HtmlElement = find.get("panel")?;
        let chat: HtmlElement = find.get("chat-toggle")?;
        let people: HtmlElement = find.get("people-toggle")?;
        let toggle = |button: &HtmlElement, panel| {
            on(button, "click", post, move |_| {
                Some(RoomAction::Toggle(panel))
            })
        };
        let listeners = [
            toggle(&chat, Panel::Chat),
            toggle(&people, Panel::People),
            on(&frame, "click", post, |event| {
                let pressed: Element = event.target()?.dyn_into().ok()?;
                pressed.closest("[data-close]").ok()??;
                Some(RoomAction::Close)
            }),
        ];
        Ok(Self {
            room: find.get("room")?,
            frame,
            panels: [
                (Panel::Chat, find.get("chat-panel")?, chat),
                (Panel::People, find.get("people-panel")?, people),
            ],
            unread: find.get("unread")?,
            count: find.get("count")?,
            _listeners: listeners,
        })
    }

    /// Opens one, or none.
    pub(crate) fn open(&self, open: Option<Panel>) {
        show(&self.frame, open.is_some());
        let mut name = "";
        for (panel, section, button) in &self.panels {
            let is_open = open == Some(*panel);
            show(section, is_open);
            let _ = button.set_attribute("aria-expanded", if is_open { "true" } else { "false" });
            if is_open {
                name = match panel {
                    Panel::Chat => "chat",
                    Panel::People => "people",
                };
            }
        }
        let _ = self.room.dataset().set("panel", name);
    }

    /// Whether there is room for one beside the tiles.
    pub(crate) fn have_room(document: &Document) -> bool {
        let width = document.default_view().and_then(|it| it.inner_width().ok());
        width
            .and_then(|it| it.as_f64())
            .is_some_and(|it| it >= 800.0)
    }

    /// How many lines were not read, and how many people there are.
    pub(crate) fn count(&self, unread: usize, people: usize) {
        for (badge, count) in [(&self.unread, unread), (&self.count, people)] {
            show(badge, count > 0);
            set_text(badge, &count.to_string());
        }
    }
}
