//! Which page of the tiles is seen, and the way to the others.

use web_sys::{Element, HtmlButtonElement, HtmlElement};

use super::super::action::{RoomAction, SeeAction};
use super::super::element::{Finder, Missing, on, set_text, show};
use crate::dom::{Listener, Post};

/// The pager.
pub(crate) struct Pager {
    frame: HtmlElement,
    text: Element,
    back: HtmlButtonElement,
    next: HtmlButtonElement,
    _listeners: [Listener; 2],
}

impl Pager {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let back: HtmlButtonElement = find.get("page-back")?;
        let next: HtmlButtonElement = find.get("page-next")?;
        let listeners = [
            on(&back, "click", post, |_| {
                Some(RoomAction::See(SeeAction::Turn(-1)))
            }),
            on(&next, "click", post, |_| {
                Some(RoomAction::See(SeeAction::Turn(1)))
            }),
        ];
        Ok(Self {
            frame: find.get("pager")?,
            text: find.get("page-text")?,
            back,
            next,
            _listeners: listeners,
        })
    }

    /// Shows which of how many pages it is, where there is more than one.
    pub(crate) fn show(&self, page: usize, pages: usize) {
        show(&self.frame, pages > 1);
        set_text(&self.text, &format!("{} / {pages}", page + 1));
        self.back.set_disabled(page == 0);
        self.next.set_disabled(page + 1 >= pages);
    }
}
