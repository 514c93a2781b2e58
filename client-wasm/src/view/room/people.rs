//! The list of who is there, with what whoever may can do to them.

use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, HtmlTemplateElement};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, child, copy_of, on, set_text, show};
use super::grid::initial;
use crate::dom::{Listener, Post};
use crate::words;

/// Somebody, as the list shows them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PersonLine<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) own: bool,
    pub(crate) muted: bool,
    pub(crate) hand: bool,
    pub(crate) reconnecting: bool,
    /// Whether this client may mute and remove them.
    pub(crate) in_hand: bool,
}

/// The list.
pub(crate) struct People {
    list: HtmlElement,
    template: HtmlTemplateElement,
    lines: Vec<(String, HtmlElement)>,
    _pressed: Listener,
}

impl People {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let list: HtmlElement = find.get("people-lines")?;
        let pressed = on(&list, "click", post, |event| pressed(&event));
        Ok(Self {
            list,
            template: find.get("person-item")?,
            lines: Vec::new(),
            _pressed: pressed,
        })
    }

    /// Shows these and no others.
    pub(crate) fn show(&mut self, people: &[PersonLine<'_>]) {
        let is_there = |id: &str| people.iter().any(|it| it.id == id);
        for (_, gone) in self.lines.extract_if(.., |(id, _)| !is_there(id)) {
            gone.remove();
        }
        for person in people {
            if !self.lines.iter().any(|(id, _)| id == person.id) {
                let line = copy_of(&self.template).and_then(|it| it.dyn_into().ok());
                let Some(line): Option<HtmlElement> = line else {
                    continue;
                };
                let _ = line.dataset().set("person", person.id);
                let _ = self.list.append_child(&line);
                self.lines.push((person.id.to_owned(), line));
            }
            let known = self.lines.iter().find(|(id, _)| id == person.id);
            known.into_iter().for_each(|(_, line)| fill(line, person));
        }
    }
}

fn fill(line: &HtmlElement, person: &PersonLine<'_>) {
    let name = words::person(person.name, person.own);
    for (part, words) in [(".name", &name), (".initial", &initial(person.name))] {
        if let Some(element) = child::<Element>(line, part) {
            set_text(&element, words);
        }
    }
    let data = line.dataset();
    for (mark, is_so) in [
        ("muted", person.muted),
        ("hand", person.hand),
        ("reconnecting", person.reconnecting),
    ] {
        let _ = data.set(mark, if is_so { "true" } else { "false" });
    }
    let can = person.in_hand && !person.own;
    for (part, shown, label) in [
        (
            ".mute-them",
            can && !person.muted,
            words::mute_them(person.name),
        ),
        (".remove", can, words::remove_them(person.name)),
    ] {
        if let Some(button) = child::<HtmlElement>(line, part) {
            show(&button, shown);
            let _ = button.set_attribute("aria-label", &label);
            button.set_title(&label);
        }
    }
}

fn pressed(event: &Event) -> Option<RoomAction> {
    let pressed: Element = event.target()?.dyn_into().ok()?;
    let button = pressed.closest("button").ok()??;
    let line: HtmlElement = button.closest("[data-person]").ok()??.dyn_into().ok()?;
    let person = line.dataset().get("person")?;
    match button.class_list().contains("remove") {
        true => Some(RoomAction::Remove(person)),
        false => Some(RoomAction::MuteThem(person)),
    }
}
