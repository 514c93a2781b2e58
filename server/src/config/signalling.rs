//! The settings of sessions.

use std::time::Duration;

use super::declare::settings;
use super::value::{seconds, within};

settings! {
    /// Sessions.
    pub struct Signalling {
        /// How long a session waits for a client whose WebSocket broke, such as 30s or 500ms
        pub resume_time: Duration = seconds(30), "resume-time", "TIME", within(seconds(0), seconds(24 * 3600));

        /// How often clients ping; one that is silent for three times as long is dropped
        // The protocol's rules make a second of anything less.
        pub ping_interval: Duration = seconds(15), "ping-interval", "TIME", within(seconds(1), seconds(3600));
    }
}
