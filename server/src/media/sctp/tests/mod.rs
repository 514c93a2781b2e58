//! Two ends on a virtual link in virtual time.

mod link;

mod connecting;
mod messages;
