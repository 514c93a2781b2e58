//! The screen before a room: the choices, one's name, and enter.

use web_sys::{HtmlButtonElement, HtmlElement, HtmlFormElement, HtmlInputElement};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, on, set_text, show};
use super::super::setup::Setup;
use crate::dom::{Listener, Post};

/// The screen before a room.
pub(crate) struct Door {
    pub(crate) setup: Setup,
    section: HtmlElement,
    choices: HtmlElement,
    /// Where the choices are: here, and once inside.
    places: [HtmlElement; 2],
    title: HtmlElement,
    room: HtmlElement,
    name: HtmlInputElement,
    enter: HtmlButtonElement,
    enter_text: HtmlElement,
    people: HtmlElement,
    _submitted: Listener,
}

impl Door {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let form: HtmlFormElement = find.get("enter-form")?;
        let name: HtmlInputElement = find.get("name")?;
        let typed = name.clone();
        let submitted = on(&form, "submit", post, move |event| {
            event.prevent_default();
            Some(RoomAction::Enter(typed.value().trim().to_owned()))
        });
        Ok(Self {
            setup: Setup::new(find, &post.map(RoomAction::Page))?,
            section: find.get("prejoin")?,
            choices: find.get("choices")?,
            places: [find.get("choices-place")?, find.get("devices-place")?],
            title: find.get("prejoin-title")?,
            room: find.get("room-name")?,
            name,
            enter: find.get("enter")?,
            enter_text: find.get("enter-text")?,
            people: find.get("door-people")?,
            _submitted: submitted,
        })
    }

    pub(super) fn room(&self, name: &str) {
        set_text(&self.room, name);
    }

    pub(super) fn show(&self, shown: bool) {
        show(&self.section, shown);
        let [here, inside] = &self.places;
        let place = if shown { here } else { inside };
        let _ = place.append_child(&self.choices);
    }

    pub(super) fn focus(&self) {
        let _ = self.title.focus();
    }

    /// Fills in the name used last.
    pub(crate) fn name(&self, name: &str) {
        self.name.set_value(name);
    }

    /// Says who is in the room.
    pub(crate) fn people(&self, words: &str) {
        set_text(&self.people, words);
    }

    /// Whether one can enter, and what the button says.
    pub(crate) fn enter(&self, enabled: bool, words: &str) {
        self.enter.set_disabled(!enabled);
        set_text(&self.enter_text, words);
    }
}
