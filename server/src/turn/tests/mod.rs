//! A shard's server in virtual time: clients that ask it, a machine made of lists.

mod bandwidth;
mod bench;
mod challenges;
mod clients;
mod discovery;
mod grants;
mod hostile;
mod lifetimes;
mod moving;
mod open_relays;
mod payers;
mod relays;
mod sharing;
mod stored;
mod streams;
