//! What sits opposite a peer besides people: for now, an echo.

mod echo;

pub use echo::Echo;
