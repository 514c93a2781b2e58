//! Where the server is: the WebSocket's address, next to the page's.

use web_sys::{Url, Window};

/// `ws` beside the page, so that a reverse proxy may put both under any path.
pub(crate) fn beside_the_page(window: &Window) -> String {
    let base = window.location().href().unwrap_or_default();
    from(&base).unwrap_or(base)
}

/// The WebSocket's address for a page's or server's address; `ws:` and `wss:` ones stay.
pub(crate) fn from(address: &str) -> Option<String> {
    let url = Url::new(address).ok()?;
    if matches!(url.protocol().as_str(), "ws:" | "wss:") {
        return Some(url.href());
    }
    let socket = Url::new_with_base("ws", address).ok()?;
    let secure = socket.protocol() == "https:";
    socket.set_protocol(if secure { "wss:" } else { "ws:" });
    Some(socket.href())
}
