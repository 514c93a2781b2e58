//! Participants of rooms, thousands of which fit into one thread: they join, publish packets without a
//! codec behind them, and check what they are sent. Nothing here is what the server forwards with: ICE
//! and DTLS are webrtc-rs's, SRTP is `ring`'s, and RTP and RTCP are read and written by their own.
//!
//! | file | what it is |
//! |---|---|
//! | `field` | all of them in one loop |
//! | `guest` | one of them |
//! | `door`, `janus` | by what it speaks with a server: Ferrite, or Janus beside it |
//! | `entry`, `offer` | how it gets in |
//! | `source`, `layers`, `temporal` | what it publishes, the layers of that, and the temporal ones of those |
//! | `sink`, `found` | what it checks of a stream it is sent, and what all found |
//! | `packet`, `rtcp`, `seal` | the bytes of that |
//! | `lane` | a link that is not perfect |
//! | `wire` | a few UDP sockets for all |
//! | `histogram` | times, counted |

mod door;
mod entry;
mod field;
mod found;
mod guest;
mod histogram;
mod janus;
mod lane;
mod layers;
mod offer;
mod packet;
mod rtcp;
mod seal;
mod sink;
mod source;
mod temporal;
mod wire;

pub use field::{Field, FieldOptions, News};
pub use found::Found;
pub use histogram::Histogram;
pub use lane::LinkOptions;
pub use layers::{Camera, LAYERS, RIDS};
pub use offer::Part;
pub use packet::PACKET;
pub use source::Pace;
