//! The setting of what outlives the process.

use std::path::PathBuf;

use super::declare::settings;

settings! {
    /// What outlives the process.
    pub struct Data {
        /// A directory for the database of stored TURN credentials and what they relayed; made if it is not
        /// there. Without it they live as long as the process
        pub directory: Option<PathBuf> = None, "data", "DIRECTORY";
    }
}
