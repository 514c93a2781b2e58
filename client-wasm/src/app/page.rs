//! What all pages are: made once, opened, and fed by one queue.

use crate::dom::{self, Inbox, Post};
use crate::language;
use crate::view::{self, Missing};

/// Why a page cannot start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// There is no window, or it has no document.
    NoPage,
    /// The page is another app's.
    Missing(Missing),
}

/// A page.
pub(super) trait App: Sized + 'static {
    type Input: 'static;

    /// Binds the elements. Nothing happens before [`open`](Self::open).
    fn new(post: &Post<Self::Input>) -> Result<Self, StartError>;
    /// What a visitor sees first.
    fn open(&mut self);
    fn handle(&mut self, input: Self::Input);
}

/// Starts the loop of a page, in the language of these words.
pub(super) fn start<A: App>(words: &str) -> Result<(), StartError> {
    language::learn(dom::read_json(words).unwrap_or_default());
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        view::translate(&document);
    }
    let (post, inbox) = dom::queue();
    let mut app = A::new(&post)?;
    app.open();
    wasm_bindgen_futures::spawn_local(run(app, inbox));
    Ok(())
}

async fn run<A: App>(mut app: A, mut inbox: Inbox<A::Input>) {
    while let Some(input) = inbox.next().await {
        app.handle(input);
    }
}
