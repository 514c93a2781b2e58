//! The list of who is there, with what whoever may can do to them.

use js_sys::JsString;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, HtmlInputElement, HtmlTemplateElement};

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
    lines: Vec<Line>,
    search: HtmlInputElement,
    nobody: HtmlElement,
    _listeners: [Listener; 2],
}

struct Line {
    id: String,
    name: String,
    item: HtmlElement,
}

impl People {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let list: HtmlElement = find.get("people-lines")?;
        let search: HtmlInputElement = find.get("people-search")?;
        let listeners = [
            on(&list, "click", post, |event| pressed(&event)),
            on(&search, "input", post, |_| Some(RoomAction::Search)),
        ];
        Ok(Self {
            list,
            template: find.get("person-item")?,
            lines: Vec::new(),
            search,
            nobody: find.get("people-none")?,
            _listeners: listeners,
        })
    }

    /// Shows only those whose names have in them what is looked for.
    pub(crate) fn search(&self) {
        let wanted = folded(self.search.value().trim());
        let mut found = 0;
        for line in &self.lines {
            let is_it = folded(&line.name).contains(&wanted);
            show(&line.item, is_it);
            found += usize::from(is_it);
        }
        show(&self.nobody, found == 0 && !self.lines.is_empty());
    }

    /// Looks for nobody any more.
    pub(crate) fn forget_search(&self) {
        self.search.set_value("");
    }

    /// Shows these and no others.
    pub(crate) fn show(&mut self, people: &[PersonLine<'_>]) {
        let is_there = |line: &Line| people.iter().any(|it| it.id == line.id);
        for gone in self.lines.extract_if(.., |line| !is_there(line)) {
            gone.item.remove();
        }
        for person in people {
            if !self.lines.iter().any(|it| it.id == person.id) {
                self.lines.extend(self.line_of(person));
            }
            let mut lines = self.lines.iter_mut();
            if let Some(line) = lines.find(|it| it.id == person.id) {
                person.name.clone_into(&mut line.name);
                fill(&line.item, person);
            }
        }
        self.search();
    }

    fn line_of(&self, person: &PersonLine<'_>) -> Option<Line> {
        let item: HtmlElement = copy_of(&self.template)?.dyn_into().ok()?;
        let _ = item.dataset().set("person", person.id);
        let _ = self.list.append_child(&item);
        Some(Line {
            id: person.id.to_owned(),
            name: String::new(),
            item,
        })
    }
}

/// The browser has the tables for this.
fn folded(text: &str) -> String {
    JsString::from(text).to_lower_case().into()
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
