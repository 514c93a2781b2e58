//! Why a call is not connected: what its client saw and what its server saw, put side by side into one
//! cause and one sentence.
//!
//! Pure: evidence in, a [`Diagnosis`] out. Nothing here collects anything, and a cause that the evidence of
//! either end contradicts is never named; what is only likely is said to be likely. `diagnosis.md` in the
//! server's documents lists the causes.
//!
//! | module | what lives there |
//! |---|---|
//! | `client` | what a client saw, as it travels |
//! | `server` | what the server saw |
//! | `cause` | the causes, and a sentence for each |
//! | `judge` | from the one to the other |

mod cause;
mod client;
mod judge;
mod server;
#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use client::{ClientEvidence, Gathered, Handshake, MAX_GATHERING_ERRORS, PairSums};
pub use judge::{Diagnosis, judge};
pub use server::{Arrivals, DtlsEvidence, DtlsFate, Gap, IceEvidence, PathState, ServerEvidence};
