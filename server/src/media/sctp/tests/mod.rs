//! Two ends on a virtual link in virtual time.

mod link;

mod closing;
mod connecting;
mod messages;
mod reliability;
