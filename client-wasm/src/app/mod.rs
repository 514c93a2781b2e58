//! The pages' loops. Each owns its view, its devices and its client by value: the user's actions, the
//! devices' and the client's events come in by one queue.

mod devices;
mod echo;
mod files;
mod grid;
mod outlets;
mod page;
mod room;
mod stage;

pub(crate) use page::StartError;
use page::start;

/// Starts the echo's page.
pub(crate) fn start_echo() -> Result<(), StartError> {
    start::<echo::Echo>()
}

/// Starts a room's page.
pub(crate) fn start_room() -> Result<(), StartError> {
    start::<room::RoomApp>()
}
