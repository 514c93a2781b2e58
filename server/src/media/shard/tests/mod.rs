//! Cores in virtual time, without their threads.

mod bench;
mod moving;
mod panics;
mod tables;
