//! From what arrives to those who want it: who they are, and what is kept for them to ask for again.
//! Knows neither peers nor sockets, and reads no clock.
//!
//! | module | what lives there |
//! |---|---|
//! | `router` | the tracks of one shard, and the batch in hand |
//! | `track` | one publication: its sinks, what they wish for |
//! | `wants` | the best layer that each of them is to be shown |
//! | `rates` | how much its layers take |
//! | `lead_in` | the last moment of sound, for who is shown it next |
//! | `cache` | the packets of a track that may be asked for again, once for everybody |

pub mod cache;
pub mod lead_in;
pub mod rates;
pub mod router;
#[cfg(test)]
pub(in crate::media) mod tests;
pub mod track;
mod wants;
