//! The Ferrite server.
fn main() {}
