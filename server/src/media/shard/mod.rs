//! One core's worth of the media plane.
//!
//! | module | what lives there |
//! |---|---|
//! | `shards` | all of them, as each and the control plane sees them |
//! | `thread` | the loop around one core: polls, reads, sends |
//! | `wires` | what leaves it, and by what |
//! | `allocated` | the allocation of ours at somebody else's TURN server |
//! | `sealed` | the port of TURN over DTLS |
//! | `receive`, `pace` | what it reads, and how often |
//! | `feedback` | how often it reads the congestion feedback that was put aside |
//! | `mailbox`, `listeners` | how it is told things, and whom it tells |
//! | `core` | the core: datagrams, commands and time in; datagrams, commands and events out |
//! | `orders` | what it does as it is told |
//! | `moving` | the paths to its peers, and how these go to other shards |
//! | `turn` | the end of each of its turns: what was given out goes where it goes, and is sent |
//! | `others`, `across` | what it has to tell the other shards for the sake of rooms, and how it does |
//! | `outlet`, `command` | the way out of a core; what cores can be told |
//! | `peers`, `paths`, `timers` | its tables |
//! | `directory` | which shard has which peer |
//! | `resident`, `moves` | a peer as a core houses it, and how often it may go to another |
//! | `gatherings` | who of which room is here, for lossy messages |
//! | `talking` | a peer's messages to and from its room |
//! | `routes` | which tracks of the core's router are a peer's |
//! | `watched` | what is watched of what a peer sends, as its session was told |
//! | `gauges` | how many of everything there are |

mod across;
pub mod allocated;
pub mod command;
pub mod core;
pub mod directory;
mod feedback;
pub mod gatherings;
pub mod gauges;
pub mod listeners;
pub mod mailbox;
pub mod moves;
mod moving;
mod orders;
mod others;
pub mod outlet;
mod pace;
mod paths;
mod peers;
pub mod receive;
pub mod resident;
pub mod routes;
pub mod sealed;
pub mod shards;
pub mod talking;
#[cfg(test)]
mod tests;
pub mod thread;
mod timers;
mod turn;
mod watched;
mod wires;
