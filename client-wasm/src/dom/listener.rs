//! An event listener that removes itself when it is dropped.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventTarget};

use super::Post;

/// Detaches the callback from its target before it drops it: an event on a dropped closure throws.
pub(crate) struct Listener {
    target: EventTarget,
    kind: &'static str,
    callback: Closure<dyn FnMut(Event)>,
}

impl Listener {
    /// Calls `callback` with every event of this kind until the listener is dropped.
    pub(crate) fn new(
        target: &EventTarget,
        kind: &'static str,
        callback: impl FnMut(Event) + 'static,
    ) -> Self {
        let callback = Closure::new(callback);
        // `addEventListener` throws for no arguments that pass its types.
        let _ = target.add_event_listener_with_callback(kind, callback.as_ref().unchecked_ref());
        Self {
            target: target.clone(),
            kind,
            callback,
        }
    }

    /// Posts what `read` makes of every event of this kind until the listener is dropped.
    pub(crate) fn posting<T: 'static>(
        target: &EventTarget,
        kind: &'static str,
        post: &Post<T>,
        read: impl Fn(Event) -> Option<T> + 'static,
    ) -> Self {
        let post = post.clone();
        Self::new(target, kind, move |event| {
            if let Some(item) = read(event) {
                post.send(item);
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let callback = self.callback.as_ref().unchecked_ref();
        let _ = self
            .target
            .remove_event_listener_with_callback(self.kind, callback);
    }
}
