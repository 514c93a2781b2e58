//! A project: a tenant of the account, with a key, a quota, and credentials of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::quota::Told;

/// What happens once a quota is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuotaExceeded {
    /// Whoever is to be told is told, and the project's credentials are off until the month is over.
    #[default]
    Disable,
    /// Whoever is to be told is told.
    Notify,
    /// Nothing.
    None,
}

/// What whoever made it says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Its name, which no other project has.
    pub name: String,
    /// The bytes that it may relay in a month; as many as it likes if there is no number.
    pub quota: Option<u64>,
    /// Where it is told that the quota runs out.
    pub webhook: Option<String>,
    /// Who is to be told by whoever is at that end.
    pub emails: Vec<String>,
    /// What happens then.
    pub action: QuotaExceeded,
}

/// A project.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// What paths call it.
    pub id: String,
    /// Its own key, which makes its credentials and shows them to pages.
    pub api_key: String,
    /// What its webhook's calls are signed with.
    pub webhook_secret: String,
    /// The second in which it was made.
    pub created: u64,
    /// What is said of it.
    pub settings: Settings,
    /// What its webhook was told last, or is to be told.
    pub told: Option<Told>,
    /// What its webhook is to be told.
    pub notices: Vec<Notice>,
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Project(..)")
    }
}

/// That a threshold was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which, in which month, of which quota.
    pub reached: Told,
    /// Bytes that were relayed by then.
    pub usage: u64,
    /// The second.
    pub at: u64,
}

impl Notice {
    /// What it is called: the same however often it is sent.
    pub fn id(&self, project: &Project) -> String {
        let Told {
            month,
            quota,
            percent,
        } = self.reached;
        format!("{}-{}-{percent}-{quota}", project.id, month.month_name())
    }
}
