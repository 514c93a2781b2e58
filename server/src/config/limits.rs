//! The settings that bound what clients may have and do.

use super::declare::settings;
use super::value::within;

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

        /// The most rooms at a time
        pub rooms: usize = 10_000, "max-rooms", "COUNT", within(1, usize::MAX);

        /// Frames a client may send per second, sustained; four times as many may come at once.
        /// A client that sends more is disconnected
        pub message_rate: u32 = 50, "max-message-rate", "COUNT", within(1, u32::MAX);
    }
}
