//! What a browser tells of the network and of the page, posted to a client. Decides nothing.

use web_sys::Window;

use super::Input;
use crate::dom::{Listener, Post};
use crate::gaps;

/// What happens around the page and matters to a connection.
pub(super) fn listeners(post: &Post<Input>) -> Vec<Listener> {
    let Some(window) = web_sys::window() else {
        return Vec::new();
    };
    let online = |kind, online| {
        let post = post.clone();
        Listener::new(&window, kind, move |_| post.send(Input::Online(online)))
    };
    let mut listeners = vec![online("online", true), online("offline", false)];
    listeners.extend(other_network(&window, post));
    if let Some(document) = window.document() {
        let (page, post) = (document.clone(), post.clone());
        listeners.push(Listener::new(&document, "visibilitychange", move |_| {
            post.send(Input::Hidden(page.hidden()));
        }));
    }
    listeners
}

/// A phone goes from one network to another without having none between them.
fn other_network(window: &Window, post: &Post<Input>) -> Option<Listener> {
    let network = gaps::network(window)?;
    let (watched, post) = (network.clone(), post.clone());
    let mut known = network.kind();
    Some(Listener::new(&network, "change", move |_| {
        // This event tells of every new estimate of the rate, too.
        let now = watched.kind();
        let none = now.as_deref() == Some("none");
        if std::mem::replace(&mut known, now.clone()) != now && !none {
            post.send(Input::Online(true));
        }
    }))
}
