//! The pictures of a call and its switches.

use web_sys::{HtmlElement, MediaStream};

use super::action::{Action, Toggle};
use super::element::{self, Finder, Missing, Tile, on, set_level};
use crate::dom::{Listener, Post};
use crate::words;

/// The pictures and the switches.
pub(crate) struct Stage {
    local: Tile,
    remote: Tile,
    level: HtmlElement,
    mute: HtmlElement,
    camera: HtmlElement,
    speaker: HtmlElement,
    _listeners: [Listener; 5],
}

impl Stage {
    pub(super) fn new(find: &Finder<'_>, post: &Post<Action>) -> Result<Self, Missing> {
        let mute: HtmlElement = find.get("mute")?;
        let camera: HtmlElement = find.get("camera")?;
        let speaker: HtmlElement = find.get("speaker")?;
        let hangup: HtmlElement = find.get("hangup")?;
        let remote = Tile::new(find, ["remote-tile", "remote-video", "remote-text"])?;
        let press = |button: &HtmlElement, toggle| {
            on(button, "click", post, move |_| Some(Action::Toggle(toggle)))
        };
        let listeners = [
            press(&mute, Toggle::Mute),
            press(&camera, Toggle::Camera),
            press(&speaker, Toggle::Speaker),
            on(&hangup, "click", post, |_| Some(Action::HangUp)),
            on(&remote.video, "resize", post, |_| Some(Action::RemotePlays)),
        ];
        Ok(Self {
            local: Tile::new(find, ["local-tile", "local-video", "local-text"])?,
            remote,
            level: find.get("call-level")?,
            mute,
            camera,
            speaker,
            _listeners: listeners,
        })
    }

    /// Shows the camera's picture.
    pub(crate) fn local(&self, stream: Option<&MediaStream>) {
        self.local.play(stream);
        let words = words::no_picture_sent();
        self.local.cover(stream.is_none().then_some(&words));
    }

    /// Plays what the server returns.
    pub(crate) fn remote(&self, stream: Option<&MediaStream>) {
        self.remote.play(stream);
    }

    /// Shows the returned picture, or words in its place.
    pub(crate) fn cover_remote(&self, words: Option<&str>) {
        self.remote.cover(words);
    }

    /// Plays the returned sound, or not.
    pub(crate) fn silence(&self, silent: bool) {
        self.remote.video.set_muted(silent);
    }

    /// How loud the microphone is, 0 to 1.
    pub(crate) fn level(&self, level: f32) {
        set_level(&self.level, level);
    }

    /// Shows a switch as pressed or not.
    pub(crate) fn press(&self, toggle: Toggle, pressed: bool) {
        let button = match toggle {
            Toggle::Mute => &self.mute,
            Toggle::Camera => &self.camera,
            Toggle::Speaker => &self.speaker,
        };
        element::press(button, pressed);
    }
}
