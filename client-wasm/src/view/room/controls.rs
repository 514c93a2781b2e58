//! The switches of a room.

use web_sys::HtmlElement;

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, on, press, show};
use crate::dom::{Listener, Post};

/// The switches.
pub(crate) struct Controls {
    mute: HtmlElement,
    camera: HtmlElement,
    screen: HtmlElement,
    _listeners: [Listener; 4],
}

impl Controls {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let mute: HtmlElement = find.get("mute")?;
        let camera: HtmlElement = find.get("camera")?;
        let screen: HtmlElement = find.get("screen")?;
        let leave: HtmlElement = find.get("leave")?;
        let listeners = [
            on(&mute, "click", post, |_| Some(RoomAction::Mute)),
            on(&camera, "click", post, |_| Some(RoomAction::Camera)),
            on(&screen, "click", post, |_| Some(RoomAction::Screen)),
            on(&leave, "click", post, |_| Some(RoomAction::Leave)),
        ];
        Ok(Self {
            mute,
            camera,
            screen,
            _listeners: listeners,
        })
    }

    /// Shows whether the microphone is muted, the camera off, and the screen shown.
    pub(crate) fn show(&self, muted: bool, dark: bool, screen: bool) {
        press(&self.mute, muted);
        press(&self.camera, dark);
        press(&self.screen, screen);
    }

    /// This browser cannot show its screen to others.
    pub(crate) fn without_screen(&self) {
        show(&self.screen, false);
    }
}
