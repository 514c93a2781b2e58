//! What a peer sends us: its streams, what of them arrived, and what to ask for again.
//!
//! | module | what lives there |
//! |---|---|
//! | `stream` | one stream: reception, reports, keyframe requests |
//! | `table` | all of a peer's, by SSRC |
//! | `sections` | what the session description says of them |
//! | `loss` | what is missing, and when to ask for it |
//! | `arrivals` | transport-wide feedback on arrivals |
//! | `voice` | who speaks |

pub mod arrivals;
pub mod loss;
pub mod sections;
pub mod stream;
pub mod table;
pub mod voice;
