//! What one does to tiles by hand: drags one's own elsewhere, looks into a screen, moves along in it.

use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, KeyboardEvent, PointerEvent, WheelEvent};

use super::super::action::{Look, RoomAction, SeeAction};
use super::super::element::on;
use crate::dom::{Listener, Post};

/// Pixels for each press of an arrow's key.
const STEP: i32 = 24;

/// Listens to the place for tiles.
pub(super) fn listen(grid: &HtmlElement, post: &Post<RoomAction>) -> [Listener; 5] {
    [
        on(grid, "pointerdown", post, |event| held(&event)),
        on(grid, "pointermove", post, |event| dragged(&event)),
        on(grid, "wheel", post, |event| wheeled(&event)),
        on(grid, "keydown", post, |event| keyed(&event)),
        on(grid, "click", post, |event| pressed(&event)),
    ]
}

fn at(event: &Event, selector: &str) -> Option<HtmlElement> {
    let at: Element = event.target()?.dyn_into().ok()?;
    at.closest(selector).ok()??.dyn_into().ok()
}

/// What moves: one's own camera's tile, and what is seen of a screen.
const MOVES: &str = ".tile[data-self][data-source=camera], .tile[data-source=screen]";

/// The tile keeps the pointer, however fast it is.
fn held(event: &Event) -> Option<RoomAction> {
    if at(event, "button").is_none() {
        let pointer: &PointerEvent = event.dyn_ref()?;
        let _ = at(event, MOVES)?.set_pointer_capture(pointer.pointer_id());
    }
    None
}

fn dragged(event: &Event) -> Option<RoomAction> {
    let pointer: &PointerEvent = event.dyn_ref()?;
    let tile = at(event, MOVES)?;
    let (x, y) = (pointer.movement_x(), pointer.movement_y());
    let is_held = tile.has_pointer_capture(pointer.pointer_id());
    is_held.then(|| moved(&tile, x, y))?
}

/// A tile is moved, or what is seen in it, by so many pixels.
fn moved(tile: &HtmlElement, x: i32, y: i32) -> Option<RoomAction> {
    match tile.dataset().get("source")?.as_str() {
        "camera" => Some(RoomAction::See(SeeAction::MoveOwn(x, y))),
        _ => looked(tile, Look::Along(x, y)),
    }
}

fn looked(tile: &HtmlElement, look: Look) -> Option<RoomAction> {
    Some(RoomAction::See(SeeAction::Look(
        tile.dataset().get("participant"),
        look,
    )))
}

fn wheeled(event: &Event) -> Option<RoomAction> {
    let tile = at(event, ".tile[data-source=screen]")?;
    let wheel: &WheelEvent = event.dyn_ref()?;
    event.prevent_default();
    // To the side is neither closer nor away.
    let pixels = Some(wheel.delta_y()).filter(|pixels| *pixels != 0.0)?;
    looked(&tile, Look::Wheel(pixels))
}

/// Arrows, where the keyboard is on what moves.
fn keyed(event: &Event) -> Option<RoomAction> {
    let (key, tile) = (at(event, ".move, .zoom")?, at(event, ".tile")?);
    let pressed: &KeyboardEvent = event.dyn_ref()?;
    // Who looks to the right moves what is seen to the left.
    let step = if key.matches(".zoom").unwrap_or(false) {
        -STEP
    } else {
        STEP
    };
    let (x, y) = match pressed.key().as_str() {
        "ArrowLeft" => (-step, 0),
        "ArrowRight" => (step, 0),
        "ArrowUp" => (0, -step),
        "ArrowDown" => (0, step),
        _ => return None,
    };
    event.prevent_default();
    // Elsewhere these turn pages.
    event.stop_propagation();
    moved(&tile, x, y)
}

fn pressed(event: &Event) -> Option<RoomAction> {
    if at(event, ".move").is_some() {
        return Some(RoomAction::See(SeeAction::ReturnOwn));
    }
    let look = match at(event, ".zoom button")?.class_list() {
        classes if classes.contains("closer") => Look::Closer,
        _ => Look::Away,
    };
    looked(&at(event, ".tile")?, look)
}
