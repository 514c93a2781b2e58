//! The pages' loops. Each owns its view, its devices and its client by value: the user's actions, the
//! devices' and the client's events come in by one queue.

mod devices;
mod echo;
mod files;
mod front;
mod grid;
mod layout;
mod outlets;
mod page;
mod room;
mod stage;

pub(crate) use page::StartError;
use page::start;

/// Starts the front page.
pub(crate) fn start_front(words: &str) -> Result<(), StartError> {
    start::<front::Front>(words)
}

/// Starts the echo's page.
pub(crate) fn start_echo(words: &str) -> Result<(), StartError> {
    start::<echo::Echo>(words)
}

/// Starts a room's page.
pub(crate) fn start_room(words: &str) -> Result<(), StartError> {
    start::<room::RoomApp>(words)
}
