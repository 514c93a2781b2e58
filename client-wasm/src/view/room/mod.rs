//! A room's page: `www/room.html`.

mod bring;
mod controls;
mod door;
mod files;
mod float;
mod grid;
mod invite;
mod keys;
mod menu;
mod newcomer;
mod pager;
mod panel;
mod people;
mod quality;
mod sinks;
mod talk;
mod toasts;
mod touch;
mod zoom;

use web_sys::{Document, HtmlElement};

use controls::Controls;
use door::Door;
pub(crate) use files::FileLine;
use files::Files;
use float::Float;
use grid::Grid;
pub(crate) use grid::{Face, caption};
use invite::Invite;
use menu::Menu;
use newcomer::Newcomer;
use pager::Pager;
use panel::Panels;
use people::People;
pub(crate) use people::PersonLine;
use quality::Quality;
use sinks::Sinks;
use talk::Talk;
use toasts::Toasts;

use super::action::RoomAction;
use super::element::{Finder, Missing, on, set_text, show};
use super::frame::Frame;
use super::languages;
use crate::dom::{Listener, Post};

/// The whole page.
pub(crate) struct RoomView {
    pub(crate) frame: Frame,
    pub(crate) door: Door,
    pub(crate) grid: Grid,
    pub(crate) talk: Talk,
    pub(crate) files: Files,
    pub(crate) float: Float,
    pub(crate) controls: Controls,
    pub(crate) sinks: Sinks,
    pub(crate) invite: Invite,
    pub(crate) menu: Menu,
    pub(crate) newcomer: Newcomer,
    pub(crate) pager: Pager,
    pub(crate) panels: Panels,
    pub(crate) people: People,
    pub(crate) quality: Quality,
    pub(crate) toasts: Toasts,
    document: Document,
    room: HtmlElement,
    room_title: HtmlElement,
    heading: HtmlElement,
    alone: HtmlElement,
    sound_blocked: HtmlElement,
    _listeners: Vec<Listener>,
}

impl RoomView {
    /// Binds the page's elements. Fails on a page that is not this app's.
    pub(crate) fn new(document: &Document, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let find = Finder(document);
        let allow: HtmlElement = find.get("sound-allow")?;
        let allow = on(&allow, "click", post, |_| Some(RoomAction::AllowSound));
        let room: HtmlElement = find.get("room")?;
        // Timers of a page in the back are slow, and who comes back looks at once.
        let turned = on(document, "visibilitychange", post, |_| {
            Some(RoomAction::Turn)
        });
        let mut listeners = vec![allow, turned, languages::listen(document)];
        listeners.extend(keys::listen(document, post));
        listeners.extend(bring::listen(document, &room, post));
        Ok(Self {
            frame: Frame::new(document, &post.map(RoomAction::Page))?,
            door: Door::new(&find, post)?,
            grid: Grid::new(&find, post)?,
            talk: Talk::new(&find, post)?,
            files: Files::new(&find, post)?,
            float: Float::new(&find, post)?,
            controls: Controls::new(&find, post)?,
            sinks: Sinks::new(document, &find)?,
            invite: Invite::new(&find, post)?,
            menu: Menu::new(&find, post)?,
            newcomer: Newcomer::new(&find, post)?,
            pager: Pager::new(&find, post)?,
            panels: Panels::new(&find, post)?,
            people: People::new(&find, post)?,
            quality: Quality::new(&find, post)?,
            toasts: Toasts::new(document, &find)?,
            document: document.clone(),
            room,
            room_title: find.get("room-title")?,
            heading: find.get("where")?,
            alone: find.get("alone")?,
            sound_blocked: find.get("sound-blocked")?,
            _listeners: listeners,
        })
    }

    /// Says which room it is.
    pub(crate) fn name(&self, name: &str) {
        let product = self.document.title();
        self.document.set_title(&format!("{name} · {product}"));
        self.door.room(name);
        set_text(&self.room_title, name);
        set_text(&self.heading, name);
    }

    /// Shows the room or the door before it, and moves the keyboard's place there.
    pub(crate) fn inside(&mut self, inside: bool) {
        self.door.show(!inside);
        show(&self.room, inside);
        show(&self.heading, inside);
        self.menu.close();
        self.invite.close();
        self.quality.close();
        self.float.close();
        self.toasts.clear();
        match inside {
            true => {
                let _ = self.room_title.focus();
            }
            false => self.door.focus(),
        }
    }

    /// Has the small window there, or no longer: of this tile's picture, where the browser has no other.
    pub(crate) fn toggle_float(&mut self, tile: Option<(&str, bool)>) {
        if !self.float.toggle()
            && let Some((participant, screen)) = tile
            && let Some(video) = self.grid.video(participant, screen)
        {
            float::float(&self.document, video);
        }
    }

    /// How large a tile's picture floats above others, if it does: by itself, or in the small window, which has
    /// that of the prominent one.
    pub(crate) fn floats(
        &self,
        participant: &str,
        screen: bool,
        prominent: bool,
    ) -> Option<(f64, f64)> {
        self.float.size().filter(|_| prominent).or_else(|| {
            let video = self.grid.video(participant, screen)?;
            float::size_of(&self.document, video)
        })
    }

    /// Gives the link to the system's share sheet.
    pub(crate) fn share(&self) {
        self.invite.share(&self.document);
    }

    /// Whether nobody else is there.
    pub(crate) fn alone(&self, alone: bool) {
        show(&self.alone, alone);
    }

    /// Whether the browser keeps sound back.
    pub(crate) fn sound_blocked(&self, blocked: bool) {
        show(&self.sound_blocked, blocked);
    }

    /// Whether there is room for a panel beside the tiles.
    pub(crate) fn is_wide(&self) -> bool {
        Panels::have_room(&self.document)
    }

    /// Nobody looks at the page.
    pub(crate) fn is_hidden(&self) -> bool {
        self.document.hidden()
    }
}
