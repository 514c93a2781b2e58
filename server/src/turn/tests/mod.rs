//! A shard's server in virtual time: clients that ask it, a machine made of lists.

mod bench;
mod challenges;
mod discovery;
mod grants;
mod hostile;
mod lifetimes;
mod moving;
mod open_relays;
mod payers;
mod relays;
mod stored;
