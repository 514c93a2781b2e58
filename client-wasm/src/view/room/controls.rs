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
    hand: HtmlElement,
    _listeners: [Listener; 5],
}

impl Controls {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let mute: HtmlElement = find.get("mute")?;
        let camera: HtmlElement = find.get("camera")?;
        let screen: HtmlElement = find.get("screen")?;
        let hand: HtmlElement = find.get("hand")?;
        let leave: HtmlElement = find.get("leave")?;
        let listeners = [
            on(&mute, "click", post, |_| Some(RoomAction::Mute)),
            on(&camera, "click", post, |_| Some(RoomAction::Camera)),
            on(&screen, "click", post, |_| Some(RoomAction::Screen)),
            on(&hand, "click", post, |_| Some(RoomAction::Hand)),
            on(&leave, "click", post, |_| Some(RoomAction::Leave)),
        ];
        Ok(Self {
            mute,
            camera,
            screen,
            hand,
            _listeners: listeners,
        })
    }

    /// Shows whether the microphone is muted, the camera off, and the screen shown.
    pub(crate) fn show(&self, muted: bool, dark: bool, screen: bool) {
        press(&self.mute, muted);
        press(&self.camera, dark);
        press(&self.screen, screen);
    }

    /// Shows whether the own hand is up.
    pub(crate) fn hand(&self, up: bool) {
        press(&self.hand, up);
    }

    /// This browser cannot show its screen to others.
    pub(crate) fn without_screen(&self) {
        show(&self.screen, false);
    }
}
