//! The pages' loops. Each owns its view, its devices and its client by value: the user's actions, the
//! devices' and the client's events come in by one queue.

mod devices;
mod echo;
mod grid;
mod room;
mod stage;

use crate::dom::{self, Inbox, Post};
use crate::view::Missing;

/// Why a page cannot start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// There is no window, or it has no document.
    NoPage,
    /// The page is another app's.
    Missing(Missing),
}

/// A page.
trait App: Sized + 'static {
    type Input: 'static;

    /// Binds the elements. Nothing happens before [`open`](Self::open).
    fn new(post: &Post<Self::Input>) -> Result<Self, StartError>;
    /// What a visitor sees first.
    fn open(&mut self);
    fn handle(&mut self, input: Self::Input);
}

/// Starts the echo's page.
pub(crate) fn start_echo() -> Result<(), StartError> {
    start::<echo::Echo>()
}

/// Starts a room's page.
pub(crate) fn start_room() -> Result<(), StartError> {
    start::<room::RoomApp>()
}

fn start<A: App>() -> Result<(), StartError> {
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
