//! Usage as it is asked for: whose it is, and what many relayed together.

use super::credential::Credential;

/// What is counted for many together: one could not tell who they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Sessions, with the credentials of their welcome.
    Sessions,
    /// Who has time-limited credentials by a shared secret.
    SharedSecret,
}

impl Line {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sessions, Self::SharedSecret];

    /// What it is called. No credential is called so: their names are longer.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::SharedSecret => "shared-secret",
        }
    }

    pub(super) fn called(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| line.label() == label)
    }
}

/// What was relayed on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// By all.
    pub all: u64,
    /// By those of each [line](Line::ALL).
    pub of_lines: [u64; Line::ALL.len()],
}

/// Who relayed something, as lists of usage call them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name by which it is asked for.
    pub username: String,
    /// What it is called besides.
    pub label: Option<String>,
}

impl User {
    pub(super) fn of(credential: &Credential) -> Self {
        Self {
            username: credential.username.clone(),
            label: credential.label.clone(),
        }
    }

    pub(super) fn of_line(line: Line) -> Self {
        Self {
            username: line.label().to_owned(),
            label: Some(line.label().to_owned()),
        }
    }
}
