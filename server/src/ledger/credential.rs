//! A credential, and why nothing is done with one.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number by which a credential or a project is counted. None is given twice.
pub type Number = u64;

/// A credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its user name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// What pages show to get the two.
    pub api_key: String,
    /// What whoever made it calls it.
    pub label: Option<String>,
    /// The second in which it was made.
    pub created: u64,
    /// How many seconds from there it is good; for ever if there are none.
    pub lifetime: Option<u64>,
    /// Whether it may be used.
    pub enabled: bool,
    /// The project that it is of.
    #[serde(default)]
    pub project: Option<Number>,
}

impl Credential {
    /// The second from which it is no good.
    pub fn expires(&self) -> Option<u64> {
        Some(self.created.saturating_add(self.lifetime?))
    }

    /// Whether it is past its time.
    pub fn is_expired(&self, unix: u64) -> bool {
        self.expires().is_some_and(|expires| expires <= unix)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Nobody is called so.
    #[error("credential not found")]
    Unknown,
    /// It cannot be used as it is.
    #[error("credential is already disabled")]
    Disabled,
    /// It can be used as it is.
    #[error("credential is already enabled")]
    Enabled,
    /// It is past its time.
    #[error("cannot enable this credential: it has expired")]
    Expired,
    /// There are as many as there may be, and none is past its time.
    #[error("there are as many credentials as there may be")]
    Full,
    /// There is no such project, or not for who asks.
    #[error("Project not found")]
    NoProject,
    /// Another project is called so.
    #[error("another project has this name")]
    NameTaken,
    /// There are as many projects as there may be.
    #[error("there are as many projects as there may be")]
    TooManyProjects,
}
