//! The browser's callbacks in the shape of Rust values: listeners, timers and tasks that end when
//! they are dropped, and the bounded queue they post to. Knows nothing of calls or pages.

mod listener;
mod queue;
mod task;
mod timer;
mod value;

pub(crate) use listener::Listener;
pub(crate) use queue::{Inbox, Post, queue};
pub(crate) use task::Task;
pub(crate) use timer::{Interval, Timeout};
pub(crate) use value::{read, read_json};

use wasm_bindgen::{JsCast, JsValue};

/// The name and the words of whatever JavaScript threw.
pub(crate) fn describe(error: &JsValue) -> (String, String) {
    if let Some(error) = error.dyn_ref::<web_sys::DomException>() {
        return (error.name(), error.message());
    }
    if let Some(error) = error.dyn_ref::<js_sys::Error>() {
        return (error.name().into(), error.message().into());
    }
    let words = error.as_string().unwrap_or_else(|| format!("{error:?}"));
    ("Error".to_owned(), words)
}

/// Name and words in one line.
pub(crate) fn words(error: &JsValue) -> String {
    let (name, message) = describe(error);
    format!("{name}: {message}")
}

/// Puts a text where the user can paste it from. Says whether the browser lets pages do that at all.
pub(crate) fn copy(text: &str) -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    let clipboard: JsValue = window.navigator().clipboard().into();
    let Some(clipboard) = clipboard.dyn_ref::<web_sys::Clipboard>() else {
        return false;
    };
    let copied = clipboard.write_text(text);
    wasm_bindgen_futures::spawn_local(async move {
        let _ = copied.await;
    });
    true
}

/// Milliseconds on the page's monotonic clock.
pub(crate) fn now() -> f64 {
    let clock = web_sys::window().and_then(|window| window.performance());
    clock.map_or_else(js_sys::Date::now, |clock| clock.now())
}
