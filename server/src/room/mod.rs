//! Who is where, what they publish, and what they say. Plain data: what a room's members are shown is a
//! view of it, and what they are told is what is different between two of them.
//!
//! It knows nothing of sockets, sessions or RTP. Of the media plane it knows names: tracks and formats.
//!
//! | file | what it owns |
//! |---|---|
//! | `registry` | the one map of rooms |
//! | `program` | what the program around the server sees of rooms, and does to them |
//! | `seat` | a participant's place in a room, and what can be done from there |
//! | `state` | a room's rules, and in `state/moderation` those for who moderates it |
//! | `log` | what was said |
//! | `inbox` | the bytes that wait for a member |
//! | `view` | a room at one moment, and what is different at another |
//! | `departures` | why members left |
//! | `speakers` | who speaks, and in which order they are to be heard |
//! | `slots` | what each slot of a subscriber shows |

mod departures;
mod inbox;
mod log;
mod program;
mod registry;
mod seat;
mod slots;
mod speakers;
mod state;
#[cfg(test)]
mod tests;
mod view;

#[cfg(test)]
pub(crate) use departures::MAX_DEPARTURES;
#[doc(hidden)]
pub use inbox::{Inbox, Keep, Overrun, Waiting};
#[cfg(test)]
pub(crate) use inbox::{LEAST_WAITING_BYTES, MAX_WAITING, MAX_WAITING_BYTES, WAITING_BUDGET};
#[doc(hidden)]
pub use log::{Forgotten, Said};
#[cfg(test)]
pub(crate) use log::{MAX_BYTES, MAX_CHAT, MAX_CHAT_BYTES, MAX_MESSAGES};
pub use registry::Rooms;
#[doc(hidden)]
pub use seat::Seat;
#[cfg(test)]
pub(crate) use seat::{AT_ONCE, LONGEST_COMING, LONGEST_GATHER};
#[doc(hidden)]
pub use slots::{Assigned, SlotKind, assign};
#[cfg(test)]
pub(crate) use speakers::MAX_SPEAKERS;
#[doc(hidden)]
pub use speakers::{Speakers, Speaking};
#[doc(hidden)]
pub use state::{NewPublication, Newcomer, Removal};
pub use state::{RoomError, RoomLimits};
#[doc(hidden)]
pub use view::{Carried, Change, Member, View, changes};
