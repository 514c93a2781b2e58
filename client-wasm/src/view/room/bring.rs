//! Files that are brought into a room: pasted, or dropped anywhere on it.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    ClipboardEvent, DataTransfer, Document, DragEvent, Event, EventTarget, HtmlElement, Node,
};

use super::super::action::RoomAction;
use super::super::element::on;
use super::files::all_of;
use crate::dom::{Listener, Post};

/// Listens for them.
pub(super) fn listen(
    document: &Document,
    room: &HtmlElement,
    post: &Post<RoomAction>,
) -> [Listener; 6] {
    let [pasted, over, out, end] = std::array::from_fn(|_| room.clone());
    // What is dragged from this page, a picture of its own say, is nothing to send.
    let own = Rc::new(Cell::new(false));
    let [begun, ended, dragged, dropped] = std::array::from_fn(|_| Rc::clone(&own));
    [
        on(document, "paste", post, move |event| {
            let brought = paste(&event).filter(|_| !pasted.hidden())?;
            event.prevent_default();
            Some(brought)
        }),
        on(document, "dragstart", post, move |_| {
            begun.set(true);
            None
        }),
        on(document, "dragend", post, move |_| {
            ended.set(false);
            None
        }),
        on(document, "dragover", post, move |event| {
            let data = files_of(&event)?;
            let is_taken = !dragged.get() && is_on(&over, event.target());
            if !is_taken {
                data.set_drop_effect("none");
            }
            mark(&over, is_taken);
            None
        }),
        on(room, "dragleave", post, move |event| {
            let left: &DragEvent = event.dyn_ref()?;
            if !is_on(&out, left.related_target()) {
                mark(&out, false);
            }
            None
        }),
        on(document, "drop", post, move |event| {
            mark(&end, false);
            let data = files_of(&event)?;
            let is_taken = !dropped.get() && is_on(&end, event.target());
            let files = all_of(data.files());
            (is_taken && !files.is_empty()).then_some(RoomAction::Bring(files))
        }),
    ]
}

/// Text goes where it always goes, also what comes with a picture of it, as from a table. Some systems have a
/// file's name as its text.
fn paste(event: &Event) -> Option<RoomAction> {
    let pasted: &ClipboardEvent = event.dyn_ref()?;
    let data = pasted.clipboard_data()?;
    let files = all_of(data.files());
    let text = data.get_data("text/plain").unwrap_or_default();
    if !text.is_empty() && !text.contains(&files.first()?.name()) {
        return None;
    }
    (!files.is_empty()).then_some(RoomAction::Bring(files))
}

/// What is dragged, if there are files in it: then it is the page's, or the browser would go to the file.
fn files_of(event: &Event) -> Option<DataTransfer> {
    let dragged: &DragEvent = event.dyn_ref()?;
    let data = dragged.data_transfer().filter(has_files)?;
    event.prevent_default();
    Some(data)
}

fn is_on(room: &HtmlElement, target: Option<EventTarget>) -> bool {
    let node = target.and_then(|it| it.dyn_into::<Node>().ok());
    node.is_some_and(|node| room.contains(Some(&node)))
}

fn has_files(data: &DataTransfer) -> bool {
    data.types().includes(&JsValue::from_str("Files"), 0)
}

fn mark(room: &HtmlElement, dropping: bool) {
    let words = if dropping { "true" } else { "false" };
    let _ = room.dataset().set("dropping", words);
}
