//! Why there is no configuration.

use std::path::PathBuf;

use thiserror::Error;

/// Why there is no configuration. Each is one line that says where, and what to do.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// `--help` or `--version`: this text for standard output, and no error at all.
    #[error("{0}")]
    Information(String),
    /// The command line cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// A flag or a variable has a value that makes no sense.
    #[error("{source_name}: {problem}")]
    Senseless {
        /// The flag or the variable.
        source_name: String,
        /// The value and what to give instead.
        problem: String,
    },
    /// The configuration file cannot be read.
    #[error("the configuration file {path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration file cannot be understood.
    #[error("the configuration file {path} is wrong{place}: {problem}", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// ` in line …`, or nothing.
        place: String,
        /// The problem.
        problem: String,
    },
}
