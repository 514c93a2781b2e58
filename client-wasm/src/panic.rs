//! What happens to a panic: the details go to the console, and the user is told. The client has
//! stopped by then, so the button that reloads the page belongs to the page itself.

use std::panic;

use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, console};

/// Installs the hook.
pub(crate) fn install() {
    panic::set_hook(Box::new(|info| {
        let stack = js_sys::Error::new(&info.to_string());
        console::error_2(&"Ferrite: the client stopped.".into(), &stack);
        tell();
    }));
}

/// Shows the page's dialog, where there is one.
fn tell() {
    let document = web_sys::window().and_then(|window| window.document());
    let dialog = document.and_then(|document| document.get_element_by_id("crash"));
    let dialog = dialog.and_then(|it| it.dyn_into::<HtmlDialogElement>().ok());
    if let Some(dialog) = dialog.filter(|dialog| !dialog.open()) {
        let _ = dialog.show_modal();
    }
}
