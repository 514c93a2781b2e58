//! Cores in virtual time, without their threads; and what only the threads do.

mod bench;
mod goodbyes;
mod moving;
mod panics;
mod tables;
