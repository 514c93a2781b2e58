//! The settings that bound what clients may have and do.

use super::declare::settings;
use super::value::within;

/// Sound needs as much, in kbit/s.
const MIN_KBITS: u32 = 50;

/// More than any machine has file descriptors for.
const MAX_SESSIONS: usize = 10_000_000;

settings! {
    /// How much clients may have and do.
    pub struct Limits {
        /// The most sessions at a time, those that wait for their client included
        pub sessions: usize = 10_000, "max-sessions", "COUNT", within(1, MAX_SESSIONS);

        /// The most sessions at a time of one client address (IPv4 address or IPv6 /64), those that
        /// wait for their client included; 0 sets no limit
        pub sessions_per_address: usize = 256, "max-sessions-per-address", "COUNT";

        /// The most participants in one room
        pub participants: usize = 500, "max-participants", "COUNT", within(1, usize::MAX);

        /// The most publications of one participant at a time
        pub publications: usize = 16, "max-publications", "COUNT", within(1, usize::MAX);

        /// The most publications of all participants of one room together
        pub room_publications: usize = 2000, "max-room-publications", "COUNT", within(1, usize::MAX);

        /// What a member of a room may send, in kbit/s of sound and pictures; 0 sets no limit
        pub upload: u32 = 0, "max-upload", "KBITS", is_none_or_enough;

        /// What a member of a room may be sent, in kbit/s of sound and pictures; 0 sets no limit
        pub download: u32 = 0, "max-download", "KBITS", is_none_or_enough;

        /// What all members of a room together may send, in kbit/s: those who publish pictures have equal shares; 0
        /// sets no limit
        pub room_upload: u32 = 0, "max-room-upload", "KBITS", is_none_or_enough;

        /// The most rooms at a time
        pub rooms: usize = 10_000, "max-rooms", "COUNT", within(1, usize::MAX);

        /// Frames a client may send per second, sustained; four times as many may come at once.
        /// A client that sends more is disconnected
        pub message_rate: u32 = 50, "max-message-rate", "COUNT", within(1, u32::MAX);
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a rule is given the value as it is"
)]
pub(super) fn is_none_or_enough(kbits: &u32) -> Result<(), String> {
    match kbits {
        0 | MIN_KBITS.. => Ok(()),
        _ => Err(format!(
            "give 0, or {MIN_KBITS} and more: sound needs as much"
        )),
    }
}
