//! Addresses: where the WebSocket is, seen from a page, and where rooms are.

use web_sys::{Url, UrlSearchParams, Window};

/// `ws` beside the page, so that a reverse proxy may put both under any path.
pub(crate) fn beside_the_page(window: &Window) -> String {
    let base = window.location().href().unwrap_or_default();
    from(&base).unwrap_or(base)
}

/// `ws` beside the directory of rooms, whose pages are `r/NAME`.
pub(crate) fn above_the_page(window: &Window) -> String {
    let page = window.location().href().unwrap_or_default();
    let above = Url::new_with_base("../", &page).ok();
    above.and_then(|it| from(&it.href())).unwrap_or(page)
}

/// The room whose page this is.
pub(crate) fn room_of_the_page(window: &Window) -> String {
    let path = window.location().pathname().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let decoded = js_sys::decode_uri_component(name);
    decoded.map_or_else(|_| name.to_owned(), String::from)
}

/// What the page's address says under this name.
pub(crate) fn parameter(window: &Window, name: &str) -> Option<String> {
    let query = window.location().search().ok()?;
    UrlSearchParams::new_with_str(&query).ok()?.get(name)
}

/// Where the server tells who is in the room whose page this is.
pub(crate) fn people_of_the_page() -> Option<String> {
    let path = web_sys::window()?.location().pathname().ok()?;
    Some(format!("{path}/people"))
}

/// The page's address without what is only for this visit, a token perhaps.
pub(crate) fn without_parameters() -> String {
    let location = web_sys::window().map(|window| window.location());
    let parts = location.map(|it| [it.origin(), it.pathname()]);
    let parts = parts.into_iter().flatten().filter_map(Result::ok);
    parts.collect()
}

/// The address of a room's page, relative to the front page, so that a reverse proxy may put both under any path.
pub(crate) fn of_room(name: &str) -> String {
    format!("r/{}", String::from(js_sys::encode_uri_component(name)))
}

/// Goes to the page of a room.
pub(crate) fn visit_room(name: &str) {
    if let Some(window) = web_sys::window() {
        let _ = window.location().set_href(&of_room(name));
    }
}

/// The same, in the place of this page.
pub(crate) fn go_on_to_room(name: &str) {
    if let Some(window) = web_sys::window() {
        let _ = window.location().replace(&of_room(name));
    }
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
