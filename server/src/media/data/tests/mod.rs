//! Two ends on a virtual link in virtual time.

mod link;
mod raw;

mod closing;
mod connecting;
mod firsts;
mod hostile;
mod memory;
mod messages;
mod operations;
mod pressure;
mod reliability;
mod work;
