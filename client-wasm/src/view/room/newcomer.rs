//! The offer to use a device that was plugged in, or is there while another was unplugged.

use web_sys::{Element, HtmlElement};

use super::super::action::RoomAction;
use super::super::element::{Finder, Missing, on, set_text, show};
use crate::dom::{Listener, Post};
use crate::media::{Device, Kind};

/// The offer.
pub(crate) struct Newcomer {
    frame: HtmlElement,
    text: Element,
    device: Option<Device>,
    _listeners: [Listener; 2],
}

impl Newcomer {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let (take, leave): (HtmlElement, HtmlElement) =
            (find.get("newcomer-use")?, find.get("newcomer-leave")?);
        let listeners = [
            on(&take, "click", post, |_| Some(RoomAction::UseNewcomer)),
            on(&leave, "click", post, |_| Some(RoomAction::LeaveNewcomer)),
        ];
        Ok(Self {
            frame: find.get("newcomer")?,
            text: find.get("newcomer-text")?,
            device: None,
            _listeners: listeners,
        })
    }

    /// Offers a device in these words, the last that came.
    pub(crate) fn offer(&mut self, device: Device, words: &str) {
        show(&self.frame, true);
        set_text(&self.text, words);
        self.device = Some(device);
    }

    /// What was offered, if it is not over.
    pub(crate) fn take(&mut self) -> Option<Device> {
        show(&self.frame, false);
        set_text(&self.text, "");
        self.device.take()
    }

    /// What of these kinds was offered is not offered any more: one is being opened.
    pub(crate) fn settle(&mut self, kinds: &[Kind]) {
        if self
            .device
            .as_ref()
            .is_some_and(|it| kinds.contains(&it.kind))
        {
            drop(self.take());
        }
    }

    /// What is not among these any more is not offered.
    pub(crate) fn keep(&mut self, devices: &[Device]) {
        if self.device.as_ref().is_some_and(|it| !devices.contains(it)) {
            drop(self.take());
        }
    }
}
