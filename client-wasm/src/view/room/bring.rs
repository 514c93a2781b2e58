//! Files that are brought into a room: pasted, or dropped anywhere on it.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ClipboardEvent, DataTransfer, Document, DragEvent, Event, HtmlElement};

use super::super::action::RoomAction;
use super::super::element::on;
use super::files::all_of;
use crate::dom::{Listener, Post};

/// Listens for them.
pub(super) fn listen(
    document: &Document,
    room: &HtmlElement,
    post: &Post<RoomAction>,
) -> [Listener; 4] {
    let [over, out, end] = [room.clone(), room.clone(), room.clone()];
    [
        on(document, "paste", post, |event| {
            let pasted: &ClipboardEvent = event.dyn_ref()?;
            brought(&event, &pasted.clipboard_data()?)
        }),
        on(room, "dragover", post, move |event| {
            let dragged: &DragEvent = event.dyn_ref()?;
            if has_files(&dragged.data_transfer()?) {
                // Or the browser would go to the file.
                event.prevent_default();
                mark(&over, true);
            }
            None
        }),
        on(room, "dragleave", post, move |event| {
            let dragged: &DragEvent = event.dyn_ref()?;
            if dragged.related_target().is_none() {
                mark(&out, false);
            }
            None
        }),
        on(room, "drop", post, move |event| {
            mark(&end, false);
            let dropped: &DragEvent = event.dyn_ref()?;
            brought(&event, &dropped.data_transfer()?)
        }),
    ]
}

/// Text goes where it always goes.
fn brought(event: &Event, data: &DataTransfer) -> Option<RoomAction> {
    let files = all_of(data.files());
    if files.is_empty() {
        return None;
    }
    event.prevent_default();
    Some(RoomAction::Bring(files))
}

fn has_files(data: &DataTransfer) -> bool {
    data.types().includes(&JsValue::from_str("Files"), 0)
}

fn mark(room: &HtmlElement, dropping: bool) {
    let words = if dropping { "true" } else { "false" };
    let _ = room.dataset().set("dropping", words);
}
