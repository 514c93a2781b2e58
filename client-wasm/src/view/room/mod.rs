//! A room's page: `www/room.html`.

mod controls;
mod door;
mod files;
mod grid;
mod sinks;
mod talk;

use web_sys::{Document, HtmlElement};

use controls::Controls;
use door::Door;
pub(crate) use files::FileLine;
use files::Files;
pub(crate) use grid::Face;
use grid::Grid;
use sinks::Sinks;
use talk::Talk;

use super::action::RoomAction;
use super::element::{Finder, Missing, set_text, show};
use super::frame::Frame;
use crate::dom::Post;

/// The whole page.
pub(crate) struct RoomView {
    pub(crate) frame: Frame,
    pub(crate) door: Door,
    pub(crate) grid: Grid,
    pub(crate) talk: Talk,
    pub(crate) files: Files,
    pub(crate) controls: Controls,
    pub(crate) sinks: Sinks,
    document: Document,
    room: HtmlElement,
    room_title: HtmlElement,
}

impl RoomView {
    /// Binds the page's elements. Fails on a page that is not this app's.
    pub(crate) fn new(document: &Document, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let find = Finder(document);
        Ok(Self {
            frame: Frame::new(document, &post.map(RoomAction::Page))?,
            door: Door::new(&find, post)?,
            grid: Grid::new(&find)?,
            talk: Talk::new(&find, post)?,
            files: Files::new(&find, post)?,
            controls: Controls::new(&find, post)?,
            sinks: Sinks::new(document, &find)?,
            document: document.clone(),
            room: find.get("room")?,
            room_title: find.get("room-title")?,
        })
    }

    /// Says which room it is.
    pub(crate) fn name(&self, name: &str) {
        self.document.set_title(&format!("{name} · Ferrite"));
        self.door.room(name);
        set_text(&self.room_title, name);
    }

    /// Shows the room or the door before it, and moves the keyboard's place there.
    pub(crate) fn inside(&self, inside: bool) {
        self.door.show(!inside);
        show(&self.room, inside);
        match inside {
            true => {
                let _ = self.room_title.focus();
            }
            false => self.door.focus(),
        }
    }

    /// Nobody looks at the page.
    pub(crate) fn is_hidden(&self) -> bool {
        self.document.hidden()
    }
}
