//! The targets and what they stand on, as the server's tests have them.
#![allow(dead_code, unused_imports)]

#[path = "../../../server/tests/virtual_time/harness/mod.rs"]
pub mod harness;
#[path = "../../../server/tests/hostile_input/targets/mod.rs"]
pub mod targets;
