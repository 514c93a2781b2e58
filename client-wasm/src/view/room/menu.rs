//! What is behind "More": reactions, what is seen, devices, the link, help; and the dialogs it opens.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlDialogElement, HtmlElement};

use super::super::action::{RoomAction, SeeAction};
use super::super::element::{Finder, Missing, on, press};
use crate::dom::{Listener, Post};

/// The menu.
pub(crate) struct Menu {
    document: Document,
    layout: HtmlElement,
    hide: HtmlElement,
    help: HtmlDialogElement,
    devices: HtmlDialogElement,
    _listeners: Vec<Listener>,
}

impl Menu {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let Finder(document): &Finder<'_> = find;
        let layout: HtmlElement = find.get("layout")?;
        let hide: HtmlElement = find.get("hide-self")?;
        let reactions: HtmlElement = find.get("reactions")?;
        let (full, devices, help): (HtmlElement, HtmlElement, HtmlElement) = (
            find.get("full-screen")?,
            find.get("devices-open")?,
            find.get("help-open")?,
        );
        let listeners = vec![
            on(&layout, "click", post, |_| Some(RoomAction::Layout)),
            on(&hide, "click", post, |_| Some(RoomAction::HideSelf)),
            on(&full, "click", post, |_| {
                Some(RoomAction::See(SeeAction::FullScreen))
            }),
            on(&devices, "click", post, |_| Some(RoomAction::Devices)),
            on(&help, "click", post, |_| Some(RoomAction::Help)),
            on(&reactions, "click", post, |event| {
                let pressed: HtmlElement = event.target()?.dyn_into().ok()?;
                pressed.dataset().get("reaction").map(RoomAction::React)
            }),
            // There are several of these.
            on(document, "click", post, |event| {
                let pressed: Element = event.target()?.dyn_into().ok()?;
                pressed.closest("[data-copy-link]").ok()??;
                Some(RoomAction::CopyLink)
            }),
        ];
        Ok(Self {
            document: Document::clone(document),
            layout,
            hide,
            help: find.get("help")?,
            devices: find.get("devices")?,
            _listeners: listeners,
        })
    }

    /// Shows what is chosen.
    pub(crate) fn show(&self, speaker: bool, hidden: bool) {
        press(&self.layout, speaker);
        press(&self.hide, hidden);
    }

    /// Explains the keys.
    pub(crate) fn help(&self) {
        open(&self.help);
    }

    /// Shows the choice of devices.
    pub(crate) fn devices(&self) {
        open(&self.devices);
    }

    /// The room is all one sees, or no longer.
    pub(crate) fn full_screen(&self) {
        match self.document.fullscreen_element() {
            Some(_) => self.document.exit_fullscreen(),
            None => {
                let page = self.document.document_element();
                page.into_iter().for_each(|page| {
                    let _ = page.request_fullscreen();
                });
            }
        }
    }

    /// Closes the dialogs.
    pub(crate) fn close(&self) {
        self.help.close();
        self.devices.close();
    }
}

fn open(dialog: &HtmlDialogElement) {
    if !dialog.open() {
        let _ = dialog.show_modal();
    }
}
