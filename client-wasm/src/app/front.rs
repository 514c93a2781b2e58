//! The front page: it leads to rooms, and remembers them.

use super::page::{App, StartError};
use crate::dom::Post;
use crate::settings::Settings;
use crate::view::{FrontAction, FrontView};

pub(super) struct Front {
    view: FrontView,
}

impl App for Front {
    type Input = FrontAction;

    fn new(post: &Post<FrontAction>) -> Result<Self, StartError> {
        let window = web_sys::window().ok_or(StartError::NoPage)?;
        let document = window.document().ok_or(StartError::NoPage)?;
        let view = FrontView::new(&document, post).map_err(StartError::Missing)?;
        Ok(Self { view })
    }

    fn open(&mut self) {
        // Whoever was quicker than this program has sent the form to the page itself.
        let asked = web_sys::window().and_then(|window| crate::url::parameter(&window, "room"));
        let asked = asked.map(|room| room.trim().to_owned());
        if let Some(room) = asked.filter(|room| !room.is_empty()) {
            return crate::url::go_on_to_room(&room);
        }
        let rooms = Settings::load().rooms.into_iter();
        let rooms = rooms.map(|name| {
            let address = crate::url::of_room(&name);
            (name, address)
        });
        self.view.show(&rooms.collect::<Vec<_>>());
    }

    fn handle(&mut self, input: FrontAction) {
        match input {
            FrontAction::Visit(room) => crate::url::visit_room(&room),
        }
    }
}
