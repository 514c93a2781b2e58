//! The keys that do what buttons do. Where somebody writes or a button has the keyboard, keys are what they
//! always are.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, KeyboardEvent};

use super::super::action::{Look, Panel, RoomAction, SeeAction};
use super::super::element::on;
use crate::dom::{Listener, Post};

/// Listens for them.
pub(super) fn listen(document: &Document, post: &Post<RoomAction>) -> Vec<Listener> {
    let window = document.default_view();
    // Of a key that is let go elsewhere nothing is told.
    let blurred = window.map(|it| on(&it, "blur", post, |_| Some(RoomAction::Talk(false))));
    let mut listeners = vec![
        on(document, "keydown", post, |event| {
            down(&event.dyn_into().ok()?)
        }),
        on(document, "keyup", post, |event| {
            let event: KeyboardEvent = event.dyn_into().ok()?;
            (event.key() == " ").then_some(RoomAction::Talk(false))
        }),
    ];
    listeners.extend(blurred);
    listeners
}

fn down(event: &KeyboardEvent) -> Option<RoomAction> {
    let with_others = event.ctrl_key() || event.meta_key() || event.alt_key();
    let at: Element = event.target()?.dyn_into().ok()?;
    let is_busy = |selector: &str| at.closest(selector).ok().flatten().is_some();
    if with_others || event.repeat() || is_busy("input, select, textarea, dialog, [popover]") {
        return None;
    }
    let action = match event.key().as_str() {
        " " if !is_busy("button, a, summary, [tabindex='0']") => RoomAction::Talk(true),
        "m" | "M" => RoomAction::Mute,
        "v" | "V" => RoomAction::Camera,
        "s" | "S" => RoomAction::Screen,
        "h" | "H" => RoomAction::Hand,
        "c" | "C" => RoomAction::Toggle(Panel::Chat),
        "p" | "P" => RoomAction::Toggle(Panel::People),
        "l" | "L" => RoomAction::Layout,
        "f" | "F" => RoomAction::See(SeeAction::FullScreen),
        "+" | "=" => RoomAction::See(SeeAction::Look(None, Look::Closer)),
        "-" => RoomAction::See(SeeAction::Look(None, Look::Away)),
        "0" => RoomAction::See(SeeAction::Look(None, Look::Whole)),
        "?" => RoomAction::Help,
        "Escape" => RoomAction::Close,
        "ArrowLeft" | "PageUp" => RoomAction::See(SeeAction::Turn(-1)),
        "ArrowRight" | "PageDown" => RoomAction::See(SeeAction::Turn(1)),
        _ => return None,
    };
    // Or a letter would be written where the key leads to.
    event.prevent_default();
    Some(action)
}
