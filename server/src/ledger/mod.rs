//! Stored TURN credentials, and what was relayed with each: kept in a database if there is a place for one, in
//! memory if not.
//!
//! | module | what lives there |
//! |---|---|
//! | `credential` | a credential |
//! | `usage` | what was relayed, as it is asked for |
//! | `project`, `projects` | a project; all of them, with what each relayed |
//! | `quota` | when somebody is told that a quota runs out |
//! | `project_keys` | whose key it is, without waiting |
//! | `book` | the credentials and the counts: what may be done with them, and what has to be written. Plain data |
//! | `database` | the file: its schema, reading and writing |
//! | `keeper` | the thread that owns both, and the door to it |
//! | `calendar` | days and months of seconds |

pub mod book;
pub mod calendar;
pub mod credential;
pub mod database;
pub mod keeper;
pub mod project;
pub mod project_keys;
pub mod projects;
pub mod quota;
pub mod usage;

pub use credential::{Credential, Refused};
pub use database::DataError;
pub use keeper::{Ledger, Unavailable};
