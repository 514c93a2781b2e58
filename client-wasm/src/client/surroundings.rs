//! What a browser tells of the network and of the page, posted to a client. Decides nothing.

use web_sys::Window;

use crate::dom::{Listener, Post};
use crate::gaps;

/// What there is to tell.
pub(super) enum Sign {
    /// The browser thinks that there is a network, perhaps another than before, or none.
    Online(bool),
    /// The page went to the back, or came to the front.
    Hidden(bool),
}

/// What happens around the page and matters to a connection.
pub(super) fn listeners(post: &Post<Sign>) -> Vec<Listener> {
    let Some(window) = web_sys::window() else {
        return Vec::new();
    };
    let online = |kind, online| {
        let post = post.clone();
        Listener::new(&window, kind, move |_| post.send(Sign::Online(online)))
    };
    let mut listeners = vec![online("online", true), online("offline", false)];
    listeners.extend(other_network(&window, post));
    if let Some(document) = window.document() {
        let (page, post) = (document.clone(), post.clone());
        listeners.push(Listener::new(&document, "visibilitychange", move |_| {
            post.send(Sign::Hidden(page.hidden()));
        }));
    }
    listeners
}

/// A phone goes from one network to another without having none between them.
fn other_network(window: &Window, post: &Post<Sign>) -> Option<Listener> {
    let network = gaps::network(window)?;
    let (watched, post) = (network.clone(), post.clone());
    let mut known = network.kind();
    Some(Listener::new(&network, "change", move |_| {
        // This event tells of every new estimate of the rate, too.
        let now = watched.kind();
        let none = now.as_deref() == Some("none");
        if std::mem::replace(&mut known, now.clone()) != now && !none {
            post.send(Sign::Online(true));
        }
    }))
}
