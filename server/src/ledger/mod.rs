//! Stored TURN credentials, and what was relayed with each: kept in a database if there is a place for one, in
//! memory if not.
//!
//! | module | what lives there |
//! |---|---|
//! | `book` | the credentials and the counts: what may be done with them, and what has to be written. Plain data |
//! | `database` | the file: its schema, reading and writing |
//! | `keeper` | the thread that owns both, and the door to it |
//! | `calendar` | days and months of seconds |

pub mod book;
pub mod calendar;
pub mod database;
pub mod keeper;

pub use book::{Credential, Refused};
pub use database::DataError;
pub use keeper::{Ledger, Unavailable};
